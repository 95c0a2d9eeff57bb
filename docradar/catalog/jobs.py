"""Jobs, as people see them: what is going on, how it went, stop it, try it again."""

from typing import Final

from sqlalchemy import ColumnElement, Connection, bindparam, false, select, update

from docradar.catalog import cursors
from docradar.catalog.changes import change, changing, lock_document
from docradar.catalog.rows import AnyRow, event_from, job_from
from docradar.catalog.schema import documents, job_events, jobs
from docradar.catalog.sql import LIVE, NOW
from docradar.catalog.store import Store
from docradar.documents import Job, JobEvent, JobKind, JobState
from docradar.errors import ConflictError, NotFoundError

_GET: Final = select(jobs).where(jobs.c.id == bindparam("job"))
_RETRY: Final = changing(
    jobs.c.id == bindparam("job"),
    state=JobState.QUEUED.value,
    run_at=NOW,
    attempts=0,
    error=None,
    cancel_requested=false(),
    stage="",
    done=0,
    total=0,
    started_at=None,
    finished_at=None,
)
_EVENTS: Final = (
    select(job_events)
    .where(job_events.c.job_id == bindparam("job"), job_events.c.seq > bindparam("after"))
    .order_by(job_events.c.seq)
    .limit(bindparam("most"))
)


class JobStore(Store):
    """Sweeps are internal: they are listed only where asked for, and gone once they have succeeded."""

    def get_job(self, job_id: str) -> Job:
        """The job.

        Raises:
            NotFoundError: There is none.
        """
        with self._database.read() as connection:
            return _job(connection, job_id)

    def list_jobs(
        self,
        *,
        state: JobState | None = None,
        kind: JobKind | None = None,
        document_id: str | None = None,
        parent_id: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Job], str | None]:
        """Jobs, newest first, and the cursor of the next page where there is one.

        `parent_id`: those of the documents that a container's job has taken out.

        Raises:
            InvalidRequestError: The cursor is not one of this list's.
        """
        wanted: list[ColumnElement[bool]] = [
            jobs.c.kind == kind.value if kind else jobs.c.kind != JobKind.SWEEP.value
        ]
        if state is not None:
            wanted.append(jobs.c.state == state.value)
        if document_id is not None:
            wanted.append(jobs.c.document_id == document_id)
        if parent_id is not None:
            wanted.append(jobs.c.parent_id == parent_id)
        if cursor is not None:
            wanted.append(jobs.c.seq < cursors.decode("jobs", cursor))
        query = select(jobs).where(*wanted).order_by(jobs.c.seq.desc()).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        more = cursors.encode("jobs", rows[limit - 1].seq) if len(rows) > limit else None
        return [job_from(row) for row in rows[:limit]], more

    def job_events(self, job_id: str, after_seq: int = 0, limit: int = 100) -> list[JobEvent]:
        """The job's story from the line after `after_seq`, oldest first."""
        parameters = {"job": job_id, "after": after_seq, "most": limit}
        with self._database.read() as connection:
            return [event_from(row) for row in connection.execute(_EVENTS, parameters)]

    def cancel_job(self, job_id: str) -> Job:
        """Ends a queued ingest, asks a running one to stop; asking twice is asking once.

        A container's job ends once those of its documents have stopped.

        Raises:
            NotFoundError: There is no such job.
            ConflictError: It has ended otherwise already, or is no ingest: the index must come to agree with the catalog.
        """
        with self._database.write() as tx:
            job = _locked(tx, job_id)
            if job.state is JobState.CANCELED or (job.cancel_requested and not job.state.terminal):
                return job
            if job.state.terminal:
                raise ConflictError(f"job {job_id} has {job.state} already; there is nothing left to cancel")
            if job.kind is not JobKind.INGEST:
                raise ConflictError(
                    f"job {job_id} is a job of kind {job.kind}; only an ingest can be canceled"
                )
            return self._transitions.cancel(tx, job, "canceled on request")

    def retry_job(self, job_id: str) -> Job:
        """Gives a failed or canceled job all its attempts again.

        Raises:
            NotFoundError: There is no such job.
            ConflictError: It has not failed and was not canceled, or its document wants something else by now.
        """
        with self._database.write() as tx:
            job = _locked(tx, job_id)
            if job.state not in (JobState.FAILED, JobState.CANCELED):
                raise ConflictError(
                    f"job {job_id} is {job.state}; only a failed or canceled job can be retried"
                )
            row = lock_document(tx, job.document_id)
            if (obstacle := _obstacle(tx, row, job)) is not None:
                raise ConflictError(f"job {job_id} cannot be retried: {obstacle}")
            if job.kind is JobKind.INGEST:
                tx.execute(
                    update(documents)
                    .where(documents.c.id == job.document_id)
                    .values(ended_version=None, ended_state=None, error=None)
                )
            again = change(tx, _RETRY, "retried on request", job=job.id)
            self._wakeup.announce(tx)
            return again[0]


def _job(connection: Connection, job_id: str) -> Job:
    row = connection.execute(_GET, {"job": job_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no job {job_id[:100]!r}")
    return job_from(row)


def _locked(tx: Connection, job_id: str) -> Job:
    """The job, its document's row locked first and then its own."""
    lock_document(tx, _job(tx, job_id).document_id)
    row = tx.execute(_GET.with_for_update(), {"job": job_id}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no job {job_id[:100]!r}")
    return job_from(row)


def _obstacle(tx: Connection, row: AnyRow | None, job: Job) -> str | None:
    """Why a job that ended must stay ended."""
    if job.kind is JobKind.INGEST:
        if row is None or row.deleted:
            return "its document was deleted; upload it again"
        if row.desired_version != job.version:
            return f"its document has version {row.desired_version} by now; retry that one's job"
    same = select(jobs.c.id).where(
        jobs.c.document_id == job.document_id, jobs.c.kind == job.kind.value, jobs.c.state.in_(LIVE)
    )
    if (other := tx.execute(same).scalar()) is not None:
        return f"job {other} does the same already"
    return None
