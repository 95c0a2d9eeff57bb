"""Candidates from the index → hits that the catalog knows."""

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from docradar.catalog import Catalog, HydratedUnit
from docradar.documents import Hit
from docradar.embedding.protocol import Vectors
from docradar.engine import ReadyEngine
from docradar.filters import FilterExpression, without_documents
from docradar.keywords import query_keywords
from docradar.searching.fusion import Ranked, fuse, keyword_share, known_scores
from docradar.searching.query import Mode, Scores, SearchQuery
from docradar.searching.results import Timings

# The index holds points of versions that are coming in, or were replaced a moment ago. Asking for more than wanted costs
# nearly nothing there, and makes a second round rare.
EXTRA_CANDIDATES: Final = 64
CANDIDATES_GROWTH: Final = 8
MAX_CANDIDATES: Final = 10_000
MAX_HYDRATED_AT_ONCE: Final = 1_000
THRESHOLD_MARGIN: Final = 1e-6
"""Qdrant computes in single precision, and leaves out a score that equals the threshold."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Hits, best first; `complete` where the index has no more to give."""

    hits: list[Hit]
    complete: bool


class Retriever:
    """Runs one query, whose vector is float32 (dim,), or None in keyword mode."""

    def __init__(
        self,
        engine: ReadyEngine,
        catalog: Catalog,
        query: SearchQuery,
        vector: Vectors | None,
        timings: Timings,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._query = query
        self._vector = vector
        self._timings = timings

    async def hits(self, wanted: int) -> Retrieved:
        """At least `wanted` hits, where there are as many among the best `MAX_CANDIDATES`."""
        limit = wanted + EXTRA_CANDIDATES
        narrowed = self._query.filter
        while True:
            with self._timings.of("retrieve"):
                ranked = await self._ranked(narrowed, limit)
            with self._timings.of("hydrate"):
                hits, left = await self._hydrated(ranked, wanted)
            no_more = len(ranked) < limit or limit >= MAX_CANDIDATES
            if len(hits) >= wanted or no_more:
                return Retrieved(hits, complete=no_more and not left)
            # What is coming in can be most of what is near: a second filtered search is cheaper than a long list.
            coming_in = await asyncio.to_thread(self._catalog.documents_coming_in)
            narrowed = without_documents(self._query.filter, coming_in)
            limit = min(limit * CANDIDATES_GROWTH, MAX_CANDIDATES)

    async def _ranked(self, narrowed: FilterExpression | None, limit: int) -> list[Ranked]:
        index, query, least = self._engine.index, self._query, self._query.min_scores.get("cosine")
        if least is not None:
            least -= THRESHOLD_MARGIN
        if self._vector is None:
            found = await index.search_keywords(query_keywords(query.text), filter=narrowed, limit=limit)
            return [Ranked(unit_id, score, {"keyword": score}) for unit_id, score in found]
        if query.mode is Mode.SEMANTIC:
            # The words say nothing here of the order, but may say that a hit is strong.
            words = query_keywords(query.text if self._engine.keyword_bonus else "")
            nearest = await index.search_scored(
                self._vector, words, filter=narrowed, limit=limit, score_threshold=least
            )
            return [Ranked(found.id, found.cosine, known_scores(found)) for found in nearest]
        candidates = await index.search_hybrid(
            self._vector, query_keywords(query.text), filter=narrowed, limit=limit, score_threshold=least
        )
        return fuse(candidates, query.text, query.fusion)

    async def _hydrated(self, ranked: list[Ranked], wanted: int) -> tuple[list[Hit], int]:
        """The first hits in the order of `ranked` that pass, without those that no active version holds, until there are
        enough; and how many were left alone then."""
        passing = [one for one in ranked if passes(one.scores, self._query.min_scores)]
        hits: list[Hit] = []
        slice_size = wanted
        while len(hits) < wanted and passing:
            slice_size = min(slice_size, MAX_HYDRATED_AT_ONCE)
            front, passing = passing[:slice_size], passing[slice_size:]
            found = await asyncio.to_thread(self._catalog.hydrate, [one.id for one in front])
            hits.extend(self._hit(one, found[one.id]) for one in front if one.id in found)
            slice_size *= 2
        return hits, len(passing)

    def _hit(self, ranked: Ranked, hydrated: HydratedUnit) -> Hit:
        return Hit(
            unit=hydrated.unit,
            document=hydrated.document,
            score=ranked.score,
            strong=self._strong(ranked.scores),
            scores=ranked.scores,
        )

    def _strong(self, scores: Scores) -> bool | None:
        if "cosine" not in scores:
            return None
        bonus = self._engine.keyword_bonus * keyword_share(scores.get("keyword"))
        return scores["cosine"] + bonus >= self._engine.strong_score


def passes(scores: Scores, least: Scores) -> bool:
    """Whether each score is at least what is asked of it. An unknown one is too low, but for the reranker's before it ran."""
    return all(name == "rerank" or scores.get(name, -math.inf) >= value for name, value in least.items())
