"""A question → the sentences that mean it, from documents that are there.

embed_query → UnitIndex.search → hydrated from the catalog → Hits
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from docradar.catalog import Catalog, HydratedUnit
from docradar.documents import Hit, Provenance
from docradar.embedding.protocol import Vectors
from docradar.engine import ReadyEngine
from docradar.filters import FilterExpression, without_documents
from docradar.index.points import ScoredId

# The index holds points of versions that are coming in, or were replaced a moment ago. Asking for more than wanted costs
# nearly nothing there, and makes a second round rare.
EXTRA_CANDIDATES: Final = 64
CANDIDATES_GROWTH: Final = 8
MAX_CANDIDATES: Final = 10_000
MAX_HYDRATED_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What is looked for. `min_score` cuts by cosine."""

    text: str
    limit: int
    filter: FilterExpression | None = None
    min_score: float | None = None
    instruction: str | None = None


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """Hits, best first, and where the time went. `embed_ms` includes waiting for the model."""

    hits: list[Hit]
    model: str
    embed_ms: float
    retrieve_ms: float
    total_ms: float


async def search(engine: ReadyEngine, catalog: Catalog, query: SearchQuery) -> SearchOutcome:
    """Ranks units by cosine similarity to the query; what the catalog does not hold active is no result."""
    started = time.perf_counter()
    vector = await engine.scheduler.embed_query(query.text, query.instruction)
    embedded = time.perf_counter()
    hits = await _retrieve(engine, catalog, query, vector)
    ended = time.perf_counter()
    return SearchOutcome(
        hits=hits[: query.limit],
        model=engine.profile.id,
        embed_ms=(embedded - started) * 1e3,
        retrieve_ms=(ended - embedded) * 1e3,
        total_ms=(ended - started) * 1e3,
    )


async def _retrieve(engine: ReadyEngine, catalog: Catalog, query: SearchQuery, vector: Vectors) -> list[Hit]:
    """At least `query.limit` hits, where there are as many among the nearest `MAX_CANDIDATES`."""
    candidates = query.limit + EXTRA_CANDIDATES
    narrowed = query.filter
    while True:
        scored = await engine.index.search(
            vector, filter=narrowed, limit=candidates, score_threshold=query.min_score
        )
        hits = await _hydrate(engine, catalog, scored, query.limit)
        if len(hits) >= query.limit or len(scored) < candidates or candidates >= MAX_CANDIDATES:
            return hits
        # What is coming in can be most of what is near: a second filtered search is cheaper than a long list.
        narrowed = without_documents(query.filter, await asyncio.to_thread(catalog.documents_coming_in))
        candidates = min(candidates * CANDIDATES_GROWTH, MAX_CANDIDATES)


async def _hydrate(engine: ReadyEngine, catalog: Catalog, scored: list[ScoredId], wanted: int) -> list[Hit]:
    """The first hits in the order of `scored`, without those that no active version holds, until there are enough."""
    hits: list[Hit] = []
    slice_size = wanted
    while len(hits) < wanted and scored:
        slice_size = min(slice_size, MAX_HYDRATED_AT_ONCE)
        front, scored = scored[:slice_size], scored[slice_size:]
        found = await asyncio.to_thread(catalog.hydrate, [candidate.id for candidate in front])
        hits.extend(_hits(engine, front, found))
        slice_size *= 2
    return hits


def _hits(engine: ReadyEngine, scored: list[ScoredId], found: dict[str, HydratedUnit]) -> list[Hit]:
    return [
        Hit(
            unit_id=candidate.id,
            text=hydrated.unit.text,
            score=candidate.score,
            strong=candidate.score >= engine.strong_score,
            scores={"cosine": candidate.score},
            document=hydrated.document,
            provenance=Provenance(
                page=hydrated.unit.page,
                heading_path=hydrated.unit.heading_path,
                char_start=hydrated.unit.span.start,
                char_end=hydrated.unit.span.end,
                ordinal=hydrated.unit.ordinal,
                kind=hydrated.unit.kind,
            ),
        )
        for candidate in scored
        if (hydrated := found.get(candidate.id))
    ]
