"""What goes into the index and what comes out of it, free of Qdrant's types."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docradar.documents import Generation, Meta
from docradar.keywords import SparseVector

FusionMethod = Literal["rrf", "dbsf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentPayload:
    """Payload that all points of a document share. Datetimes are aware.

    `created_at` and `updated_at` are the document's own; `stored_at` is when the catalog last changed it.
    """

    collection: str
    source: str
    document_id: str
    external_id: str
    title: str
    media_type: str
    created_at: datetime
    updated_at: datetime
    stored_at: datetime
    language: str | None = None
    author: str | None = None
    url: str | None = None
    tags: tuple[str, ...] = ()
    meta: Meta = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitPayload:
    """Payload of one point. `kind` is a `Kind`; `page` counts from 1; `heading_path` is outermost first."""

    document: DocumentPayload
    text: str
    kind: str
    page: int | None = None
    heading_path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitPoint:
    """A unit as it is stored: `id` a UUID, `vector` float32 (dim,)."""

    id: str
    vector: NDArray[np.float32]
    keywords: SparseVector
    payload: UnitPayload


class ScoredId(NamedTuple):
    """A unit id and the score of the search that found it: cosine, BM25 or fused."""

    id: str
    score: float


class FacetCount(NamedTuple):
    """How many points have `value`."""

    value: str | int
    points: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """`indexed_vectors` are those an HNSW graph covers, dense and sparse together; the others are searched exactly."""

    generation: Generation
    points: int
    segments: int
    indexed_vectors: int
    indexed_fields: tuple[str, ...]
