"""The embedded index under load: 50,000 units of 384 dimensions, or as many as are given on the command line."""

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from docradar.documents import Generation, Kind
from docradar.filters import AnyOf
from docradar.index import DocumentPayload, UnitIndex, UnitPayload, UnitPoint
from docradar.index.edge import EdgeClient
from docradar.keywords import document_keywords, query_keywords

DIM = 384
GENERATION = Generation("0" * 64, "bench", DIM, "bench")
SOURCES = ("confluence", "faq", "notes", "prd", "runbook")
UNITS_PER_DOCUMENT = 500
QUERIES = 50
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)

Row = tuple[str, float, str, str]


def run(units: int = 50_000) -> list[Row]:
    """Rows of name, value, unit, target. p50 over `QUERIES` queries, one at a time."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), units))


async def _measure(folder: Path, units: int) -> list[Row]:
    chosen = np.random.default_rng(1)
    vectors = chosen.standard_normal((units, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = await UnitIndex.open(EdgeClient(folder), GENERATION)
    upsert_seconds = await _upsert(index, vectors)
    await index.close()

    started = time.perf_counter()
    index = await UnitIndex.open(EdgeClient(folder), GENERATION)
    load_seconds = time.perf_counter() - started
    queries = vectors[chosen.integers(0, units, QUERIES)]
    words = [
        query_keywords(f"timeout of order {n} ERR_{n % 900}") for n in chosen.integers(0, units, QUERIES)
    ]
    one_source = AnyOf("source", ("faq",))
    timings = {
        "unfiltered": lambda n: index.search(queries[n], limit=20),
        "filtered by source": lambda n: index.search(queries[n], filter=one_source, limit=20),
        "keywords": lambda n: index.search_keywords(words[n], limit=20),
        "hybrid": lambda n: index.search_hybrid(queries[n], words[n], limit=20),
    }
    rows: list[Row] = [
        (f"index: upsert, {units:,} units", units / upsert_seconds, "units/s", ""),
        (f"index: load, {units:,} units", load_seconds, "s", ""),
    ]
    for name, search in timings.items():
        target = "< 15 with hydration" if name in ("unfiltered", "filtered by source") else ""
        rows.append((f"index: search p50, {name}", await _p50_ms(search), "ms", target))
    await index.close()
    return rows


async def _upsert(index: UnitIndex, vectors: "np.ndarray[tuple[int, int], np.dtype[np.float32]]") -> float:
    """Seconds spent in the index; making the points is not counted."""
    seconds = 0.0
    for first in range(0, len(vectors), UNITS_PER_DOCUMENT):
        points = [_point(number, vectors[number]) for number in range(first, first + UNITS_PER_DOCUMENT)]
        started = time.perf_counter()
        await index.upsert(points)
        seconds += time.perf_counter() - started
    return seconds


def _point(number: int, vector: "np.ndarray[tuple[int], np.dtype[np.float32]]") -> UnitPoint:
    document = number // UNITS_PER_DOCUMENT
    text = f"Order {number} ran into a timeout, the gateway said ERR_{number % 900}; 支付超时后重试 {number % 7} 次。"
    payload = DocumentPayload(
        collection="default",
        source=SOURCES[document % len(SOURCES)],
        document_id=str(uuid.UUID(int=document)),
        external_id=f"{document}.md",
        title=f"Document {document}",
        media_type="text/markdown",
        created_at=MOMENT,
        updated_at=MOMENT,
        stored_at=MOMENT,
        language="zh",
        tags=("payments",),
    )
    return UnitPoint(
        str(uuid.UUID(int=2**64 + number)),
        vector,
        document_keywords(text),
        UnitPayload(payload, text, Kind.PARAGRAPH, 1 + number % 40, ("Runbook", "Payments")),
    )


async def _p50_ms(search: Callable[[int], Awaitable[object]]) -> float:
    await search(0)
    durations = []
    for number in range(QUERIES):
        started = time.perf_counter()
        await search(number)
        durations.append(time.perf_counter() - started)
    return statistics.median(durations) * 1e3


if __name__ == "__main__":
    for name, value, unit, target in run(int(sys.argv[1]) if sys.argv[1:] else 50_000):
        print(f"{name:50} {value:10.2f} {unit:8} {target}")
