"""The domain's types. Frozen, free of any library's types, and shared by all rooms."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, get_args

LISTED_DOCUMENTS = 100
UPLOAD_SOURCE = "upload"
FIELD_CHARS = {
    "collection": 64, "source": 128, "external_id": 1000, "title": 1000, "author": 1000, "url": 2000, "language": 35,
    "tag": 100, "meta key": 64, "meta value": 1000,
}  # fmt: skip
DOCUMENT_NAMESPACE = uuid.UUID("6f1d6a0e-6b2e-5c1e-9d55-0f5a3f4b7c21")

Meta = dict[str, str | int | float | bool | list[str]]


class Span(NamedTuple):
    """Half-open range of code points, `text[start:end]`."""

    start: int
    end: int


class Kind(StrEnum):
    """What a block, and so each of its units, is in its document."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE_ROW = "table_row"
    CODE = "code"
    QUOTE = "quote"
    LINE = "line"


class Split(StrEnum):
    """How a document is cut into units."""

    AUTO = "auto"
    LINES = "lines"


class Recipe(StrEnum):
    """What a unit's vector is made from.

    LATE_CHUNKING: a passage goes through the model once and each unit's vector is the mean of its own tokens
    (for models that pool by mean). CONTEXT: heading path and the sentence before are put in front of the unit
    (for models that pool by the last token). PLAIN: the unit alone.
    """

    LATE_CHUNKING = "late_chunking"
    CONTEXT = "context"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Block:
    """A structural piece of a document; units never cross its ends.

    `span` lies in the document's normalised text. `heading_path` is outermost first. `page` counts from 1.
    """

    kind: Kind
    span: Span
    heading_path: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """One atomic statement: `normalised_text[span.start:span.end] == text`, always.

    `id` is derived from all that the unit's vector is made from, so a unit that did not change keeps it.
    """

    id: str
    ordinal: int
    kind: Kind
    text: str
    span: Span
    heading_path: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that goes through the model once, and the places in it that each get a vector."""

    text: str
    spans: tuple[Span, ...]

    @classmethod
    def whole(cls, text: str) -> "Passage":
        """The plain case: one vector for the whole text."""
        return cls(text, (Span(0, len(text)),))


@dataclass(frozen=True, slots=True)
class DocumentFields:
    """What is said of a document, by a caller or by its file, and search can filter on.

    `created_at` and `updated_at` are aware, and the document's own: when it was written, not when it was uploaded.
    """

    title: str = ""
    author: str | None = None
    url: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    meta: Meta = field(default_factory=dict)
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def or_else(self, other: "DocumentFields") -> "DocumentFields":
        """These fields, and the other's where one of these is empty; the tags and the metadata of both."""
        return DocumentFields(
            title=self.title or other.title,
            author=self.author or other.author,
            url=self.url or other.url,
            language=self.language or other.language,
            tags=tuple(dict.fromkeys(self.tags + other.tags)),
            meta=other.meta | self.meta,
            created_at=self.created_at or other.created_at,
            updated_at=self.updated_at or other.updated_at,
        )


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """A document's identity: putting the same key again updates the same document."""

    collection: str
    source: str
    external_id: str

    @property
    def document_id(self) -> str:
        """UUIDv5 of the three parts, which are joined by a character none of them may contain."""
        return str(
            uuid.uuid5(DOCUMENT_NAMESPACE, f"{self.collection}\x1f{self.source}\x1f{self.external_id}")
        )


class DocumentStatus(StrEnum):
    """Where a document stands. `processing` covers queued and running."""

    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    CANCELED = "canceled"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class Document:
    """A document as the catalog knows it.

    Search sees `active_version`, or nothing while that is None; `desired_version` is what was uploaded last. `created_at`
    and `updated_at` are the catalog's; the document's own, where it has them, are among its fields. A container holds
    documents instead of units; `container_id` is the one that last delivered this document.
    """

    id: str
    key: DocumentKey
    fields: DocumentFields
    status: DocumentStatus
    desired_version: int
    active_version: int | None
    units: int
    media_type: str
    filename: str
    size_bytes: int
    blob: str
    split: Split
    error: str | None
    report: "IngestReport | None"
    created_at: datetime
    updated_at: datetime
    container: bool = False
    container_id: str | None = None


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a person should know of how a file was read.

    `macros_dropped` counts, by name, what a page's author embedded and a reader of text cannot be shown. Of a container:
    `documents` were taken out of it, `documents_skipped` counts what is not for searching by why, `documents_failed` gives
    the reason for each that could not be taken out (`documents_failed_count` in all), and `documents_vanished` are external ids that an earlier container of
    the same name held; both name the first `LISTED_DOCUMENTS` only.
    """

    reader: str = ""
    encoding: str | None = None
    encoding_confidence: float | None = None
    pages: int | None = None
    pages_empty: tuple[int, ...] = ()
    pages_garbled: tuple[int, ...] = ()
    pages_need_ocr: tuple[int, ...] = ()
    units_cut: int = 0
    units_merged: int = 0
    characters_read: int = 0
    characters_indexed: int = 0
    macros_dropped: dict[str, int] = field(default_factory=dict)
    documents: int | None = None
    documents_skipped: dict[str, int] = field(default_factory=dict)
    documents_failed: dict[str, str] = field(default_factory=dict)
    documents_failed_count: int = 0
    documents_vanished: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def terminal(self) -> bool:
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobKind(StrEnum):
    """`ingest` brings a version in; `sweep` makes the index equal to the catalog for one document."""

    INGEST = "ingest"
    UPDATE = "update"
    DELETE = "delete"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Job:
    """A durable piece of work. `fence` grows by one at every claim; only its holder may finish the job.

    `parent_id` is the job of the container that the job's document was taken out of. `done` of `total` are units, or of
    a container's job documents.
    """

    id: str
    kind: JobKind
    document_id: str
    version: int
    state: JobState
    stage: str
    done: int
    total: int
    attempts: int
    max_attempts: int
    fence: int
    lease_owner: str | None
    cancel_requested: bool
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    run_at: datetime
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A line of a job's story, `seq` counting from 1 within the job."""

    job_id: str
    seq: int
    at: datetime
    state: JobState
    stage: str
    done: int
    total: int
    message: str


@dataclass(frozen=True, slots=True)
class Generation:
    """Which model and recipe the points of an index were made by; `name` is the Qdrant collection's.

    `fingerprint` covers all that decides what a vector means; `model` is its name for people.
    """

    fingerprint: str
    model: str
    dim: int
    name: str

    @classmethod
    def of(cls, fingerprint: str, model: str, dim: int) -> "Generation":
        """A generation under its usual name."""
        return cls(fingerprint, model, dim, f"docradar-{fingerprint[:12]}")


ScoreName = Literal["cosine", "keyword", "fusion", "rerank"]
SCORE_NAMES: tuple[ScoreName, ...] = get_args(ScoreName)


@dataclass(frozen=True, slots=True)
class Hit:
    """A unit that a search has found, hydrated from the catalog.

    `score` is what it was ranked by, `scores` are all that are known. `strong` says that its cosine passes the model's
    threshold; None where its cosine is not known.
    """

    unit: Unit
    document: Document
    score: float
    strong: bool | None
    scores: Mapping[ScoreName, float]


def sha256_text(text: str) -> str:
    """Hex SHA-256 of the UTF-8 form."""
    return hashlib.sha256(text.encode()).hexdigest()
