"""Short words for what the tests of the catalog do all the time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from docradar.catalog import Catalog, Content, PutOutcome
from docradar.documents import (
    DocumentFields,
    DocumentKey,
    IngestReport,
    Job,
    JobKind,
    JobState,
    Kind,
    Span,
    Unit,
    sha256_text,
)


def key(name: str = "a", *, collection: str = "team", source: str = "prd") -> DocumentKey:
    return DocumentKey(collection, source, name)


def content(text: str = "hello") -> Content:
    return Content(sha256_text(text), len(text), "text/plain", "a.txt")


def put(
    catalog: Catalog, name: str = "a", text: str = "hello", fields: DocumentFields | None = None
) -> PutOutcome:
    return catalog.put_document(key(name), fields or DocumentFields(), content(text))


def unit(ordinal: int, text: str = "", *, document: str = "a", unit_id: str = "") -> Unit:
    text = text or f"sentence {ordinal}"
    start = ordinal * 100
    return Unit(
        id=unit_id or f"{document}-{ordinal}",
        ordinal=ordinal,
        kind=Kind.PARAGRAPH,
        text=text,
        span=Span(start, start + len(text)),
        heading_path=("One", "Two"),
        page=ordinal + 1,
    )


def claim(catalog: Catalog, worker: str = "w1") -> Job:
    """The only job that is due."""
    [job] = catalog.claim(worker, 10)
    return job


def write(catalog: Catalog, job: Job, units: list[Unit], text: str = "text") -> None:
    catalog.begin_units(job, text_blob=sha256_text(text))
    catalog.write_units(job, units)


def commit(catalog: Catalog, job: Job, units: list[Unit], text: str = "text") -> Job:
    write(catalog, job, units, text)
    return catalog.commit_ingest(job, units=len(units), report=IngestReport())


def ingest(catalog: Catalog, name: str = "a", text: str = "hello", units: list[Unit] | None = None) -> str:
    """A document, put, committed and swept as far as it is due. Returns its id."""
    outcome = put(catalog, name, text)
    committed = commit(catalog, claim(catalog), units or [unit(i, document=name) for i in range(3)])
    assert committed.state is JobState.SUCCEEDED
    sweep_due(catalog)
    return outcome.document.id


def sweep_due(catalog: Catalog) -> None:
    """Runs what is due of updates, deletions and sweeps, as if the index had followed."""
    for job in catalog.claim("sweeper", 100):
        catalog.finish_sweep(job)


def work_is_due(catalog: Catalog) -> bool:
    """Whether a queued job may run by now."""
    queued = [
        job
        for kind in (None, JobKind.SWEEP)
        for job in catalog.list_jobs(state=JobState.QUEUED, kind=kind, limit=10_000)[0]
    ]
    return any(job.run_at <= datetime.now(UTC) for job in queued)


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)


def claim_when_due(catalog: Catalog, worker: str = "w2") -> Job:
    """The next job, waited for while it backs off."""
    claimed: list[Job] = []

    def one_came() -> bool:
        claimed.extend(catalog.claim(worker, 1))
        return bool(claimed)

    eventually(one_came)
    return claimed[0]
