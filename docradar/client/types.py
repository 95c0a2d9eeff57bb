"""What a service answers, apart from searches (`docradar.client.results`).

A field that a newer service adds is ignored; one that an older service lacks has a default. What is one of a few words, such as
`state`, is a plain `str` all the same: a newer service may know more of them. The words are in `docradar.documents`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec import Struct, field

T_co = TypeVar("T_co", covariant=True)

MetaValue = str | int | float | bool | list[str]


class Report(Struct, kw_only=True, frozen=True):
    """How the file was read.

    Of a container: how many `documents` were taken out of it, and what was left out (`documents_skipped`, counted by
    reason) or could not be read (`documents_failed`, the first of them, by name).
    """

    reader: str = ""
    encoding: str | None = None
    encoding_confidence: float | None = None
    pages: int | None = None
    pages_empty: list[int] = []
    pages_garbled: list[int] = []
    pages_need_ocr: list[int] = []
    units_cut: int = 0
    units_merged: int = 0
    characters_read: int = 0
    characters_indexed: int = 0
    macros_dropped: dict[str, int] = {}
    documents: int | None = None
    documents_skipped: dict[str, int] = {}
    documents_failed: dict[str, str] = {}
    documents_failed_count: int = 0
    documents_vanished: list[str] = []
    warnings: list[str] = []


class Document(Struct, kw_only=True, frozen=True):
    """A document. `units` are those that search sees; `version` is what was uploaded last.

    `created_at` and `updated_at` are the document's own where its file says them; `stored_at` is when it was last uploaded
    or changed. A `container`, such as an archive, holds documents instead of units: list them by `container_id`.
    """

    id: str
    collection: str
    source: str
    external_id: str
    title: str
    status: str
    units: int
    error: str | None = None
    author: str | None = None
    url: str | None = None
    language: str | None = None
    tags: list[str] = []
    meta: dict[str, MetaValue] = {}
    media_type: str = ""
    filename: str = ""
    size_bytes: int = 0
    split: str = "auto"
    version: int = 1
    active_version: int | None = None
    container: bool = False
    container_id: str | None = None
    report: Report | None = None
    created_at: datetime
    updated_at: datetime
    stored_at: datetime


class Job(Struct, kw_only=True, frozen=True):
    """A piece of the service's work. `done` of `total` are units, or of a container's job documents.

    `parent_id` is the job of the container that the document was taken out of.
    """

    id: str
    kind: str
    state: str
    stage: str = ""
    done: int = 0
    total: int = 0
    document_id: str
    parent_id: str | None = None
    version: int = 1
    attempts: int = 0
    max_attempts: int = 0
    cancel_requested: bool = False
    error: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Nothing more will happen, unless it is retried."""
        return self.state not in ("queued", "running")

    @property
    def succeeded(self) -> bool:
        return self.state == "succeeded"


class Unit(Struct, kw_only=True, frozen=True):
    """A sentence of a document, with its place: `text(document)[char_start:char_end] == text`, in code points."""

    id: str
    ordinal: int
    kind: str
    text: str
    page: int | None = None
    heading_path: list[str] = []
    char_start: int
    char_end: int


class Collection(Struct, kw_only=True, frozen=True):
    """A collection with what it holds; `fields` are the types of the `meta` keys that filters may name."""

    name: str
    documents: int = 0
    units: int = 0
    sources: list[str] = []
    fields: dict[str, str] = {}
    instruction: str | None = None


class Readiness(Struct, kw_only=True, frozen=True):
    """`status` is ready, loading or failed; `seconds` is how long loading has taken, so far or in all."""

    status: str
    stage: str
    seconds: float
    model: str | None
    error: str | None

    @property
    def ready(self) -> bool:
        """Searches are answered."""
        return self.status == "ready"


class Health(Struct, kw_only=True, frozen=True):
    """The process answers."""

    status: str
    version: str


class Problem(Struct, kw_only=True, frozen=True):
    """RFC 9457 problem details; `errors` have a `field` and a `message` each."""

    detail: str
    code: str
    request_id: str = ""
    errors: list[dict[str, str]] = []


class Uploaded(Struct, frozen=True):
    """The jobs of an upload."""

    jobs: list[Job]


class Page(Protocol[T_co]):
    """A part of a listing; `next_cursor` asks for the next, and is None at the end."""

    @property
    def entries(self) -> Sequence[T_co]: ...

    @property
    def next_cursor(self) -> str | None: ...


class DocumentPage(Struct, frozen=True):
    entries: list[Document] = field(name="documents")
    next_cursor: str | None = None


class JobPage(Struct, frozen=True):
    entries: list[Job] = field(name="jobs")
    next_cursor: str | None = None


class UnitPage(Struct, frozen=True):
    entries: list[Unit] = field(name="units")
    next_cursor: str | None = None


class CollectionList(Struct, frozen=True):
    collections: list[Collection]
