"""Containers: documents that hold documents, from their unpacking to the moment when the last one has come in.

A container's job delivers its documents, each with a job of its own, then waits for those: running, and held by no worker.
`settle` ends it. Lock order: the container's row, its job's, the document's row, then those of its jobs.
"""

from dataclasses import replace
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    select,
    true,
    update,
)

from docradar.catalog.changes import hold, lock_document
from docradar.catalog.documents import DocumentStore, Wanted
from docradar.catalog.rows import (
    DOCUMENT_COLUMNS,
    JOB_COLUMNS,
    document_from,
    file_fields_value,
    given_fields_from,
    job_from,
    report_value,
)
from docradar.catalog.schema import documents, jobs
from docradar.catalog.sql import LIVE
from docradar.catalog.transitions import MEMBER_PRIORITY
from docradar.catalog.types import Content, PutOutcome
from docradar.documents import (
    LISTED_DOCUMENTS,
    Document,
    DocumentFields,
    DocumentKey,
    IngestReport,
    Job,
    JobKind,
)
from docradar.errors import JobCanceledError

_BEGIN: Final = (
    update(documents)
    .where(documents.c.id == bindparam("document"))
    .values(container=true())
    .returning(*DOCUMENT_COLUMNS)
)
_SEQ: Final = select(jobs.c.seq).where(jobs.c.id == bindparam("job")).scalar_subquery()
# One look into an index, however many documents the bundle has: this is asked for each of them.
_NEWEST_IN_BUNDLE: Final = (
    select(func.max(documents.c.delivered_by))
    .where(
        documents.c.parent_id.is_not(None),
        documents.c.bundle == bindparam("its_bundle"),
        documents.c.source == bindparam("its_source"),
        documents.c.collection == bindparam("its_collection"),
    )
    .scalar_subquery()
)
_newest: Final = jobs.alias("newest")
_TURN: Final = select(
    jobs.c.seq,
    exists()
    .where(_newest.c.seq == _NEWEST_IN_BUNDLE, _newest.c.seq > jobs.c.seq, _newest.c.prune)
    .label("outdated"),
).where(jobs.c.id == bindparam("job"))
_BUNDLE: Final = (
    select(documents.c.collection, documents.c.source, documents.c.bundle, documents.c.delivered_by)
    .where(documents.c.parent_id == bindparam("its_container"), documents.c.delivered_by == _SEQ)
    .limit(1)
)
_ADOPT_JOBS: Final = (
    update(jobs)
    .where(
        jobs.c.document_id == bindparam("document"),
        jobs.c.kind.in_([JobKind.INGEST.value, JobKind.UPDATE.value]),
        jobs.c.state.in_(LIVE),
        exists().where(
            documents.c.id == bindparam("document"),
            documents.c.parent_id == bindparam("its_container"),
            documents.c.delivered_by == bindparam("its_seq"),
        ),
    )
    .values(
        parent_id=bindparam("job"),
        priority=case((jobs.c.kind == JobKind.INGEST.value, MEMBER_PRIORITY), else_=jobs.c.priority),
    )
    .returning(*JOB_COLUMNS)
)

OUTDATED: Final = "a newer upload of the same export, with prune=true, has come in meanwhile; to go back to this one, upload it again"
"""Why a container is not unpacked any further."""

_SAY_WHAT_IT_HOLDS: Final = update(documents).where(documents.c.id == bindparam("document"))


class ContainerStore(DocumentStore):
    """What a worker tells while it unpacks a container."""

    def begin_container(self, job: Job) -> Document:
        """Makes the job's document a container. Returns it with the fields that its caller gave, as they are now.

        Raises:
            LeaseLostError: The job is no longer its holder's.
            JobCanceledError: Somebody asked for it to stop.
        """
        with self._database.write() as tx:
            lock_document(tx, job.document_id)
            _go_on(hold(tx, job))
            row = tx.execute(_BEGIN, {"document": job.document_id}).one()
            return replace(document_from(row), fields=given_fields_from(row))

    def put_member(
        self, job: Job, key: DocumentKey, fields: DocumentFields, content: Content, *, bundle: str
    ) -> PutOutcome:
        """Like `put_document`, for a document that the job has taken out of its container.

        From now on the document is this container's, and the jobs that it has are children of this job. But uploads
        count in the order in which they were made: what a newer one has delivered is left to that, unchanged; and
        where the newest one of the bundle prunes, this one has nothing to add, and is asked to stop.

        Raises:
            LeaseLostError: The job is no longer its holder's; nothing was put.
            JobCanceledError: Somebody, or a newer upload, asked for it to stop; nothing was put.
            InvalidRequestError: A text holds a NUL or half of a surrogate pair.
        """
        with self._database.write() as tx:
            lock_document(tx, job.document_id)
            current = _go_on(hold(tx, job))
            turn = tx.execute(_TURN, {"job": job.id, **_bundle_of(key, bundle)}).one()
            if not turn.outdated:
                origin = {"parent_id": job.document_id, "bundle": bundle, "delivered_by": turn.seq}
                outcome = self._put(
                    tx, key, Wanted(fields, content, self._options.max_attempts, origin=origin)
                )
                return _adopt_jobs(tx, job, outcome, seq=turn.seq)
            self._transitions.cancel(tx, current, OUTDATED)
        raise JobCanceledError(f"job {job.id} was asked to stop: {OUTDATED}")

    def wait_for_members(
        self, job: Job, *, report: IngestReport, file_fields: DocumentFields, message: str
    ) -> Job:
        """Lets go of a job all of whose documents are delivered; `settle` ends it when their jobs have ended.

        `report` says how many there are; what an earlier container of the bundle held, and this one does not, is added.

        Raises:
            LeaseLostError: The job is no longer its holder's; nothing changed.
        """
        with self._database.write() as tx:
            lock_document(tx, job.document_id)
            current = hold(tx, job)
            gone = select(documents.c.external_id).where(vanished(tx, job)).order_by(documents.c.seq)
            named = tuple(tx.execute(gone.limit(LISTED_DOCUMENTS)).scalars())
            values = {
                "document": job.document_id,
                "report": report_value(replace(report, documents_vanished=named)),
                "file_fields": file_fields_value(file_fields),
            }
            tx.execute(_SAY_WHAT_IT_HOLDS, values)
            return self._transitions.wait(tx, current, message, total=report.documents or 0)


def vanished(connection: Connection, job: Job) -> ColumnElement[bool]:
    """True of documents of the bundle that the job has delivered from, if neither it nor a later one found them."""
    bundle = connection.execute(_BUNDLE, {"its_container": job.document_id, "job": job.id}).one_or_none()
    if bundle is None:
        return false()
    return and_(
        documents.c.parent_id.is_not(None),
        documents.c.collection == bundle.collection,
        documents.c.source == bundle.source,
        documents.c.bundle == bundle.bundle,
        documents.c.delivered_by < bundle.delivered_by,
        documents.c.deleted.is_(False),
    )


def _bundle_of(key: DocumentKey, bundle: str) -> dict[str, str]:
    return {"its_bundle": bundle, "its_source": key.source, "its_collection": key.collection}


def _adopt_jobs(tx: Connection, job: Job, outcome: PutOutcome, *, seq: int) -> PutOutcome:
    """The outcome after the live jobs of the document are the container's, if the document is."""
    values = {
        "document": outcome.document.id,
        "its_container": job.document_id,
        "its_seq": seq,
        "job": job.id,
    }
    adopted = {row.id: job_from(row) for row in tx.execute(_ADOPT_JOBS, values)}
    return replace(outcome, job=adopted.get(outcome.job.id, outcome.job))


def _go_on(job: Job) -> Job:
    if job.cancel_requested:
        raise JobCanceledError(f"job {job.id} was asked to stop")
    return job
