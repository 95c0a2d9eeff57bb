"""What goes into the catalog's calls and comes out of them, beside the domain's own types."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from docradar.documents import Document, DocumentFields, DocumentStatus, Job, JobState, Kind, Split, Unit
from docradar.filters import FieldType
from docradar.settings import Settings


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How patient the queue is."""

    lease_seconds: float = 15.0
    backoff_seconds: float = 2.0
    max_backoff_seconds: float = 300.0
    max_attempts: int = 3

    @classmethod
    def from_settings(cls, settings: Settings) -> "QueueOptions":
        return cls(
            lease_seconds=settings.lease_seconds,
            backoff_seconds=settings.retry_backoff_seconds,
            max_attempts=settings.job_attempts,
        )


@dataclass(frozen=True, slots=True)
class Content:
    """What a version is read from. Two equal contents give equal units; `blob` is a hex SHA-256."""

    blob: str
    size_bytes: int
    media_type: str
    filename: str
    split: Split = Split.AUTO


@dataclass(frozen=True, slots=True)
class DocumentChanges:
    """New values of some of `DocumentFields`' fields, by name; the others stay."""

    values: Mapping[str, Any]

    def apply(self, fields: DocumentFields) -> DocumentFields:
        return replace(fields, **self.values)


class PutResult(StrEnum):
    """What a put did. `relabelled`: the same content with other fields, so nothing is read or embedded again."""

    CREATED = "created"
    UPDATED = "updated"
    RELABELLED = "relabelled"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class PutOutcome:
    """`job` is the work this put made; for an unchanged document, its latest job."""

    document: Document
    job: Job
    outcome: PutResult


@dataclass(frozen=True, slots=True)
class Collection:
    """What is declared of a collection, and what it holds: documents not deleted, and the units that search sees of them.

    `fields` are by key of the metadata, `instruction` is for the questions asked of it. `sources` is sorted.
    """

    name: str
    documents: int = 0
    units: int = 0
    sources: tuple[str, ...] = ()
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """From which cosine on a model's hits count as strong, as measured; `report` is JSON, of whoever measured."""

    fingerprint: str
    strong_score: float
    report: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class HydratedUnit:
    """A unit of the active version of a document that is not deleted."""

    unit: Unit
    document: Document


class UnitRange(NamedTuple):
    """Units of a document's version by their ordinals, `last` among them."""

    document_id: str
    version: int
    first: int
    last: int


class UnitPlace(NamedTuple):
    """The part of a unit's payload that may change while its id stays."""

    page: int | None
    heading_path: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class SweepState:
    """What the index may hold of a document: `keep` of all, `active` of what search sees.

    `moved` are those kept whose points may still say where they stood in another version.
    `document` is None where it is deleted, or gone from the catalog altogether; all sets are empty then.
    """

    document: Document | None
    keep: frozenset[str] = frozenset()
    active: frozenset[str] = frozenset()
    moved: Mapping[UnitPlace, AbstractSet[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lease:
    """The answer to a heartbeat."""

    owned: bool
    cancel_requested: bool


@dataclass(frozen=True, slots=True)
class CatalogCounts:
    """Documents by status, and jobs that are queued or running, sweeps included."""

    documents: Mapping[DocumentStatus, int]
    jobs: Mapping[JobState, int]
