"""Containers: documents that hold documents, from their unpacking to the moment when the last one has come in.

A container's job delivers its documents, each with a job of its own, then waits for those: running, and held by no worker.
`settle` ends it. Lock order: the container's row, the document's row, then jobs' rows.
"""

from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, false, select, true, update

from docradar.catalog.changes import hold, lock_document
from docradar.catalog.documents import DocumentStore, Wanted
from docradar.catalog.rows import (
    DOCUMENT_COLUMNS,
    document_from,
    file_fields_value,
    given_fields_from,
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
_ADOPT: Final = (
    update(documents)
    .where(documents.c.id == bindparam("document"))
    .values(
        parent_id=bindparam("its_container"),
        bundle=bindparam("its_bundle"),
        # The newest export that holds it counts, whichever is unpacked last.
        delivered_by=case((documents.c.delivered_by > _SEQ, documents.c.delivered_by), else_=_SEQ),
    )
    .returning(*DOCUMENT_COLUMNS)
)
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
    )
    .values(
        parent_id=bindparam("job"),
        priority=case((jobs.c.kind == JobKind.INGEST.value, MEMBER_PRIORITY), else_=jobs.c.priority),
    )
)
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

        From now on the document is this container's, and the jobs that it has are children of this job.

        Raises:
            LeaseLostError: The job is no longer its holder's; nothing was put.
            JobCanceledError: Somebody asked for it to stop; nothing was put.
            InvalidRequestError: A text holds a NUL or half of a surrogate pair.
        """
        with self._database.write() as tx:
            lock_document(tx, job.document_id)
            outcome = self._put(tx, key, Wanted(fields, content, self._options.max_attempts))
            _go_on(hold(tx, job))
            adopted = {
                "document": outcome.document.id,
                "its_container": job.document_id,
                "its_bundle": bundle,
                "job": job.id,
            }
            row = tx.execute(_ADOPT, adopted).one()
            tx.execute(_ADOPT_JOBS, {"document": outcome.document.id, "job": job.id})
            return replace(outcome, document=document_from(row), job=replace(outcome.job, parent_id=job.id))

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


def _go_on(job: Job) -> None:
    if job.cancel_requested:
        raise JobCanceledError(f"job {job.id} was asked to stop")
