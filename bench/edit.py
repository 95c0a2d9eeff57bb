"""One sentence edited in a document of 10,000."""

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.texts import plain_text, sentences
from docradar.documents import Passage
from docradar.embedding.choice import load_embedder
from docradar.embedding.protocol import Embedder, Vectors
from docradar.settings import Settings
from tests.api import Api, running

UNITS = 10_000


class Counting:
    """The real embedder, counting the passages it is given."""

    def __init__(self, real: Embedder) -> None:
        self.profile = real.profile
        self.passages = 0
        self._real = real

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        self.passages += len(passages)
        return self._real.embed_passages(passages)

    def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
        return self._real.embed_queries(queries, instruction)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._real.count_tokens(texts)

    def close(self) -> None:
        self._real.close()


def run() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        embedder = Counting(load_embedder(Settings(data_dir=data_dir), lambda _stage: None))
        yield from asyncio.run(_measure(data_dir, embedder))


async def _measure(data_dir: Path, embedder: Counting) -> list[Figure]:
    lines = sentences(UNITS)
    seconds, passages = [], []
    async with running(data_dir, embedder=embedder) as api:
        total = await _put(api, lines)
        whole = embedder.passages
        for place in (17, 2500, 5003, 7777, 9981):
            lines[place] = f"This sentence was edited at place {place}, and only this one."
            before, started = embedder.passages, time.perf_counter()
            await _put(api, lines)
            seconds.append(time.perf_counter() - started)
            passages.append(embedder.passages - before)
    return [
        Figure("units of the document", total, ""),
        Figure("passages of the document", whole, ""),
        Figure("one sentence edited: passages embedded again, median of 5 edits", median(passages), "", "1"),
        Figure("one sentence edited: passages embedded again, most of 5 edits", max(passages), ""),
        Figure("one sentence edited: upload to searchable", median(seconds), "s", "< 5"),
    ]


async def _put(api: Api, lines: list[str]) -> int:
    response = await api.upload("long.txt", plain_text(lines).encode())
    job_id = response.json()["jobs"][0]["id"]
    while True:
        job = (await api.client.get(f"/v1/jobs/{job_id}")).json()
        if job["state"] == "succeeded":
            return int(job["total"])
        assert job["state"] in ("queued", "running"), job
        await asyncio.sleep(0.02)
