"""Search over 50,000 units: alone, eight at once, and while an ingest runs."""

import asyncio
import http.client
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np

from bench.figures import Figure, percentile
from bench.served import Served, latencies, served
from bench.texts import plain_text, sentences
from docradar.documents import Passage
from docradar.embedding.choice import load_embedder
from docradar.embedding.protocol import Embedder, Vectors
from docradar.settings import Settings
from tests.api import running

UNITS = 50_000
DOCUMENTS = 50
QUERIES = 300
CLIENTS = 8
NOISE = 0.3  # length of the noise beside a sentence's vector of length 1


class Scattered:
    """Passages get directions scattered around those of real sentences, so that 50,000 units are there in seconds and lie
    about as densely as real ones do; queries use the real model."""

    def __init__(self, real: Embedder) -> None:
        self.profile = real.profile
        self._real = real
        self._random = np.random.default_rng(1)
        passages = [Passage.whole(sentence) for sentence in sentences(500, seed=11)]
        self._centres = np.concatenate(real.embed_passages(passages))

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        return [self._directions(len(passage.spans)) for passage in passages]

    def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
        return self._real.embed_queries(queries, instruction)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._real.count_tokens(texts)

    def close(self) -> None:
        self._real.close()

    def _directions(self, count: int) -> Vectors:
        centres = self._centres[self._random.integers(len(self._centres), size=count)]
        noise = self._random.standard_normal((count, self.profile.dim), dtype=np.float32)
        scattered = centres + NOISE * noise / np.sqrt(self.profile.dim)
        return (scattered / np.linalg.norm(scattered, axis=1, keepdims=True)).astype(np.float32)


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        embedder = load_embedder(Settings(data_dir=data_dir), lambda _stage: None)
        asyncio.run(_fill(data_dir, embedder))
        queries = [line[:60] for line in sentences(QUERIES, seed=7)]
        own_rate = _query_rate(embedder, queries)
        del embedder
        with served(data_dir) as service:
            service.seconds_until("/health/ready")
            for query in queries[:30]:
                service.search(query)
            yield from _one_by_one(service, queries)
            rate = _eight_at_once(service, queries)
            yield Figure("embedder alone, one query after another", own_rate, "queries/s")
            yield Figure("8 clients at once, over HTTP", rate, "queries/s")
            yield Figure("8 clients / embedder alone", rate / own_rate, "", "≥ 0.8")
            yield from _during_ingest(service, queries)


async def _fill(data_dir: Path, embedder: Embedder) -> None:
    lines = sentences(UNITS)
    size = UNITS // DOCUMENTS
    async with running(data_dir, embedder=Scattered(embedder), max_query_chars=8000) as api:
        jobs = [
            await api.put(
                "\n".join(lines[n * size : (n + 1) * size]),
                split="lines",
                external_id=str(n),
                source=f"s{n % 5}",
            )
            for n in range(DOCUMENTS)
        ]
        for job in jobs:
            await api.ended(job["id"])


def _query_rate(embedder: Embedder, queries: list[str]) -> float:
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        for query in queries[:100]:
            embedder.embed_queries([query])
        rates.append(100 / (time.perf_counter() - started))
    return median(rates)


def _one_by_one(service: Served, queries: list[str]) -> Iterator[Figure]:
    for label, fields in (("unfiltered", {}), ("filtered by source", {"filter": {"source": ["s1"]}})):
        walls, rests, retrieves = [], [], []
        for query in queries:
            started = time.perf_counter()
            took = service.search(query, **fields)["took_ms"]
            wall = (time.perf_counter() - started) * 1e3
            walls.append(wall)
            rests.append(wall - took["embed"])
            retrieves.append(took["retrieve"])
        yield Figure(f"{label}: whole request, p50", median(walls), "ms")
        yield Figure(f"{label}: all but embedding, p50", median(rests), "ms", "< 15")
        yield Figure(f"{label}: retrieve stage, p50", median(retrieves), "ms")


def _eight_at_once(service: Served, queries: list[str]) -> float:
    """Requests per second of eight clients that each ask one question after another."""
    host, port = service.client.base_url.host, service.client.base_url.port

    def ask(share: list[str]) -> None:
        connection = http.client.HTTPConnection(host, port)
        for query in share:
            body = json.dumps({"query": query})
            connection.request("POST", "/v1/search", body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
            assert response.status == 200

    rates = []
    for turn in range(3):
        # Other queries each time: a vector remembered from the last turn would be no measurement.
        fresh = [f"{query} {turn}" for query in queries]
        threads = [threading.Thread(target=ask, args=(fresh[n::CLIENTS],)) for n in range(CLIENTS)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates.append(len(fresh) / (time.perf_counter() - started))
    return median(rates)


def _during_ingest(service: Served, queries: list[str]) -> Iterator[Figure]:
    idle = latencies(service, [f"{query} a" for query in queries])
    job = service.put(plain_text(sentences(20_000, seed=3)), external_id="bulk")
    while service.client.get(f"/v1/jobs/{job['id']}").json()["stage"] != "embedding":
        time.sleep(0.05)
    busy = latencies(service, [f"{query} b" for query in queries])
    assert service.client.get(f"/v1/jobs/{job['id']}").json()["state"] == "running", (
        "the ingest ended too early"
    )
    service.client.post(f"/v1/jobs/{job['id']}/cancel")
    yield Figure("idle: whole request, p95", percentile(idle, 0.95), "ms")
    yield Figure("while an ingest runs: whole request, p50", median(busy), "ms")
    yield Figure("while an ingest runs: whole request, p95", percentile(busy, 0.95), "ms")
    yield Figure(
        "p95 while an ingest runs / idle", percentile(busy, 0.95) / percentile(idle, 0.95), "", "≤ 2.5"
    )
