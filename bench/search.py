"""Search over 50,000 units: alone, eight at once, and while an ingest runs."""

import asyncio
import http.client
import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

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
KINDS: Final[dict[str, dict[str, Any]]] = {
    "semantic": {},
    "semantic, filtered by source": {"filter": {"source": ["s1"]}},
    "keyword": {"mode": "keyword"},
    "hybrid": {"mode": "hybrid"},
    "semantic, two neighbours on each side": {"context": {"before": 2, "after": 2}},
    "semantic, ten groups by document": {"group_by": "document", "limit": 10},
}
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
    """The kinds of search take turns, so that a noisy neighbour disturbs all alike."""
    stages: dict[str, dict[str, list[float]]] = {kind: defaultdict(list) for kind in KINDS}
    for query in queries:
        for kind, fields in KINDS.items():
            started = time.perf_counter()
            took = service.search(query, **fields)["took_ms"]
            wall = (time.perf_counter() - started) * 1e3
            for stage, value in (took | {"wall": wall, "rest": wall - took["embed"]}).items():
                stages[kind][stage].append(value)
    p50 = {kind: {stage: median(values) for stage, values in by.items()} for kind, by in stages.items()}
    for kind, by in p50.items():
        target = "< 15" if kind in ("semantic", "semantic, filtered by source") else ""
        yield Figure(f"{kind}: whole request, p50", by["wall"], "ms")
        yield Figure(f"{kind}: all but embedding, p50", by["rest"], "ms", target)
        yield Figure(f"{kind}: retrieve stage, p50", by["retrieve"], "ms")
        yield Figure(f"{kind}: hydrate stage, p50", by["hydrate"], "ms", "≤ 3")
    plain = p50["semantic"]["retrieve"]
    yield Figure("hybrid / semantic, retrieve stage", p50["hybrid"]["retrieve"] / plain, "", "≤ 3")
    filtered = p50["semantic, filtered by source"]["retrieve"]
    yield Figure("filtered / unfiltered, retrieve stage", filtered / plain, "", "≤ 1")


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
