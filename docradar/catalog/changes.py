"""The statements that change a job, each leaving a line in the job's story."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Update, and_, bindparam, func, insert, select, update

from docradar.catalog.rows import JOB_COLUMNS, AnyRow, job_from, storable
from docradar.catalog.schema import documents, dropped_blobs, job_events, jobs
from docradar.catalog.sql import LIVE, NOW, RUNNING, insert_or_ignore
from docradar.documents import Job, JobKind
from docradar.errors import LeaseLostError

HELD: Final = and_(
    jobs.c.id == bindparam("job"), jobs.c.fence == bindparam("held_fence"), jobs.c.state == RUNNING
)
"""True of a job while the lease it was claimed with is its latest."""

UNCHANGED: Final = and_(
    jobs.c.id == bindparam("job"),
    jobs.c.fence == bindparam("held_fence"),
    jobs.c.state == bindparam("state_before"),
)
"""True of a job that is in the state it was seen in, under the same lease."""

NO_LEASE: Final = {"lease_owner": None, "lease_until": None}


def changing(condition: ColumnElement[bool], **values: object) -> Update:
    """A statement for `change`; it also sets the columns that it is given as parameters."""
    return (
        update(jobs)
        .where(condition)
        .values(events=jobs.c.events + 1, event_at=NOW, **values)
        .returning(*JOB_COLUMNS)
    )


def change(tx: Connection, statement: Update, message: str, **parameters: object) -> list[Job]:
    """Changes jobs and writes `message` into the story of each. Returns them as they are now."""
    changed = tx.execute(statement, parameters).all()
    tell(tx, changed, message)
    return [job_from(row) for row in changed]


_ADD_EVENTS: Final = insert(job_events)


def tell(tx: Connection, rows: Iterable[AnyRow], message: str) -> None:
    """Adds the line that each job's own count of events already includes."""
    lines = [
        {
            "job_id": row.id,
            "seq": row.events,
            "at": row.event_at,
            "state": row.state,
            "stage": row.stage,
            "done": row.done,
            "total": row.total,
            "message": storable(message),
        }
        for row in rows
    ]
    if len(lines) == 1:  # the common case; psycopg sets up a pipeline for a batch
        tx.execute(_ADD_EVENTS, lines[0])
    elif lines:
        tx.execute(_ADD_EVENTS, lines)


def held(job: Job) -> dict[str, Any]:
    """Parameters of `HELD`."""
    return {"job": job.id, "held_fence": job.fence}


def unchanged(job: Job) -> dict[str, Any]:
    """Parameters of `UNCHANGED`."""
    return {**held(job), "state_before": job.state.value}


_HOLD: Final = select(jobs).where(HELD).with_for_update()


def hold(tx: Connection, job: Job) -> Job:
    """Locks a running job's row until the transaction ends, so that its lease cannot be taken over meanwhile.

    Raises:
        LeaseLostError: The job is no longer its holder's.
    """
    return one([job_from(row) for row in tx.execute(_HOLD, held(job))], job)


def one(found: list[Job], job: Job) -> Job:
    """The only job found, or LeaseLostError where there is none."""
    if not found:
        raise LeaseLostError(
            f"job {job.id} is no longer held under fence {job.fence}: "
            "its lease ran out and another worker has it, or it has ended"
        )
    return found[0]


# Not FOR UPDATE, so that inserting a version's rows need not wait for it.
_LOCK_DOCUMENT: Final = (
    select(documents).where(documents.c.id == bindparam("document")).with_for_update(key_share=True)
)


def lock_document(tx: Connection, document_id: str) -> AnyRow | None:
    """A document's row, nobody else changing it until the transaction ends."""
    return tx.execute(_LOCK_DOCUMENT, {"document": document_id}).one_or_none()


_LIVE_JOBS: Final = (
    select(jobs)
    .where(
        jobs.c.document_id == bindparam("document"),
        jobs.c.kind == bindparam("kind"),
        jobs.c.state.in_(LIVE),
    )
    .order_by(jobs.c.seq)
    .with_for_update()
)


def live_jobs(tx: Connection, document_id: str, kind: JobKind) -> list[Job]:
    """A document's queued and running jobs of a kind, locked, oldest first."""
    rows = tx.execute(_LIVE_JOBS, {"document": document_id, "kind": kind.value})
    return [job_from(row) for row in rows]


_CHILDREN: Final = (jobs.c.parent_id == bindparam("parent"), jobs.c.state.in_(LIVE))
_COUNT_CHILDREN: Final = select(func.count(jobs.c.document_id.distinct())).where(*_CHILDREN)
_ANY_CHILD: Final = select(jobs.c.id).where(*_CHILDREN).limit(1)


def documents_at_work(connection: Connection, job_id: str) -> int:
    """How many documents of a container's job have jobs that are queued or running."""
    count: int = connection.execute(_COUNT_CHILDREN, {"parent": job_id}).scalar_one()
    return count


def has_documents_at_work(connection: Connection, job_id: str) -> bool:
    """Whether `documents_at_work` is above 0."""
    return connection.execute(_ANY_CHILD, {"parent": job_id}).first() is not None


_DROP_BLOB: Final = insert_or_ignore(dropped_blobs, dropped_at=NOW)


def drop_blobs(tx: Connection, blobs: Iterable[str | None]) -> None:
    """Lists blobs for removal, which happens once no version refers to them."""
    if dropped := [{"sha256": blob} for blob in sorted({blob for blob in blobs if blob})]:
        tx.execute(_DROP_BLOB[tx.dialect.name], dropped)
