"""Every change of a job's state, as functions over an open transaction.

Lock order, against deadlocks: the document's row before its jobs' rows. Claiming is the exception, and skips what
is locked.
"""

import uuid
from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, insert, select, update

from docradar.catalog.rows import JOB_COLUMNS, AnyRow, job_from, storable
from docradar.catalog.schema import documents, dropped_blobs, job_events, jobs
from docradar.catalog.sql import LIVE, NOW, RUNNING, insert_or_ignore
from docradar.catalog.types import QueueOptions
from docradar.catalog.wakeup import Wakeup
from docradar.documents import Job, JobKind, JobState
from docradar.errors import LeaseLostError

# Deletions and relabellings are what people wait for and cost little; bulk comes last.
PRIORITY: Final = {JobKind.DELETE: 10, JobKind.UPDATE: 20, JobKind.SWEEP: 30, JobKind.INGEST: 40}

MAINTENANCE_ATTEMPTS: Final = 20
"""For jobs that fail only where the index does, never by their document's fault, and for outages in the others."""

NO_LEASE: Final = {"lease_owner": None, "lease_until": None}


class Transitions:
    """What ends, begins or moves a job, with the document following."""

    def __init__(self, options: QueueOptions, wakeup: Wakeup) -> None:
        self.options = options
        self._wakeup = wakeup

    def enqueue(
        self,
        tx: Connection,
        kind: JobKind,
        document_id: str,
        version: int,
        *,
        max_attempts: int = MAINTENANCE_ATTEMPTS,
        delay_seconds: float = 0.0,
    ) -> Job:
        """A new job, or the live one that already does the same."""
        when = "late" if delay_seconds else "now"
        dedup_key = f"{kind}:{document_id}:{version}" + (f":{when}" if kind is JobKind.SWEEP else "")
        inserted = tx.execute(
            insert_or_ignore(tx, jobs)
            .values(
                id=str(uuid.uuid4()),
                kind=kind.value,
                document_id=document_id,
                version=version,
                state=JobState.QUEUED.value,
                priority=PRIORITY[kind],
                run_at=NOW + _ms(delay_seconds),
                max_attempts=max_attempts,
                dedup_key=dedup_key,
                events=1,
                event_at=NOW,
                created_at=NOW,
            )
            .returning(*JOB_COLUMNS)
        ).one_or_none()
        if inserted is None:
            return job_from(
                tx.execute(select(jobs).where(jobs.c.dedup_key == dedup_key, jobs.c.state.in_(LIVE))).one()
            )
        _tell(tx, [inserted], "queued")
        if not delay_seconds:
            self._wakeup.announce(tx)
        return job_from(inserted)

    def requeue(
        self,
        tx: Connection,
        job: Job,
        message: str,
        *,
        delay_seconds: float,
        attempts: int,
        max_attempts: int,
        error: str | None,
    ) -> Job:
        """A running job back into the queue."""
        requeued = change(
            tx,
            held(job),
            message,
            state=JobState.QUEUED.value,
            run_at=NOW + _ms(delay_seconds),
            attempts=attempts,
            max_attempts=max_attempts,
            error=error and storable(error),
            stage="",
            **NO_LEASE,
        )
        if not delay_seconds:
            self._wakeup.announce(tx)
        return one(requeued, job)

    def end(self, tx: Connection, job: Job, state: JobState, error: str | None = None) -> Job:
        """A live job to its end. A sweep that succeeded leaves no trace, or they would be most of the table."""
        values: dict[str, Any] = {"state": state.value, "finished_at": NOW, **NO_LEASE}
        if state is not JobState.SUCCEEDED:
            values["error"] = error and storable(error)
        message = f"{state.value}: {error}" if error else state.value
        ended = one(change(tx, live(job), message, **values), job)
        if ended.kind is JobKind.SWEEP and state is JobState.SUCCEEDED:
            tx.execute(jobs.delete().where(jobs.c.id == job.id))
        return ended

    def end_version(self, tx: Connection, job: Job, state: JobState, error: str) -> Job:
        """An ingest to a bad end, and with it the version, if that is still what is wanted of the document."""
        ended = self.end(tx, job, state, error)
        if job.kind is JobKind.INGEST:
            tx.execute(
                update(documents)
                .where(
                    documents.c.id == job.document_id,
                    documents.c.desired_version == job.version,
                    documents.c.deleted.is_(False),
                )
                .values(ended_version=job.version, ended_state=state.value, error=storable(error))
            )
            if job.attempts:  # it may have written something
                self.enqueue(tx, JobKind.SWEEP, job.document_id, job.version)
        return ended

    def cancel(self, tx: Connection, job: Job, reason: str) -> Job:
        """A queued job ends; a running one is asked to."""
        if job.state is JobState.QUEUED:
            return self.end_version(tx, job, JobState.CANCELED, reason)
        asked = change(tx, live(job), f"asked to stop: {reason}", cancel_requested=True)
        return one(asked, job)

    def sweep_after(self, tx: Connection, job: Job) -> None:
        """Sweeps now, and once more when whoever lost a lease on this document must have noticed.

        A first version at its first attempt leaves nothing behind to sweep now.
        """
        if job.version > 1 or job.attempts > 1 or job.kind is JobKind.DELETE:
            self.enqueue(tx, JobKind.SWEEP, job.document_id, job.version)
        late = 2 * self.options.lease_seconds
        self.enqueue(tx, JobKind.SWEEP, job.document_id, job.version, delay_seconds=late)

    def backoff_seconds(self, attempts: int) -> float:
        """The wait after that many attempts: doubling, bounded."""
        return min(
            self.options.backoff_seconds * 2.0 ** min(attempts - 1, 30), self.options.max_backoff_seconds
        )


def change(tx: Connection, condition: ColumnElement[bool], message: str, **values: Any) -> list[Job]:
    """Changes jobs, and writes a line into the story of each. Returns them as they are now."""
    changed = tx.execute(
        update(jobs)
        .where(condition)
        .values(events=jobs.c.events + 1, event_at=NOW, **values)
        .returning(*JOB_COLUMNS)
    ).all()
    _tell(tx, changed, message)
    return [job_from(row) for row in changed]


def held(job: Job) -> ColumnElement[bool]:
    """True of the job while the lease it was claimed with is its latest."""
    return and_(jobs.c.id == job.id, jobs.c.fence == job.fence, jobs.c.state == RUNNING)


def live(job: Job) -> ColumnElement[bool]:
    return and_(jobs.c.id == job.id, jobs.c.fence == job.fence, jobs.c.state.in_(LIVE))


def hold(tx: Connection, job: Job) -> Job:
    """Locks a running job's row until the transaction ends, so that its lease cannot be taken over meanwhile.

    Raises:
        LeaseLostError: The job is no longer its holder's.
    """
    row = tx.execute(select(jobs).where(held(job)).with_for_update()).one_or_none()
    return one([job_from(row)] if row else [], job)


def one(changed: list[Job], job: Job) -> Job:
    """The only job changed, or LeaseLostError where there is none."""
    if not changed:
        raise LeaseLostError(
            f"job {job.id} is no longer held under fence {job.fence}: "
            "its lease ran out and another worker has it, or it has ended"
        )
    return changed[0]


def lock_document(tx: Connection, document_id: str) -> AnyRow | None:
    """A document's row, nobody else changing it until the transaction ends."""
    # Not FOR UPDATE: inserting a version's rows must not wait for this.
    return tx.execute(
        select(documents).where(documents.c.id == document_id).with_for_update(key_share=True)
    ).one_or_none()


def live_jobs(tx: Connection, document_id: str, kind: JobKind) -> list[Job]:
    """A document's queued and running jobs of a kind, locked, oldest first."""
    rows = tx.execute(
        select(jobs)
        .where(jobs.c.document_id == document_id, jobs.c.kind == kind.value, jobs.c.state.in_(LIVE))
        .order_by(jobs.c.seq)
        .with_for_update()
    )
    return [job_from(row) for row in rows]


def drop_blobs(tx: Connection, blobs: Iterable[str | None]) -> None:
    """Lists blobs for removal, which happens once no version refers to them."""
    values = [{"sha256": blob, "dropped_at": NOW} for blob in sorted({blob for blob in blobs if blob})]
    for value in values:
        tx.execute(insert_or_ignore(tx, dropped_blobs).values(value))


def _tell(tx: Connection, changed: Iterable[AnyRow], message: str) -> None:
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
        for row in changed
    ]
    if lines:
        tx.execute(insert(job_events), lines)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
