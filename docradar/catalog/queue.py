"""The queue, as a worker sees it: claim, keep the lease, say how far, come to an end."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, exists, or_, select, update
from sqlalchemy.exc import IntegrityError

from docradar.catalog.changes import (
    HELD,
    change,
    changing,
    has_documents_at_work,
    held,
    hold,
    lock_document,
    one,
)
from docradar.catalog.rows import JOB_COLUMNS, job_from
from docradar.catalog.schema import jobs
from docradar.catalog.sql import NOW, QUEUED, RUNNING
from docradar.catalog.store import Store
from docradar.catalog.transitions import MAINTENANCE_ATTEMPTS, PRIORITY
from docradar.catalog.types import Lease
from docradar.documents import Job, JobKind, JobState
from docradar.errors import JobCanceledError

CLAIM_TRIES: Final = 5
EVENT_INTERVAL_MS: Final = 1000

_other = jobs.alias("other")
_in_front = exists().where(
    _other.c.document_id == jobs.c.document_id,
    or_(
        _other.c.state == RUNNING,
        and_(_other.c.state == QUEUED, _other.c.run_at <= NOW, _other.c.seq < jobs.c.seq),
    ),
)
_due = (
    select(jobs.c.seq)
    .where(jobs.c.state == QUEUED, jobs.c.run_at <= NOW, ~_in_front)
    .order_by(jobs.c.priority, jobs.c.run_at, jobs.c.seq)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_CLAIM: Final = changing(
    jobs.c.seq.in_(select(_due.c.seq)),
    state=JobState.RUNNING.value,
    attempts=jobs.c.attempts + 1,
    fence=jobs.c.fence + 1,
    lease_until=NOW + bindparam("lease_ms"),
    started_at=NOW,
    stage="",
    done=0,
    total=0,
    # From here on another change to the document is not covered by this job any more.
    dedup_key=case((jobs.c.kind == JobKind.INGEST.value, jobs.c.dedup_key), else_=None),
)
_RENEW: Final = (
    update(jobs)
    .where(
        jobs.c.id == bindparam("job"),
        jobs.c.state == RUNNING,
        jobs.c.lease_owner == bindparam("worker"),
    )
    .values(lease_until=NOW + bindparam("lease_ms"))
    .returning(jobs.c.id, jobs.c.fence, jobs.c.cancel_requested)
)
# Its holder has ended its part, and may still be clearing up.
_DONE_WITH: Final = select(jobs.c.id, jobs.c.fence).where(
    jobs.c.id.in_(bindparam("job_ids", expanding=True)),
    or_(
        jobs.c.state == JobState.SUCCEEDED.value, and_(jobs.c.state == RUNNING, jobs.c.lease_owner.is_(None))
    ),
)
_PROGRESS_TOLD: Final = changing(
    and_(HELD, or_(jobs.c.stage != bindparam("stage_now"), jobs.c.event_at < NOW - EVENT_INTERVAL_MS))
)
_PROGRESS: Final = update(jobs).where(HELD).returning(*JOB_COLUMNS)


class QueueStore(Store):
    """Whoever claims a job holds it under its fence until the lease runs out; every later word must show the fence."""

    def claim(self, worker: str, limit: int) -> list[Job]:
        """Up to `limit` jobs that are due, most urgent first, each of another document, leased to `worker`.

        Jobs of one document run one at a time, in the order in which they were made.
        """
        for _ in range(CLAIM_TRIES):
            try:
                with self._database.write() as tx:
                    claimed = change(
                        tx,
                        _CLAIM,
                        f"claimed by {worker}",
                        lease_owner=worker,
                        lease_ms=self._lease_ms,
                        most=limit,
                    )
            except IntegrityError:
                continue  # another worker began another job of the same document at this moment
            return sorted(claimed, key=lambda job: (PRIORITY[job.kind], job.run_at))
        return []

    def renew(self, worker: str, held_jobs: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Lease]:
        """Extends the worker's leases on jobs given as (id, fence), and says which it has lost.

        A job that the worker itself has just ended is not lost.
        """
        mine: dict[tuple[str, int], bool] = {}
        for job_id in dict.fromkeys(job_id for job_id, _ in held_jobs):
            # One at a time: a container that is unpacked locks its own job's row, then those of its documents' jobs.
            with self._database.write() as tx:
                values = {"job": job_id, "worker": worker, "lease_ms": self._lease_ms}
                if (row := tx.execute(_RENEW, values).one_or_none()) is not None:
                    mine[row.id, row.fence] = row.cancel_requested
        if others := [job_id for job_id, fence in held_jobs if (job_id, fence) not in mine]:
            with self._database.read() as connection:
                ended = connection.execute(_DONE_WITH, {"job_ids": others})
                mine |= {(row.id, row.fence): False for row in ended}
        return {held: Lease(owned=held in mine, cancel_requested=mine.get(held, False)) for held in held_jobs}

    def progress(self, job: Job, stage: str, done: int, total: int) -> None:
        """Says how far the job is; a new stage, and at most one step a second, go into its story.

        Raises:
            LeaseLostError: The job is no longer its holder's.
            JobCanceledError: Somebody asked for it to stop.
        """
        values = {**held(job), "stage": stage, "done": done, "total": total}
        with self._database.write() as tx:
            changed = change(tx, _PROGRESS_TOLD, stage, **values, stage_now=stage)
            if not changed:
                changed = [job_from(row) for row in tx.execute(_PROGRESS, values)]
            current = one(changed, job)
        if current.cancel_requested:
            raise JobCanceledError(f"job {job.id} was asked to stop")

    def succeed(self, job: Job) -> Job:
        """Ends a job that leaves nothing to commit.

        Raises:
            LeaseLostError: The job is no longer its holder's.
        """
        with self._database.write() as tx:
            return self._transitions.end(tx, job, JobState.SUCCEEDED)

    def fail(self, job: Job, error: str, *, retryable: bool, outage: bool = False) -> Job:
        """Ends an attempt. The job waits for its next one, or has failed, and its document's version with it.

        `outage`: what the job needs is away, which is not its document's fault. Such an attempt does not count, up to
        `MAINTENANCE_ATTEMPTS` of them, which with the default backoff is about an hour.

        Raises:
            LeaseLostError: The job is no longer its holder's.
        """
        with self._database.write() as tx:
            lock_document(tx, job.document_id)
            current = hold(tx, job)
            if current.cancel_requested:
                return self._end_canceled(tx, current)
            allowed = current.max_attempts + (outage and current.attempts < MAINTENANCE_ATTEMPTS)
            if retryable and current.attempts < allowed:
                return self._transitions.back_off(tx, current, error, max_attempts=allowed)
            return self._transitions.end_badly(tx, current, JobState.FAILED, error)

    def finish_canceled(self, job: Job) -> Job:
        """Ends a job that was asked to stop, and did.

        Raises:
            LeaseLostError: The job is no longer its holder's.
        """
        with self._database.write() as tx:
            lock_document(tx, job.document_id)
            current = hold(tx, job)
            return self._end_canceled(tx, current)

    def release(self, job: Job, *, delay_seconds: float = 0.0) -> Job:
        """Hands a job back with its attempt, to be claimed by anybody after `delay_seconds`.

        Raises:
            LeaseLostError: The job is no longer its holder's.
        """
        with self._database.write() as tx:
            lock_document(tx, job.document_id)
            current = hold(tx, job)
            if current.cancel_requested:
                return self._end_canceled(tx, current)
            return self._transitions.requeue(
                tx,
                current,
                f"handed back by {current.lease_owner}",
                delay_seconds=delay_seconds,
                attempts=current.attempts - 1,
                max_attempts=current.max_attempts,
                error=current.error,
            )

    def reap(self, *, all_workers: bool = False) -> int:
        """Takes their jobs from workers that have been silent for longer than a lease; returns how many.

        `all_workers`: from any worker, for who knows that there is none.
        """
        # A container that waits for its documents is held by nobody, and nobody has to.
        vanished = jobs.c.lease_until.is_not(None) if all_workers else jobs.c.lease_until < NOW
        with self._database.read() as connection:
            running = connection.execute(select(jobs).where(jobs.c.state == RUNNING, vanished))
            candidates = [job_from(row) for row in running]
        return sum(self._reap(job, vanished) for job in candidates)

    def _reap(self, job: Job, vanished: ColumnElement[bool]) -> bool:
        with self._database.write() as tx:
            lock_document(tx, job.document_id)
            still = select(jobs).where(HELD, vanished).with_for_update(skip_locked=True)
            row = tx.execute(still, held(job)).one_or_none()
            if row is None:
                return False
            self._take_back(tx, job_from(row))
            return True

    def _end_canceled(self, tx: Connection, job: Job) -> Job:
        """The end of a job that was asked to stop; of a container's, once those of its documents have stopped, too."""
        if has_documents_at_work(tx, job.id):
            return self._transitions.wait(tx, job, "waits for its documents to stop", total=job.total)
        return self._transitions.end_badly(tx, job, JobState.CANCELED, job.error or "canceled on request")

    def _take_back(self, tx: Connection, job: Job) -> None:
        stage = f" while {job.stage}" if job.stage else ""
        if job.cancel_requested:
            self._end_canceled(tx, job)
        elif job.attempts < job.max_attempts:
            error = f"worker {job.lease_owner} stopped answering{stage}"
            self._transitions.back_off(tx, job, error, max_attempts=job.max_attempts)
        else:
            error = (
                f"the worker stopped answering{stage} at the last of {job.attempts} attempts; this document may be "
                "what ends it: look at the worker's log, then retry the job"
            )
            self._transitions.end_badly(tx, job, JobState.FAILED, error)

    def wait_for_work(self, timeout_seconds: float) -> None:
        """Blocks until there may be a job to claim, `wake` is called, or the time is over."""
        self._wakeup.wait(timeout_seconds)

    def wake(self) -> None:
        """Ends a `wait_for_work` of this process, or its next one."""
        self._wakeup.wake()

    @property
    def _lease_ms(self) -> int:
        return round(self._options.lease_seconds * 1000)
