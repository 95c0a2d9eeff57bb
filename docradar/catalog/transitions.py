"""How jobs begin and end, and what that does to their documents.

Lock order, against deadlocks: the document's row before its jobs' rows. Claiming is the exception, and skips what
is locked.
"""

import uuid
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, true, update

from docradar.catalog.changes import (
    HELD,
    NO_LEASE,
    UNCHANGED,
    change,
    changing,
    documents_at_work,
    has_documents_at_work,
    held,
    one,
    tell,
    unchanged,
)
from docradar.catalog.rows import JOB_COLUMNS, job_from, storable
from docradar.catalog.schema import documents, jobs
from docradar.catalog.sql import LIVE, NOW, QUEUED, insert_or_ignore
from docradar.catalog.types import QueueOptions
from docradar.catalog.wakeup import Wakeup
from docradar.documents import Job, JobKind, JobState

# Deletions and relabellings are what people wait for and cost little; bulk comes last.
PRIORITY: Final = {JobKind.DELETE: 10, JobKind.UPDATE: 20, JobKind.SWEEP: 30, JobKind.INGEST: 40}

MEMBER_PRIORITY: Final = 50
"""Of what was taken out of a container: its ingests, its deletion with the container, and the sweeps behind them.

Who uploads one file does not wait for a hundred thousand.
"""

MAINTENANCE_ATTEMPTS: Final = 20
"""For jobs that fail only where the index does, never by their document's fault, and for outages in the others."""

DOCUMENTS_STAGE: Final = "documents"
"""Of a container's job that waits for those of its documents: it is running, and held by no worker."""

_ENQUEUE: Final = insert_or_ignore(
    jobs,
    returning=JOB_COLUMNS,
    state=JobState.QUEUED.value,
    run_at=NOW + bindparam("delay_ms"),
    events=1,
    event_at=NOW,
    created_at=NOW,
)
# Locked, so that a claim skips it until the change that it is to cover is committed, too.
_LIVE_TWIN: Final = (
    select(jobs).where(jobs.c.dedup_key == bindparam("twin_key"), jobs.c.state.in_(LIVE)).with_for_update()
)
_PRIORITY_OF: Final = select(jobs.c.priority).where(jobs.c.id == bindparam("job"))
_HURRY: Final = (
    update(jobs)
    .where(
        jobs.c.document_id == bindparam("document"),
        jobs.c.state == QUEUED,
        jobs.c.priority > bindparam("at_least"),
    )
    .values(priority=bindparam("at_least"))
)
_REQUEUE: Final = changing(
    HELD, state=JobState.QUEUED.value, run_at=NOW + bindparam("delay_ms"), stage="", **NO_LEASE
)
_WAIT: Final = changing(
    HELD,
    stage=DOCUMENTS_STAGE,
    # Whoever held it has nothing more to say.
    fence=jobs.c.fence + 1,
    **NO_LEASE,
)
_END: Final = changing(UNCHANGED, finished_at=NOW, **NO_LEASE)
_FORGET: Final = delete(jobs).where(jobs.c.id == bindparam("job"))
_ASK_TO_STOP: Final = changing(UNCHANGED, cancel_requested=true(), run_at=NOW)
_END_VERSION: Final = (
    update(documents)
    .where(
        documents.c.id == bindparam("document"),
        documents.c.desired_version == bindparam("version"),
        documents.c.deleted.is_(False),
    )
    .values(ended_version=documents.c.desired_version)
)


class Transitions:
    """The only ways for a job to change its state, but for being claimed and retried."""

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
        priority: int | None = None,
    ) -> Job:
        """A new job, or the live one that already does the same. `priority`: where it is not that of its kind."""
        if priority is None:
            priority = PRIORITY[kind]
        when = "late" if delay_seconds else "now"
        dedup_key = f"{kind}:{document_id}:{version}" + (f":{when}" if kind is JobKind.SWEEP else "")
        values = {
            "id": str(uuid.uuid4()),
            "kind": kind.value,
            "document_id": document_id,
            "version": version,
            "priority": priority,
            "max_attempts": max_attempts,
            "dedup_key": dedup_key,
            "delay_ms": _ms(delay_seconds),
        }
        while (inserted := tx.execute(_ENQUEUE[tx.dialect.name], values).one_or_none()) is None:
            if (twin := tx.execute(_LIVE_TWIN, {"twin_key": dedup_key}).one_or_none()) is not None:
                return job_from(twin)
            # Between the two it was claimed, or has ended.
        tell(tx, [inserted], "queued")
        if kind is not JobKind.SWEEP and priority < MEMBER_PRIORITY:
            # A document's jobs run in turn: those in front of this one must not wait for other containers.
            tx.execute(_HURRY, {"document": document_id, "at_least": priority})
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
            _REQUEUE,
            message,
            **held(job),
            delay_ms=_ms(delay_seconds),
            attempts=attempts,
            max_attempts=max_attempts,
            error=error and storable(error),
        )
        if not delay_seconds:
            self._wakeup.announce(tx)
        return one(requeued, job)

    def back_off(self, tx: Connection, job: Job, error: str, *, max_attempts: int) -> Job:
        """A running job back into the queue after a failed attempt, to wait the longer the more there were."""
        delay = self.backoff_seconds(job.attempts)
        return self.requeue(
            tx,
            job,
            f"attempt {job.attempts} of {max_attempts}: {error}; the next one in {delay:g} s",
            delay_seconds=delay,
            attempts=job.attempts,
            max_attempts=max_attempts,
            error=error,
        )

    def backoff_seconds(self, attempts: int) -> float:
        """The wait after that many attempts: doubling, bounded."""
        doubled = self.options.backoff_seconds * 2.0 ** min(attempts - 1, 30)
        return min(doubled, self.options.max_backoff_seconds)

    def wait(self, tx: Connection, job: Job, message: str, *, total: int) -> Job:
        """A running job from its worker's hands, until those of its `total` documents have ended."""
        done = max(0, total - documents_at_work(tx, job.id))
        return one(change(tx, _WAIT, message, **held(job), done=done, total=total), job)

    def end(
        self, tx: Connection, job: Job, state: JobState, error: str | None = None, *, outcome: str = ""
    ) -> Job:
        """A live job to its end. A sweep that succeeded leaves no trace, or they would be most of the table.

        `outcome` goes into its story.
        """
        message = f"{state.value}: {said}" if (said := error or outcome) else state.value
        values = {**unchanged(job), "state": state.value, "error": error and storable(error)}
        if job.stage == DOCUMENTS_STAGE and state is JobState.SUCCEEDED:
            values["done"] = job.total
        ended = one(change(tx, _END, message, **values), job)
        if ended.kind is JobKind.SWEEP and state is JobState.SUCCEEDED:
            tx.execute(_FORGET, {"job": job.id})
        return ended

    def end_badly(self, tx: Connection, job: Job, state: JobState, error: str) -> Job:
        """A live job to an end without result; an ingest's version with it, if that is still what is wanted."""
        ended = self.end(tx, job, state, error)
        if job.kind is JobKind.INGEST:
            tx.execute(
                _END_VERSION,
                {
                    "document": job.document_id,
                    "version": job.version,
                    "ended_state": state.value,
                    "error": storable(error),
                },
            )
            if job.fence:  # it may have written something
                priority = _sweep_priority(tx, job)
                self.enqueue(tx, JobKind.SWEEP, job.document_id, job.version, priority=priority)
        return ended

    def cancel(self, tx: Connection, job: Job, reason: str) -> Job:
        """A queued job ends; a running one is asked to.

        So is a container's that waits for another attempt, for it has to stop the documents that it has delivered by now.
        """
        if job.state is JobState.QUEUED and not has_documents_at_work(tx, job.id):
            return self.end_badly(tx, job, JobState.CANCELED, reason)
        asked = change(tx, _ASK_TO_STOP, f"asked to stop: {reason}", error=reason, **unchanged(job))
        return one(asked, job)

    def sweep_after(self, tx: Connection, job: Job) -> None:
        """Sweeps now, and once more when whoever lost a lease on this document must have noticed.

        A first version brought in by its first claim leaves nothing behind to sweep now.
        """
        priority = _sweep_priority(tx, job)
        if job.kind is JobKind.DELETE or may_have_points(job):
            self.enqueue(tx, JobKind.SWEEP, job.document_id, job.version, priority=priority)
        late = 2 * self.options.lease_seconds
        self.enqueue(tx, JobKind.SWEEP, job.document_id, job.version, delay_seconds=late, priority=priority)


def may_have_points(job: Job) -> bool:
    """Whether the document may have points that were made before this run of the job."""
    return job.version > 1 or job.fence > 1


def _sweep_priority(tx: Connection, job: Job) -> int:
    """Of the sweeps behind a job: they come one for each document, too."""
    behind: int = tx.execute(_PRIORITY_OF, {"job": job.id}).scalar_one()
    return MEMBER_PRIORITY if behind >= MEMBER_PRIORITY else PRIORITY[JobKind.SWEEP]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
