"""How fast the queue and the hydration of search results are, on SQLite and on a PostgreSQL server of our own."""

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

from bench.figures import Figure
from docradar.catalog import Catalog, Content
from docradar.documents import DocumentFields, DocumentKey, IngestReport, Kind, Span, Unit
from tests.postgres import PostgresServer, binaries

JOBS = 1000
UNITS = 50_000
UNITS_A_DOCUMENT = 250
HITS = 20


def run() -> list[Figure]:
    """Jobs a second, and the time to turn hits into text."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'catalog.sqlite3'}"
        figures += _figures("SQLite", url, target="≥ 200", workers=1)
    if binaries() is not None:
        with _postgres() as url:
            figures += _figures("PostgreSQL", url, target="≥ 500", workers=4)
    return figures


def _figures(name: str, url: str, *, target: str, workers: int) -> list[Figure]:
    with closing(Catalog.open(url)) as catalog:
        rate = statistics.median(_jobs_per_second(catalog, run, workers) for run in range(3))
        _fill(catalog)
        return [
            Figure(f"{name}: trivial jobs, enqueued, claimed and ended", rate, "jobs/s", target),
            Figure(f"{name}: {HITS} hits hydrated, of {UNITS:,} units", _hydrate_ms(catalog), "ms"),
        ]


def _jobs_per_second(catalog: Catalog, run: int, workers: int) -> float:
    """Each job comes with its document, as uploads make them, and is claimed and ended by itself."""

    def enqueue(number: int) -> None:
        catalog.put_document(DocumentKey("bench", str(run), str(number)), DocumentFields(), _content(number))

    def work(worker: int) -> int:
        ended = 0
        while claimed := catalog.claim(f"worker-{worker}", 4):
            for job in claimed:
                catalog.succeed(job)
                ended += 1
        return ended

    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(enqueue, range(JOBS)))
        ended = sum(pool.map(work, range(workers)))
    assert ended == JOBS
    return JOBS / (time.perf_counter() - began)


def _fill(catalog: Catalog) -> None:
    for document in range(UNITS // UNITS_A_DOCUMENT):
        catalog.put_document(
            DocumentKey("bench", "units", str(document)), DocumentFields(title="Title"), _content(document)
        )
        [job] = catalog.claim("bench", 1)
        catalog.begin_units(job, text_blob="0" * 64)
        catalog.write_units(job, [_unit(document, ordinal) for ordinal in range(UNITS_A_DOCUMENT)])
        catalog.commit_ingest(job, units=UNITS_A_DOCUMENT, report=IngestReport())


def _hydrate_ms(catalog: Catalog) -> float:
    """Median over searches that each find other units."""
    chance = random.Random(7)
    times = []
    for _ in range(300):
        ids = [
            _unit_id(chance.randrange(UNITS // UNITS_A_DOCUMENT), chance.randrange(UNITS_A_DOCUMENT))
            for _ in range(HITS)
        ]
        began = time.perf_counter()
        found = catalog.hydrate(ids)
        times.append(time.perf_counter() - began)
        assert set(found) == set(ids)
    return statistics.median(times) * 1e3


def _content(number: int) -> Content:
    return Content(f"{number:064x}", 100, "text/plain", "note.txt")


def _unit(document: int, ordinal: int) -> Unit:
    text = f"Sentence {ordinal} of document {document} says what a sentence of a runbook says, at the usual length."
    start = ordinal * 120
    return Unit(
        _unit_id(document, ordinal),
        ordinal,
        Kind.PARAGRAPH,
        text,
        Span(start, start + len(text)),
        ("Runbook", "Payments"),
        1,
    )


def _unit_id(document: int, ordinal: int) -> str:
    return str(UUID(int=document << 64 | ordinal))


@contextmanager
def _postgres() -> Iterator[str]:
    server = PostgresServer.start()
    try:
        yield server.url("postgres")
    finally:
        server.close()


if __name__ == "__main__":
    for figure in run():
        print(*figure)
