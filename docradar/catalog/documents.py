"""Documents: what is wanted, and what search sees of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    exists,
    false,
    insert,
    literal_column,
    select,
    true,
    update,
)

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
from docradar.catalog.sql import LIVE, NOW, insert_or_ignore
from docradar.catalog.store import Store
from docradar.catalog.transitions import MEMBER_PRIORITY
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
_MOVE: Final = update(documents).where(_THIS).returning(*DOCUMENT_COLUMNS)
_RELABEL: Final = update(documents).where(_THIS).values(updated_at=NOW).returning(*DOCUMENT_COLUMNS)
_DELETE: Final = (
    update(documents)
    .where(_THIS)
    .values(deleted=true(), active_version=None, units=0, error=None, updated_at=NOW)
)
_OF_CONTAINERS: Final = documents.c.parent_id.in_(bindparam("containers", expanding=True))
_inside: Final = documents.alias("inside")
_CONTAINERS_IN: Final = select(documents.c.id).where(
    _OF_CONTAINERS, exists().where(_inside.c.parent_id == documents.c.id)
)
_HIDE_DOCUMENTS_IN: Final = (
    update(documents)
    .where(_OF_CONTAINERS, documents.c.deleted.is_(False))
    .values(deleted=true(), active_version=None, units=0, error=None, updated_at=NOW)
)
_PRUNE_TOO: Final = (
    update(jobs)
    .where(
        jobs.c.document_id == bindparam("document"),
        jobs.c.kind == JobKind.INGEST.value,
        jobs.c.state.in_(LIVE),
    )
    .values(prune=true())
)
_LATEST_JOB: Final = (
    select(jobs)
    .where(jobs.c.document_id == bindparam("document"), jobs.c.kind != JobKind.SWEEP.value)
    .order_by(jobs.c.seq.desc())
    .limit(1)
)


Origin = Mapping[str, str | int | None]
"""Columns that say which container a document was taken out of, and by which job."""

_BY_HAND: Final[Origin] = {"parent_id": None, "bundle": None, "delivered_by": None}
"""Put by a caller, a document belongs to no container any more."""

_AS_IT_IS: Final[Origin] = {}


class Wanted(NamedTuple):
    """What a put asks for. Whatever it changes, the document is of this `origin` from then on."""

    fields: DocumentFields
    content: Content
    max_attempts: int
    prune: bool = False
    origin: Origin = _AS_IT_IS

    @property
    def delivered_by(self) -> int:
        """The `seq` of the job that took it out of a container; 0 where none did."""
        return int(self.origin.get("delivered_by") or 0)


class DocumentStore(Store):
    """Every change comes with the job that brings the index after it, in one transaction."""

    def put_document(
        self,
        key: DocumentKey,
        fields: DocumentFields,
        content: Content,
        *,
        prune: bool = False,
        max_attempts: int | None = None,
    ) -> PutOutcome:
        """Makes `content` what is wanted at `key`. The blob must be stored already.

        Other content, or content whose last version failed or was canceled, makes a new version and stops the work
        on older ones; other fields alone make an update; neither makes no job. A container is unpacked anew at every put
        that finds no run of it under way, `prune` deleting the documents that it no longer holds. A document that was
        deleted begins anew. Of equal puts at the same time one makes the job, and all return it.

        Raises:
            InvalidRequestError: A text holds a NUL or half of a surrogate pair.
        """
        wanted = Wanted(fields, content, max_attempts or self._options.max_attempts, prune, _BY_HAND)
        with self._database.write() as tx:
            return self._put(tx, key, wanted)

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
            raise NotFoundError(
                f"document {document_id[:100]!r} is not there, has not been read yet, or is a container, whose documents "
                "have the text"
            )
        return found

    def list_documents(
        self,
        *,
        collection: str | None = None,
        source: str | None = None,
        status: DocumentStatus | None = None,
        container_id: str | None = None,
        warned: bool | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Document], str | None]:
        """Documents, newest first, and the cursor of the next page where there is one.

        `container_id`: those that this container delivered last. `warned`: those whose report has warnings, or has none.

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
        if container_id is not None:
            wanted.append(documents.c.parent_id == container_id)
        if warned is not None:
            # Spelt out, for the partial index.
            wanted.append(documents.c.warnings > literal_column("0") if warned else documents.c.warnings == 0)
        if cursor is not None:
            wanted.append(documents.c.seq < cursors.decode("documents", cursor))
        query = select(documents).where(*wanted).order_by(documents.c.seq.desc()).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        more = cursors.encode("documents", rows[limit - 1].seq) if len(rows) > limit else None
        return [document_from(row) for row in rows[:limit]], more

    def patch_document(self, document_id: str, changes: DocumentChanges) -> tuple[Document, Job]:
        """Changes fields; the job gives the document's points their new payload. No change makes no new job.

        The documents that were taken out of a container keep what they have.

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
        """Hides the document at once, and those that were taken out of it; the job removes points, then rows.

        Twice gives the same job.

        Raises:
            NotFoundError: There is no such document.
        """
        with self._database.write() as tx:
            row = _locked(tx, document_id)
            if row.deleted and (live := live_jobs(tx, document_id, JobKind.DELETE)):
                return live[0]
            return self._delete(tx, row)

    def _put(self, tx: Connection, key: DocumentKey, wanted: Wanted) -> PutOutcome:
        refuse_unstorable(
            {"collection": key.collection, "source": key.source, "external_id": key.external_id}
        )
        while True:
            if (created := self._create(tx, key, wanted)) is not None:
                return created
            if (row := lock_document(tx, key.document_id)) is not None:
                return self._replace(tx, row, wanted)
            # Between the two another process has swept the document away.

    def _delete(self, tx: Connection, row: AnyRow, *, priority: int | None = None) -> Job:
        """A tombstone for a locked document and all that was taken out of it, and the job that clears up behind it.

        That job deletes what was taken out of it one by one.
        """
        tx.execute(_DELETE, {"document": row.id})
        containers = [row.id]
        while containers:  # from the outside in, as unpacking locks them
            inner = list(tx.execute(_CONTAINERS_IN, {"containers": containers}).scalars())
            hidden = tx.execute(_HIDE_DOCUMENTS_IN, {"containers": containers}).rowcount
            containers = inner if hidden else []
        for job in live_jobs(tx, row.id, JobKind.INGEST):
            self._transitions.cancel(tx, job, "the document was deleted")
        return self._transitions.enqueue(tx, JobKind.DELETE, row.id, row.desired_version, priority=priority)

    def _relabel(
        self, tx: Connection, row: AnyRow, fields: DocumentFields, origin: Origin = _AS_IT_IS
    ) -> tuple[Document, Job]:
        """Other fields for a locked document, and the job that brings its points after them."""
        relabelled = tx.execute(_RELABEL, {"document": row.id, **field_values(fields), **origin}).one()
        job = self._transitions.enqueue(tx, JobKind.UPDATE, row.id, row.desired_version)
        return document_from(relabelled), job

    def _create(self, tx: Connection, key: DocumentKey, wanted: Wanted) -> PutOutcome | None:
        """The first version of a document, or None where there is the document already."""
        values = {
            "id": key.document_id,
            "collection": key.collection,
            "source": key.source,
            "external_id": key.external_id,
            **field_values(wanted.fields),
            **content_values(wanted.content),
            **wanted.origin,
        }
        row = tx.execute(_ADD_DOCUMENT[tx.dialect.name], values).one_or_none()
        if row is None:
            return None
        job = self._bring_in(tx, row, wanted)
        return PutOutcome(document_from(row), job, PutResult.CREATED)

    def _replace(self, tx: Connection, row: AnyRow, wanted: Wanted) -> PutOutcome:
        """What a put comes to for a document that is there."""
        if 0 < wanted.delivered_by < (row.delivered_by or 0):
            # In the order of the uploads, a newer one has changed it, or it was deleted after that.
            return PutOutcome(document_from(row), _latest_job(tx, row.id), PutResult.UNCHANGED)
        result = _compare(row, wanted)
        if row.container and result in (PutResult.UNCHANGED, PutResult.RELABELLED):
            return self._unpack_again(tx, row, wanted)
        if result is PutResult.UNCHANGED:
            if wanted.prune:
                tx.execute(_PRUNE_TOO, {"document": row.id})
            return PutOutcome(_moved(tx, row, wanted.origin), _latest_job(tx, row.id), result)
        if result is PutResult.RELABELLED:
            return PutOutcome(*self._relabel(tx, row, wanted.fields, wanted.origin), result)
        return PutOutcome(*self._new_version(tx, row, wanted), result)

    def _unpack_again(self, tx: Connection, row: AnyRow, wanted: Wanted) -> PutOutcome:
        """A container's same content: its documents may have failed, or been changed or deleted, since the last run."""
        under_way = [job for job in live_jobs(tx, row.id, JobKind.INGEST) if not job.cancel_requested]
        if not under_way or given_fields_from(row) != wanted.fields:
            return PutOutcome(*self._new_version(tx, row, wanted), PutResult.UPDATED)
        if wanted.prune:
            tx.execute(_PRUNE_TOO, {"document": row.id})
        return PutOutcome(_moved(tx, row, wanted.origin), under_way[-1], PutResult.UNCHANGED)

    def _new_version(self, tx: Connection, row: AnyRow, wanted: Wanted) -> tuple[Document, Job]:
        """The next version of a locked document, wanted from now on, and the job that brings it in."""
        values = {
            "document": row.id,
            "desired_version": row.desired_version + 1,
            **field_values(wanted.fields),
            **content_values(wanted.content),
            **wanted.origin,
        }
        advanced = tx.execute(_WANT, values).one()
        self._supersede(tx, row, f"superseded by version {advanced.desired_version}")
        return document_from(advanced), self._bring_in(tx, advanced, wanted)

    def _bring_in(self, tx: Connection, row: AnyRow, wanted: Wanted) -> Job:
        """The row and the job of the version that is wanted now."""
        version = row.desired_version
        content = content_values(wanted.content)
        tx.execute(_ADD_VERSION, {"document_id": row.id, "version": version, **content})
        job = self._transitions.enqueue(
            tx,
            JobKind.INGEST,
            row.id,
            version,
            max_attempts=wanted.max_attempts,
            priority=MEMBER_PRIORITY if wanted.delivered_by else None,
        )
        if wanted.prune:
            tx.execute(_PRUNE_TOO, {"document": row.id})
        return job

    def _supersede(self, tx: Connection, row: AnyRow, reason: str) -> None:
        outdated = live_jobs(tx, row.id, JobKind.INGEST)
        if row.deleted:
            outdated += live_jobs(tx, row.id, JobKind.DELETE)
        for job in outdated:
            self._transitions.cancel(tx, job, reason)


def _moved(tx: Connection, row: AnyRow, origin: Origin) -> Document:
    """A locked document to which nothing happened, but that it is of another container now, or of none."""
    if all(getattr(row, column) == value for column, value in origin.items()):
        return document_from(row)
    return document_from(tx.execute(_MOVE, {"document": row.id, **origin}).one())


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


def _compare(row: AnyRow, wanted: Wanted) -> PutResult:
    if row.deleted:
        return PutResult.CREATED
    if content_from(row) != wanted.content or row.ended_version == row.desired_version:
        return PutResult.UPDATED
    return PutResult.UNCHANGED if given_fields_from(row) == wanted.fields else PutResult.RELABELLED


def _latest_job(tx: Connection, document_id: str) -> Job:
    return job_from(tx.execute(_LATEST_JOB, {"document": document_id}).one())
