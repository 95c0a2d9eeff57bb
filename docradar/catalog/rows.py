"""Domain types ↔ rows. JSON columns are decoded here and nowhere else."""

import json
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Row

from docradar.catalog.schema import documents, jobs, units
from docradar.catalog.types import Content, UnitPlace
from docradar.documents import (
    Document,
    DocumentFields,
    DocumentKey,
    DocumentStatus,
    IngestReport,
    Job,
    JobEvent,
    JobKind,
    JobState,
    Kind,
    Span,
    Split,
    Unit,
)
from docradar.errors import InvalidRequestError

AnyRow = Row[Any]

DOCUMENT_COLUMNS: Final = tuple(documents.c)
UNIT_COLUMNS: Final = tuple(column for column in units.c if column.name not in {"document_id", "version"})
JOB_COLUMNS: Final = tuple(jobs.c)

_REPORT_FIELDS: Final = {field.name for field in fields(IngestReport)}


def document_from(row: AnyRow) -> Document:
    """The document; where the caller did not say something, what its file says."""
    return Document(
        id=row.id,
        key=DocumentKey(row.collection, row.source, row.external_id),
        fields=given_fields_from(row).or_else(_file_fields(row.file_fields)),
        status=DocumentStatus(row.status),
        desired_version=row.desired_version,
        active_version=row.active_version,
        units=row.units,
        media_type=row.media_type,
        filename=row.filename,
        size_bytes=row.size_bytes,
        blob=row.blob,
        split=Split(row.split),
        error=row.error,
        report=_report(row.report) if row.report else None,
        created_at=_time(row.created_at),
        updated_at=_time(row.updated_at),
        container=row.container,
        container_id=row.parent_id,
    )


def given_fields_from(row: AnyRow) -> DocumentFields:
    """The fields as the caller gave them, without the file's own."""
    return DocumentFields(
        title=row.title,
        author=row.author,
        url=row.url,
        language=row.language,
        tags=_strings(row.tags),
        meta=json.loads(row.meta),
        created_at=_moment(row.given_created_at),
        updated_at=_moment(row.given_updated_at),
    )


@lru_cache(maxsize=1024)
def _file_fields(column: str) -> DocumentFields:
    stored = json.loads(column)
    stored["tags"] = tuple(stored.get("tags", ()))
    for name in ("created_at", "updated_at"):
        stored[name] = _moment(stored.get(name))
    return DocumentFields(**stored)


def file_fields_value(fields: DocumentFields) -> str:
    said = {name: value for name, value in asdict(fields).items() if value}
    return storable(json.dumps(said, ensure_ascii=False, default=_moment_value))


def content_from(row: AnyRow) -> Content:
    return Content(row.blob, row.size_bytes, row.media_type, row.filename, Split(row.split))


def unit_from(row: AnyRow) -> Unit:
    return Unit(
        row.unit_id,
        row.ordinal,
        Kind(row.kind),
        row.text,
        Span(row.char_start, row.char_end),
        _strings(row.heading_path),
        row.page,
    )


def place_from(row: AnyRow) -> UnitPlace:
    return UnitPlace(row.page, _strings(row.heading_path), Kind(row.kind))


def job_from(row: AnyRow) -> Job:
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        document_id=row.document_id,
        version=row.version,
        state=JobState(row.state),
        stage=row.stage,
        done=row.done,
        total=row.total,
        attempts=row.attempts,
        max_attempts=row.max_attempts,
        fence=row.fence,
        lease_owner=row.lease_owner,
        cancel_requested=row.cancel_requested,
        error=row.error,
        created_at=_time(row.created_at),
        started_at=_time(row.started_at) if row.started_at else None,
        finished_at=_time(row.finished_at) if row.finished_at else None,
        run_at=_time(row.run_at),
        parent_id=row.parent_id,
    )


def event_from(row: AnyRow) -> JobEvent:
    return JobEvent(
        row.job_id, row.seq, _time(row.at), JobState(row.state), row.stage, row.done, row.total, row.message
    )


def field_values(given: DocumentFields) -> dict[str, Any]:
    """Columns of `documents`.

    Raises:
        InvalidRequestError: A value holds a NUL or half of a surrogate pair, which no database stores.
    """
    values = {
        "title": given.title,
        "author": given.author,
        "url": given.url,
        "language": given.language,
        "tags": json.dumps(given.tags, ensure_ascii=False),
        "meta": json.dumps(given.meta, ensure_ascii=False),
        "given_created_at": _moment_value(given.created_at),
        "given_updated_at": _moment_value(given.updated_at),
    }
    refuse_unstorable(values)
    return values


def content_values(content: Content) -> dict[str, Any]:
    """Columns of `documents` and of `versions`."""
    values = {
        "blob": content.blob,
        "size_bytes": content.size_bytes,
        "media_type": content.media_type,
        "filename": content.filename,
        "split": content.split.value,
    }
    refuse_unstorable(values)
    return values


def unit_values(document_id: str, version: int, unit: Unit) -> dict[str, Any]:
    """Columns of `units`."""
    return {
        "document_id": document_id,
        "version": version,
        "ordinal": unit.ordinal,
        "unit_id": unit.id,
        "kind": unit.kind.value,
        "page": unit.page,
        "heading_path": json.dumps(unit.heading_path, ensure_ascii=False) if unit.heading_path else "[]",
        "char_start": unit.span.start,
        "char_end": unit.span.end,
        "text": unit.text,
    }


def report_from(row: AnyRow) -> IngestReport:
    """The report of the document's row, empty where there is none yet."""
    return _report(row.report) if row.report else IngestReport()


def report_value(report: IngestReport) -> str:
    return json.dumps(asdict(report))


def refuse_unstorable(values: dict[str, Any]) -> None:
    """Raises InvalidRequestError naming the first value with a NUL or half of a surrogate pair in it."""
    for name, value in values.items():
        if isinstance(value, str) and value != storable(value):
            raise InvalidRequestError(
                f"{name} holds a NUL or half of a surrogate pair, which cannot be stored; remove it"
            )


def storable(text: str) -> str:
    """`text` with `?` for what no database stores."""
    return text.replace("\x00", "?").encode("utf-8", "replace").decode("utf-8")


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _moment(column: str | None) -> datetime | None:
    return datetime.fromisoformat(column) if column else None


def _moment_value(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


@lru_cache(maxsize=4096)
def _strings(column: str) -> tuple[str, ...]:
    return tuple(json.loads(column))


@lru_cache(maxsize=256)
def _report(column: str) -> IngestReport:
    """Names that this version does not know are left out, so that a catalog can be shared during an upgrade."""
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in json.loads(column).items()
        if name in _REPORT_FIELDS
    }
    return IngestReport(**known)
