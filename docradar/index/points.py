"""What goes into the index and what comes out of it, free of Qdrant's types."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from docradar.documents import Generation, Meta
from docradar.keywords import SparseVector


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
    """A unit id and the score of the search that found it: cosine or BM25."""

    id: str
    score: float


class Candidate(NamedTuple):
    """What a hybrid search found: its scores, and its places (from 1) among the nearest and among the keyword hits.

    `cosine` is always known; `keyword` is None, as is a place, where that search did not find it.
    """

    id: str
    cosine: float
    keyword: float | None
    cosine_rank: int | None
    keyword_rank: int | None


def candidates(
    dense: Sequence[ScoredId], by_keyword: Sequence[ScoredId], rescored: Sequence[ScoredId]
) -> list[Candidate]:
    """Every unit whose cosine is known: the nearest, then those that the words alone have found.

    `rescored` are the first of `by_keyword` with their cosines.
    """
    cosines = dict(rescored) | dict(dense)
    keyword_scores = dict(by_keyword)
    cosine_ranks = {found.id: rank for rank, found in enumerate(dense, 1)}
    keyword_ranks = {found.id: rank for rank, found in enumerate(by_keyword, 1)}
    return [
        Candidate(
            unit_id,
            cosine,
            keyword_scores.get(unit_id),
            cosine_ranks.get(unit_id),
            keyword_ranks.get(unit_id),
        )
        for unit_id, cosine in cosines.items()
    ]


class FacetCount(NamedTuple):
    """How many points have `value`."""

    value: str | int | bool
    points: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """`indexed_vectors` are those an HNSW graph covers, dense and sparse together; the others are searched exactly."""

    generation: Generation
    points: int
    segments: int
    indexed_vectors: int
    indexed_fields: tuple[str, ...]
