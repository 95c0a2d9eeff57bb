"""The ends of containers' jobs, which wait, held by no worker, until the jobs of their documents have ended.

Any worker may take any step at any time: each is a transaction of its own that finds out for itself whether it is still due.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import Connection, and_, bindparam, func, select, update

from docradar import failpoints
from docradar.catalog.changes import (
    HELD,
    change,
    changing,
    documents_at_work,
    has_documents_at_work,
    held,
    hold,
    live_jobs,
    lock_document,
)
from docradar.catalog.commits import obstacle
from docradar.catalog.containers import vanished
from docradar.catalog.documents import DocumentStore
from docradar.catalog.queue import EVENT_INTERVAL_MS
from docradar.catalog.rows import AnyRow, job_from, report_from, report_value
from docradar.catalog.schema import documents, jobs
from docradar.catalog.sql import LIVE, NOW, RUNNING
from docradar.catalog.transitions import DOCUMENTS_STAGE, MEMBER_PRIORITY
from docradar.documents import (
    LISTED_DOCUMENTS,
    DocumentStatus,
    IngestReport,
    Job,
    JobKind,
    JobState,
)
from docradar.errors import LeaseLostError

STEPS_AT_A_TIME: Final = 200
"""Documents that one call cancels or deletes; then the worker looks after its other jobs."""

_WAITING: Final = select(jobs).where(jobs.c.state == RUNNING, jobs.c.lease_until.is_(None))
_TELL: Final = changing(
    and_(HELD, jobs.c.done != bindparam("done_now"), jobs.c.event_at < NOW - EVENT_INTERVAL_MS)
)
_TO_STOP: Final = (
    select(jobs.c.document_id)
    .where(
        jobs.c.parent_id == bindparam("parent"),
        jobs.c.state.in_(LIVE),
        jobs.c.kind == JobKind.INGEST.value,
        jobs.c.cancel_requested.is_(False),
    )
    .limit(STEPS_AT_A_TIME)
)
_DELIVERED: Final = and_(
    documents.c.parent_id == bindparam("its_container"),
    documents.c.delivered_by == select(jobs.c.seq).where(jobs.c.id == bindparam("job")).scalar_subquery(),
)
_BECAME: Final = (
    select(documents.c.status, func.count().label("documents")).where(_DELIVERED).group_by(documents.c.status)
)
_PRUNE: Final = select(jobs.c.prune).where(jobs.c.id == bindparam("job"))
_FAILED: Final = (
    select(documents.c.external_id, documents.c.error)
    .where(_DELIVERED, documents.c.status == DocumentStatus.FAILED.value)
    .order_by(documents.c.seq)
    .limit(LISTED_DOCUMENTS)
)
_BECOME: Final = update(documents).where(documents.c.id == bindparam("document"))


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of a container's documents. `withheld` could not be taken out of it, `vanished` it holds no more."""

    delivered: int
    searchable: int
    failed: int
    canceled: int
    withheld: int
    vanished: int = 0

    @property
    def gone(self) -> int:
        """Deleted meanwhile, or delivered by another upload, which has to say what became of them."""
        return self.delivered - self.searchable - self.failed - self.canceled

    @property
    def outcome(self) -> str:
        """For the story of the job."""
        said = f"{self.searchable} of {self.delivered + self.withheld} documents are searchable"
        if self.failed or self.withheld:
            said += f", {self.failed + self.withheld} failed"
        if self.canceled:
            said += f", {self.canceled} were canceled"
        return said + (f", {self.gone} were deleted or uploaded otherwise meanwhile" if self.gone else "")

    def warnings(self) -> Iterator[str]:
        """For the container's report."""
        if self.withheld:
            yield f"{self.withheld} documents could not be taken out of it"
        if self.failed:
            yield f"{self.failed} of its {self.delivered} documents failed"
        if self.canceled:
            yield f"{self.canceled} of its {self.delivered} documents were canceled"
        if self.vanished and self.withheld:
            yield (
                f"{self.vanished} documents of an earlier upload were not found in it and are kept, as they may be among those "
                "that could not be taken out; mend the file, then upload it with prune=true to delete them"
            )
        elif self.vanished:
            yield (
                f"{self.vanished} documents of an earlier upload are not in it any more; upload it with prune=true to delete them"
            )


class SettlementStore(DocumentStore):
    """What workers do about containers every second."""

    def settle(self) -> bool:
        """Brings each container that waits for its documents a step further; true where more is to be done at once."""
        with self._database.read() as connection:
            waiting = connection.execute(_WAITING).all()
        more = False
        for row in waiting:
            with suppress(LeaseLostError):  # another worker was first
                more |= self._settle(job_from(row), prune=row.prune)
        return more

    def _settle(self, job: Job, *, prune: bool) -> bool:
        with self._database.read() as connection:
            at_work = documents_at_work(connection, job.id)
        if at_work and job.cancel_requested:
            return self._stop_documents(job) > 0
        if at_work:
            self._tell(job, max(0, job.total - at_work))
            return False
        if prune and not job.cancel_requested and self._prune(job):
            return True
        return self._end(job, pruned=prune)

    def _tell(self, job: Job, done: int) -> None:
        with self._database.write() as tx:
            change(tx, _TELL, DOCUMENTS_STAGE, **held(job), done_now=done, done=done)

    def _stop_documents(self, job: Job) -> int:
        """Cancels jobs of the container's documents; returns of how many documents."""
        with self._database.read() as connection:
            ids = list(connection.execute(_TO_STOP, {"parent": job.id}).scalars())
        for document_id in ids:
            with self._database.write() as tx:
                lock_document(tx, document_id)
                for child in live_jobs(tx, document_id, JobKind.INGEST):
                    if child.parent_id == job.id and not child.cancel_requested:
                        self._transitions.cancel(tx, child, f"with its container: {job.error}")
        return len(ids)

    def _prune(self, job: Job) -> int:
        """Deletes documents that the container holds no more; returns how many. None where some may be in it yet."""
        with self._database.read() as connection:
            row = connection.execute(select(documents).where(documents.c.id == job.document_id)).one()
            tally = _tally(connection, row, job)
            if obstacle(row, job) or tally.withheld or not tally.searchable:
                return 0
            gone = select(documents.c.id).where(vanished(connection, job)).limit(STEPS_AT_A_TIME)
            ids = list(connection.execute(gone).scalars())
        for document_id in ids:
            with self._database.write() as tx:
                lock_document(tx, job.document_id)
                hold(tx, job)
                found = lock_document(tx, document_id)
                still = select(documents.c.id).where(documents.c.id == document_id, vanished(tx, job))
                if found is not None and tx.execute(still).first() is not None:
                    self._delete(tx, found, priority=MEMBER_PRIORITY)
            failpoints.reach("after_prune")
        return len(ids)

    def _end(self, job: Job, *, pruned: bool) -> bool:
        """Ends the job if nothing stands against it; true where a step is to be taken at once."""
        with self._database.write() as tx:
            row = lock_document(tx, job.document_id)
            current = hold(tx, job)
            if has_documents_at_work(tx, job.id):
                return False  # one was tried again at this moment
            reason = obstacle(row, current)
            if row is None or reason is not None:
                self._transitions.end_badly(tx, current, JobState.CANCELED, current.error or str(reason))
                return job.parent_id is not None
            tally = _tally(tx, row, current)
            if tally.vanished and not pruned and tx.execute(_PRUNE, {"job": job.id}).scalar_one():
                return True  # it was asked for at this moment
            report = _report(tx, row, current, tally)
            values: dict[str, object] = {
                "document": row.id,
                "report": report_value(report),
                "warnings": len(report.warnings),
            }
            if tally.searchable or tally.gone:
                tx.execute(_BECOME, values | {"active_version": job.version, "units": 0})
                self._transitions.end(tx, current, JobState.SUCCEEDED, outcome=tally.outcome)
                self._transitions.sweep_after(tx, current)
            else:
                tx.execute(_BECOME, values)
                self._transitions.end_badly(tx, current, JobState.FAILED, _why_none(report, tally))
            return job.parent_id is not None  # the container around it may have waited for this


def _tally(connection: Connection, row: AnyRow, job: Job) -> Tally:
    delivered = {"its_container": job.document_id, "job": job.id}
    ended = {found.status: found.documents for found in connection.execute(_BECAME, delivered)}
    return Tally(
        delivered=job.total,
        searchable=ended.get(DocumentStatus.READY, 0),
        failed=ended.get(DocumentStatus.FAILED, 0),
        canceled=ended.get(DocumentStatus.CANCELED, 0),
        withheld=report_from(row).documents_failed_count,
        vanished=connection.execute(select(func.count()).where(vanished(connection, job))).scalar_one(),
    )


def _report(tx: Connection, row: AnyRow, job: Job, tally: Tally) -> IngestReport:
    """What was found at unpacking, and what became of it."""
    found = report_from(row)
    failed = tx.execute(_FAILED, {"its_container": job.document_id, "job": job.id}).all()
    named = found.documents_failed | {document.external_id: document.error or "" for document in failed}
    return replace(
        found,
        documents_failed=dict(list(named.items())[:LISTED_DOCUMENTS]),
        documents_failed_count=tally.withheld + tally.failed,
        warnings=(*found.warnings, *tally.warnings()),
    )


def _why_none(report: IngestReport, tally: Tally) -> str:
    for name, reason in report.documents_failed.items():
        return f"none of its {tally.delivered + tally.withheld} documents came in; {name}: {reason}"
    return f"none of its {tally.delivered} documents came in: they were canceled"
