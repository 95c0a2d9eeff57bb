"""Documents: what is wanted, and what search sees of it."""

from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, false, insert, select, true, update

from docradar.catalog import cursors
from docradar.catalog.changes import live_jobs, lock_document
from docradar.catalog.rows import (
    DOCUMENT_COLUMNS,
    AnyRow,
    content_from,
    content_values,
    document_from,
    field_values,
    given_fields_from,
    job_from,
    refuse_unstorable,
)
from docradar.catalog.schema import documents, jobs, versions
from docradar.catalog.sql import NOW, insert_or_ignore
from docradar.catalog.store import Store
from docradar.catalog.types import Content, DocumentChanges, PutOutcome, PutResult
from docradar.documents import Document, DocumentFields, DocumentKey, DocumentStatus, Job, JobKind
from docradar.errors import ConflictError, NotFoundError

_CONTENT_COLUMNS: Final = ("blob", "size_bytes", "media_type", "filename", "split")

_THIS: Final = documents.c.id == bindparam("document")
_GET: Final = select(documents).where(_THIS)
_ADD_DOCUMENT: Final = insert_or_ignore(
    documents, returning=DOCUMENT_COLUMNS, desired_version=1, created_at=NOW, updated_at=NOW
)
_WANT: Final = (
    update(documents)
    .where(_THIS)
    .values(deleted=false(), ended_version=None, ended_state=None, error=None, updated_at=NOW)
    .returning(*DOCUMENT_COLUMNS)
)
_ADD_VERSION: Final = insert(versions).values(created_at=NOW)
_RELABEL: Final = update(documents).where(_THIS).values(updated_at=NOW).returning(*DOCUMENT_COLUMNS)
_DELETE: Final = (
    update(documents)
    .where(_THIS)
    .values(deleted=true(), active_version=None, units=0, error=None, updated_at=NOW)
)
_LATEST_JOB: Final = (
    select(jobs)
    .where(jobs.c.document_id == bindparam("document"), jobs.c.kind != JobKind.SWEEP.value)
    .order_by(jobs.c.seq.desc())
    .limit(1)
)


class DocumentStore(Store):
    """Every change comes with the job that brings the index after it, in one transaction."""

    def put_document(
        self, key: DocumentKey, fields: DocumentFields, content: Content, *, max_attempts: int | None = None
    ) -> PutOutcome:
        """Makes `content` what is wanted at `key`. The blob must be stored already.

        Other content, or content whose last version failed or was canceled, makes a new version and stops the work
        on older ones; other fields alone make an update; neither makes no job. A document that was deleted begins
        anew. Of equal puts at the same time one makes the job, and all return it.

        Raises:
            InvalidRequestError: A text holds a NUL or half of a surrogate pair.
        """
        refuse_unstorable(
            {"collection": key.collection, "source": key.source, "external_id": key.external_id}
        )
        attempts = max_attempts or self._options.max_attempts
        with self._database.write() as tx:
            while True:
                if (created := self._create(tx, key, fields, content, attempts)) is not None:
                    return created
                if (row := lock_document(tx, key.document_id)) is not None:
                    return self._replace(tx, row, fields, content, attempts)
                # Between the two another process has swept the document away.

    def get_document(self, document_id: str) -> Document:
        """The document, also while it is being deleted.

        Raises:
            NotFoundError: There is none.
        """
        with self._database.read() as connection:
            return _document(connection, document_id)

    def document_version(self, document_id: str, version: int) -> Document:
        """The document with the content of one of its versions in place of the latest one's.

        Its fields are the caller's alone: what another version's file said of itself does not hold for this one.

        Raises:
            NotFoundError: There is no such document, or that version has been swept.
        """
        query = (
            select(
                *[column for column in documents.c if column.name not in _CONTENT_COLUMNS],
                *[versions.c[name] for name in _CONTENT_COLUMNS],
            )
            .join(versions, versions.c.document_id == documents.c.id)
            .where(documents.c.id == document_id, versions.c.version == version)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFoundError(f"document {document_id} has no version {version}")
        return replace(document_from(row), fields=given_fields_from(row))

    def text_blob(self, document_id: str) -> str:
        """SHA-256 of the normalised text of the active version, in which its units' spans lie.

        Raises:
            NotFoundError: There is no such document, or no version of it is active.
        """
        query = select(versions.c.text_blob).join(
            documents,
            and_(
                versions.c.document_id == documents.c.id,
                versions.c.version == documents.c.active_version,
                documents.c.deleted.is_(False),
            ),
        )
        with self._database.read() as connection:
            found: str | None = connection.execute(query.where(documents.c.id == document_id)).scalar()
        if found is None:
            raise NotFoundError(f"document {document_id[:100]!r} is not there, or has not been read yet")
        return found

    def list_documents(
        self,
        *,
        collection: str | None = None,
        source: str | None = None,
        status: DocumentStatus | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Document], str | None]:
        """Documents, newest first, and the cursor of the next page where there is one.

        Raises:
            InvalidRequestError: The cursor is not one of this list's.
        """
        wanted: list[ColumnElement[bool]] = []
        if collection is not None:
            wanted.append(documents.c.collection == collection)
        if source is not None:
            wanted.append(documents.c.source == source)
        if status is not None:
            wanted.append(documents.c.status == status.value)
        if cursor is not None:
            wanted.append(documents.c.seq < cursors.decode("documents", cursor))
        query = select(documents).where(*wanted).order_by(documents.c.seq.desc()).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        more = cursors.encode("documents", rows[limit - 1].seq) if len(rows) > limit else None
        return [document_from(row) for row in rows[:limit]], more

    def patch_document(self, document_id: str, changes: DocumentChanges) -> tuple[Document, Job]:
        """Changes fields; the job gives the document's points their new payload. No change makes no new job.

        Raises:
            NotFoundError: There is no such document.
            ConflictError: The document is being deleted.
            InvalidRequestError: A text holds a NUL or half of a surrogate pair.
        """
        with self._database.write() as tx:
            row = _locked(tx, document_id)
            if row.deleted:
                raise ConflictError(
                    f"document {document_id} is being deleted; upload it again to bring it back"
                )
            fields = given_fields_from(row)
            changed = changes.apply(fields)
            if changed == fields:
                return document_from(row), _latest_job(tx, document_id)
            return self._relabel(tx, row, changed)

    def delete_document(self, document_id: str) -> Job:
        """Hides the document at once; the job removes its points, then its rows. Twice gives the same job.

        Raises:
            NotFoundError: There is no such document.
        """
        with self._database.write() as tx:
            row = _locked(tx, document_id)
            if row.deleted and (live := live_jobs(tx, document_id, JobKind.DELETE)):
                return live[0]
            tx.execute(_DELETE, {"document": document_id})
            for job in live_jobs(tx, document_id, JobKind.INGEST):
                self._transitions.cancel(tx, job, "the document was deleted")
            return self._transitions.enqueue(tx, JobKind.DELETE, document_id, row.desired_version)

    def _relabel(self, tx: Connection, row: AnyRow, fields: DocumentFields) -> tuple[Document, Job]:
        """Other fields for a locked document, and the job that brings its points after them."""
        relabelled = tx.execute(_RELABEL, {"document": row.id, **field_values(fields)}).one()
        job = self._transitions.enqueue(tx, JobKind.UPDATE, row.id, row.desired_version)
        return document_from(relabelled), job

    def _create(
        self, tx: Connection, key: DocumentKey, fields: DocumentFields, content: Content, max_attempts: int
    ) -> PutOutcome | None:
        """The first version of a document, or None where there is the document already."""
        values = {
            "id": key.document_id,
            "collection": key.collection,
            "source": key.source,
            "external_id": key.external_id,
            **field_values(fields),
            **content_values(content),
        }
        row = tx.execute(_ADD_DOCUMENT[tx.dialect.name], values).one_or_none()
        if row is None:
            return None
        job = self._bring_in(tx, row, content, max_attempts)
        return PutOutcome(document_from(row), job, PutResult.CREATED)

    def _replace(
        self, tx: Connection, row: AnyRow, fields: DocumentFields, content: Content, max_attempts: int
    ) -> PutOutcome:
        """What a put comes to for a document that is there."""
        result = _compare(row, fields, content)
        if result is PutResult.UNCHANGED:
            return PutOutcome(document_from(row), _latest_job(tx, row.id), result)
        if result is PutResult.RELABELLED:
            return PutOutcome(*self._relabel(tx, row, fields), result)
        return PutOutcome(*self._new_version(tx, row, fields, content, max_attempts), result)

    def _new_version(
        self, tx: Connection, row: AnyRow, fields: DocumentFields, content: Content, max_attempts: int
    ) -> tuple[Document, Job]:
        """The next version of a locked document, wanted from now on, and the job that brings it in."""
        wanted = {
            "document": row.id,
            "desired_version": row.desired_version + 1,
            **field_values(fields),
            **content_values(content),
        }
        advanced = tx.execute(_WANT, wanted).one()
        self._supersede(tx, row, f"superseded by version {advanced.desired_version}")
        return document_from(advanced), self._bring_in(tx, advanced, content, max_attempts)

    def _bring_in(self, tx: Connection, row: AnyRow, content: Content, max_attempts: int) -> Job:
        """The row and the job of the version that is wanted now."""
        version = row.desired_version
        tx.execute(_ADD_VERSION, {"document_id": row.id, "version": version, **content_values(content)})
        return self._transitions.enqueue(tx, JobKind.INGEST, row.id, version, max_attempts=max_attempts)

    def _supersede(self, tx: Connection, row: AnyRow, reason: str) -> None:
        outdated = live_jobs(tx, row.id, JobKind.INGEST)
        if row.deleted:
            outdated += live_jobs(tx, row.id, JobKind.DELETE)
        for job in outdated:
            self._transitions.cancel(tx, job, reason)


def _locked(tx: Connection, document_id: str) -> AnyRow:
    row = lock_document(tx, document_id)
    if row is None:
        raise _no_document(document_id)
    return row


def _document(connection: Connection, document_id: str) -> Document:
    row = connection.execute(_GET, {"document": document_id}).one_or_none()
    if row is None:
        raise _no_document(document_id)
    return document_from(row)


def _no_document(document_id: str) -> NotFoundError:
    return NotFoundError(f"there is no document {document_id[:100]!r}")


def _compare(row: AnyRow, fields: DocumentFields, content: Content) -> PutResult:
    if row.deleted:
        return PutResult.CREATED
    if content_from(row) != content or row.ended_version == row.desired_version:
        return PutResult.UPDATED
    return PutResult.UNCHANGED if given_fields_from(row) == fields else PutResult.RELABELLED


def _latest_job(tx: Connection, document_id: str) -> Job:
    return job_from(tx.execute(_LATEST_JOB, {"document": document_id}).one())
