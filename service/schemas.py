"""What goes over the wire. Domain types become these at the edge, and nothing else leaves the service."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from docradar.documents import (
    Document,
    DocumentStatus,
    Hit,
    Job,
    JobEvent,
    JobKind,
    JobState,
    Kind,
    ScoreName,
    Split,
    Unit,
)

MetaValue = str | int | float | bool | list[str]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Title = Annotated[str, Meta(max_length=1000)]
Tag = Annotated[str, Meta(min_length=1, max_length=100)]


class RequestStruct(Struct, forbid_unknown_fields=True, kw_only=True):
    """A request's body; an unknown field is an error, since it is a misspelt one."""


class ReportOut(Struct, kw_only=True):
    """How the file was read.

    Of a container: `documents` were taken out of it, `documents_skipped` counts by reason what is not for searching,
    `documents_failed` gives names and reasons, and `documents_vanished` are external ids that an earlier upload of it held;
    the last two name the first 100. It is the report of that upload's run: a document that is retried by itself later, or
    deleted, does not change it.
    """

    reader: str
    encoding: str | None
    encoding_confidence: float | None
    pages: int | None
    pages_empty: list[int]
    pages_garbled: list[int]
    pages_need_ocr: list[int]
    units_cut: int
    units_merged: int
    characters_read: int
    characters_indexed: int
    macros_dropped: dict[str, int]
    documents: int | None
    documents_skipped: dict[str, int]
    documents_failed: dict[str, str]
    documents_failed_count: int
    documents_vanished: list[str]
    warnings: list[str]


class DocumentOut(Struct, kw_only=True):
    """A document. `units` are those that search sees; `version` is what was uploaded last.

    `created_at` and `updated_at` are the document's own where its file says them, as filters see them; `stored_at` is when it
    was last uploaded or changed here. A `container` holds documents instead of units: list them by `container_id`.
    """

    id: str
    collection: str
    source: str
    external_id: str
    title: str
    status: DocumentStatus
    units: int
    error: str | None
    author: str | None
    url: str | None
    language: str | None
    tags: list[str]
    meta: dict[str, MetaValue]
    media_type: str
    filename: str
    size_bytes: int
    split: Split
    version: int
    active_version: int | None
    container: bool
    container_id: str | None
    report: ReportOut | None
    created_at: datetime
    updated_at: datetime
    stored_at: datetime

    @classmethod
    def of(cls, document: Document) -> "DocumentOut":
        fields, key = document.fields, document.key
        return cls(
            id=document.id,
            collection=key.collection,
            source=key.source,
            external_id=key.external_id,
            title=fields.title,
            status=document.status,
            units=document.units,
            error=document.error,
            author=fields.author,
            url=fields.url,
            language=fields.language,
            tags=list(fields.tags),
            meta=fields.meta,
            media_type=document.media_type,
            filename=document.filename,
            size_bytes=document.size_bytes,
            split=document.split,
            version=document.desired_version,
            active_version=document.active_version,
            container=document.container,
            container_id=document.container_id,
            report=msgspec.convert(document.report, ReportOut, from_attributes=True)
            if document.report
            else None,
            created_at=fields.created_at or document.created_at,
            updated_at=fields.updated_at or document.updated_at,
            stored_at=document.updated_at,
        )


class DocumentList(Struct):
    documents: list[DocumentOut]
    next_cursor: str | None


class DocumentPatch(RequestStruct):
    """The fields to change; one that is left out stays."""

    title: Title | UnsetType = UNSET
    author: Title | UnsetType | None = UNSET
    url: Annotated[str, Meta(max_length=2000)] | UnsetType | None = UNSET
    language: Annotated[str, Meta(max_length=35)] | UnsetType | None = UNSET
    tags: Annotated[list[Tag], Meta(max_length=100)] | UnsetType = UNSET
    meta: dict[str, MetaValue] | UnsetType = UNSET


class TextUpload(RequestStruct):
    """A document sent as text. `split="lines"` makes every line an entry of its own."""

    text: str
    collection: str = "default"
    source: str = "upload"
    external_id: str | None = None
    title: str = ""
    author: str | None = None
    url: str | None = None
    language: str | None = None
    tags: list[str] = []
    meta: dict[str, MetaValue] = {}
    split: Split = Split.AUTO


class JobOut(Struct, kw_only=True):
    """A job. `done` of `total` are units, or of a container's job documents; `total` is 0 until the file has been read.

    `parent_id` is the job of the container that the document was taken out of.
    """

    id: str
    kind: JobKind
    state: JobState
    stage: str
    done: int
    total: int
    document_id: str
    parent_id: str | None
    version: int
    attempts: int
    max_attempts: int
    cancel_requested: bool
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobOut":
        return msgspec.convert(job, cls, from_attributes=True)


class JobList(Struct):
    jobs: list[JobOut]
    next_cursor: str | None


class UploadAccepted(Struct):
    """One job for each file, in the order of the files."""

    jobs: list[JobOut]


class JobEventOut(Struct, kw_only=True):
    """One line of a job's story; `seq` is the event's id for `Last-Event-ID`."""

    seq: int
    at: datetime
    state: JobState
    stage: str
    done: int
    total: int
    message: str

    @classmethod
    def of(cls, event: JobEvent) -> "JobEventOut":
        return msgspec.convert(event, cls, from_attributes=True)


class UnitOut(Struct, kw_only=True):
    """A unit, with its place: `normalised_text[char_start:char_end] == text`."""

    id: str
    ordinal: int
    kind: Kind
    text: str
    page: int | None
    heading_path: list[str]
    char_start: int
    char_end: int

    @classmethod
    def of(cls, unit: Unit) -> "UnitOut":
        return cls(
            id=unit.id,
            ordinal=unit.ordinal,
            kind=unit.kind,
            text=unit.text,
            page=unit.page,
            heading_path=list(unit.heading_path),
            char_start=unit.span.start,
            char_end=unit.span.end,
        )


class UnitList(Struct):
    units: list[UnitOut]
    next_cursor: str | None


class SearchRequest(RequestStruct):
    """A question in plain words. `filter` narrows what is searched; `min_score` cuts by cosine."""

    query: str
    limit: Annotated[int, Meta(ge=1)] = 5
    filter: dict[str, Any] | None = None
    collection: str | None = None
    min_score: Annotated[float, Meta(ge=-1, le=1)] | None = None
    instruction: Annotated[str, Meta(max_length=1000)] | None = None


class ProvenanceOut(Struct, kw_only=True):
    """Where the sentence stands in its document."""

    page: int | None
    heading_path: list[str]
    char_start: int
    char_end: int
    ordinal: int
    kind: Kind


class HitDocument(Struct, kw_only=True):
    """The document a hit belongs to; its dates are those of `DocumentOut`."""

    id: str
    collection: str
    source: str
    external_id: str
    title: str
    author: str | None
    url: str | None
    language: str | None
    tags: list[str]
    filename: str
    created_at: datetime
    updated_at: datetime
    stored_at: datetime


class ResultOut(Struct, kw_only=True):
    """`score` is what the ranking used; `strong` says that its cosine passes the model's threshold."""

    unit_id: str
    text: str
    score: float
    strong: bool
    scores: dict[ScoreName, float]
    document: HitDocument
    provenance: ProvenanceOut

    @classmethod
    def of(cls, hit: Hit) -> "ResultOut":
        document = hit.document
        return cls(
            unit_id=hit.unit_id,
            text=hit.text,
            score=hit.score,
            strong=hit.strong,
            scores=hit.scores,
            document=HitDocument(
                id=document.id,
                collection=document.key.collection,
                source=document.key.source,
                external_id=document.key.external_id,
                title=document.fields.title,
                author=document.fields.author,
                url=document.fields.url,
                language=document.fields.language,
                tags=list(document.fields.tags),
                filename=document.filename,
                created_at=document.fields.created_at or document.created_at,
                updated_at=document.fields.updated_at or document.updated_at,
                stored_at=document.updated_at,
            ),
            provenance=msgspec.convert(hit.provenance, ProvenanceOut, from_attributes=True),
        )


class TookMs(Struct):
    """Milliseconds: embedding the query (waiting for the model included), asking the index, and in all."""

    embed: float
    retrieve: float
    total: float


class SearchResponse(Struct):
    results: list[ResultOut]
    took_ms: TookMs
    model: str
    mode: Literal["semantic"]


class CollectionOut(Struct, kw_only=True):
    name: str
    documents: int
    units: int
    sources: list[str]


class CollectionList(Struct):
    collections: list[CollectionOut]


class Live(Struct):
    status: Literal["live"]
    version: str


class Readiness(Struct, kw_only=True):
    """`seconds` is how long loading has taken, so far or in all."""

    status: Literal["ready", "loading", "failed"]
    stage: str
    seconds: float
    model: str | None
    error: str | None


class Problem(Struct, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details. `code` is stable; `detail` says what was wrong and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[dict[str, str]] = []
