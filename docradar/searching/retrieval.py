"""Candidates from the index → hits that the catalog knows."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from docradar.catalog import Catalog, HydratedUnit
from docradar.documents import Hit
from docradar.embedding.protocol import Vectors
from docradar.engine import ReadyEngine
from docradar.filters import FilterExpression, without_documents
from docradar.keywords import query_keywords
from docradar.searching.fusion import FUSION_DEPTH, Ranked, fuse, keyword_share, known_scores
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
        self._keywords = query_keywords(query.text if self._wants_words else "")
        self._timings = timings

    @property
    def _wants_words(self) -> bool:
        """In a semantic search the words do not rank, but a minimum, or what counts as strong, may ask for them."""
        semantic = self._query.mode is Mode.SEMANTIC
        return not semantic or self._engine.keyword_bonus > 0 or "keyword" in self._query.min_scores

    async def hits(self, wanted: int, *, without: Sequence[str] = ()) -> Retrieved:
        """At least `wanted` hits outside the documents `without`, where there are as many among the best
        `MAX_CANDIDATES`."""
        limit = wanted + EXTRA_CANDIDATES
        if self._keywords and self._vector is not None:
            # So that how deep the words were looked up does not follow `wanted`.
            limit = max(limit, FUSION_DEPTH)
        narrowed = without_documents(self._query.filter, without)
        while True:
            with self._timings.of("retrieve"):
                ranked = await self._ranked(narrowed, limit)
                passing = [one for one in ranked if passes(one.scores, self._query.min_scores)]
            with self._timings.of("hydrate"):
                hits, left = await self._hydrated(passing, wanted)
            # What a minimum has dropped is followed by what it would drop, too.
            no_more = len(ranked) < limit or len(passing) < len(ranked) or limit >= MAX_CANDIDATES
            if len(hits) >= wanted or no_more:
                return Retrieved(hits, complete=no_more and not left)
            # What is coming in can be most of what is near: a second filtered search is cheaper than a long list.
            coming_in = await asyncio.to_thread(self._catalog.documents_coming_in)
            narrowed = without_documents(self._query.filter, [*without, *coming_in])
            limit = min(limit * CANDIDATES_GROWTH, MAX_CANDIDATES)

    async def _ranked(self, narrowed: FilterExpression | None, limit: int) -> list[Ranked]:
        index, vector, words = self._engine.index, self._vector, self._keywords
        if vector is None:
            least = _threshold(self._query.min_scores.get("keyword"))
            found = await index.search_keywords(words, filter=narrowed, limit=limit, score_threshold=least)
            return [Ranked(unit_id, score, {"keyword": score}) for unit_id, score in found]
        least = _threshold(self._query.min_scores.get("cosine"))
        if self._query.mode is Mode.HYBRID:
            candidates = await index.search_hybrid(
                vector, words, filter=narrowed, limit=limit, score_threshold=least
            )
            return fuse(candidates, self._query.text, self._query.fusion)
        nearest = await index.search_scored(
            vector, words, filter=narrowed, limit=limit, score_threshold=least
        )
        return [Ranked(one.id, one.cosine, known_scores(one)) for one in nearest]

    async def _hydrated(self, ranked: list[Ranked], wanted: int) -> tuple[list[Hit], int]:
        """The first hits in the order of `ranked`, without those that no active version holds, until there are enough; and
        how many were left alone then."""
        hits: list[Hit] = []
        slice_size = wanted
        while len(hits) < wanted and ranked:
            slice_size = min(slice_size, MAX_HYDRATED_AT_ONCE)
            front, ranked = ranked[:slice_size], ranked[slice_size:]
            found = await asyncio.to_thread(self._catalog.hydrate, [one.id for one in front])
            hits.extend(self._hit(one, found[one.id]) for one in front if one.id in found)
            slice_size *= 2
        return hits, len(ranked)

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


def _threshold(least: float | None) -> float | None:
    return None if least is None else least - THRESHOLD_MARGIN * max(1.0, abs(least))


def passes(scores: Scores, least: Scores) -> bool:
    """Whether each score is at least what is asked of it. An unknown one is too low, but for the reranker's before it ran."""
    return all(name == "rerank" or scores.get(name, -math.inf) >= value for name, value in least.items())
