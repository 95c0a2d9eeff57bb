"""The path of a search, from the query to what is shown."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, Protocol

from docradar.catalog import Catalog, UnitRange
from docradar.documents import Hit
from docradar.embedding.protocol import Vectors
from docradar.engine import ReadyEngine
from docradar.errors import NotFoundError
from docradar.faceting import FacetCounts, count_facets
from docradar.searching.arranging import distinct, group, highlighted, merged
from docradar.searching.query import GroupBy, Mode, Neighbours, SearchQuery
from docradar.searching.results import Group, Result, SearchOutcome, Timings
from docradar.searching.retrieval import Retriever

FOLD_MARGIN: Final = 10
"""Hits beyond the limit that are looked at, so that a few that say the same as others cost no second round."""
ARRANGED_HITS_A_RESULT: Final = 4
DEPTH_GROWTH: Final = 4
MAX_ARRANGED_HITS: Final = 1_000
FACET_VALUES: Final = 20


class Reranking(Protocol):
    """What puts texts in an order by reading each together with the query."""

    async def rerank(
        self, query: str, texts: Sequence[str], instruction: str | None = None
    ) -> list[float]: ...


async def search(
    engine: ReadyEngine, catalog: Catalog, reranking: Reranking, query: SearchQuery
) -> SearchOutcome:
    """Ranks units for a query; what the catalog does not hold active is no result."""
    [outcome] = await search_batch(engine, catalog, reranking, [query])
    return outcome


async def search_batch(
    engine: ReadyEngine, catalog: Catalog, reranking: Reranking, queries: Sequence[SearchQuery]
) -> list[SearchOutcome]:
    """The outcome of each query. They are embedded together, and asked of the index together."""
    timings = [Timings() for _ in queries]
    embedded = [place for place, query in enumerate(queries) if query.mode is not Mode.KEYWORD]
    vectors: list[Vectors | None] = [None] * len(queries)
    asked = [(queries[place].text, queries[place].instruction) for place in embedded]
    for place, vector in zip(embedded, await engine.scheduler.embed_queries(asked), strict=True):
        vectors[place] = vector
        timings[place].embed = timings[place].elapsed
    try:
        # One that fails ends the others, too.
        async with asyncio.TaskGroup() as running:
            tasks = [
                running.create_task(_Search(engine, catalog, reranking, query, vector, timing).run())
                for query, vector, timing in zip(queries, vectors, timings, strict=True)
            ]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def search_similar(
    engine: ReadyEngine, catalog: Catalog, reranking: Reranking, unit_id: str, query: SearchQuery
) -> SearchOutcome:
    """Ranks units by their cosine to another one, which is no result itself.

    Raises:
        NotFoundError: Search sees no such unit.
    """
    timings = Timings()
    found = await asyncio.to_thread(catalog.hydrate, [unit_id])
    vectors = await engine.index.vectors([unit_id]) if found else {}
    if unit_id not in vectors:
        raise NotFoundError(f"there is no unit {unit_id}; take a unit_id from the results of a search")
    looked_for = _Search(engine, catalog, reranking, query, vectors[unit_id], timings, without=unit_id)
    return await looked_for.run()


class _Search:
    """One query on its way."""

    def __init__(
        self,
        engine: ReadyEngine,
        catalog: Catalog,
        reranking: Reranking,
        query: SearchQuery,
        vector: Vectors | None,
        timings: Timings,
        *,
        without: str | None = None,
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._reranking = reranking
        self._query = query
        self._retriever = Retriever(engine, catalog, query, vector, timings)
        self._timings = timings
        self._without = without

    async def run(self) -> SearchOutcome:
        results, groups = await self._arranged()
        shown = [result for one in groups for result in one.results] if groups else results
        shown = await self._completed(shown)
        if groups:
            rest = iter(shown)
            groups = [replace(one, results=tuple(islice(rest, len(one.results)))) for one in groups]
        return SearchOutcome(
            results=[one.results[0] for one in groups] if groups else shown,
            groups=groups,
            facets=await self._facets(),
            answered=_answered(shown),
            strong_score=self._engine.strong_score,
            keyword_bonus=self._engine.keyword_bonus,
            model=self._engine.profile.id,
            timings=self._timings.end(),
        )

    async def _arranged(self) -> tuple[list[Result], list[Group]]:
        """As many results, or groups of them, as are wanted, where there are as many among `MAX_ARRANGED_HITS`."""
        query, wanted = self._query, _first_depth(self._query)
        hits: dict[str, Hit] = {}
        full: list[str] = []
        while True:
            retrieved = await self._retriever.hits(wanted + (self._without is not None), without=full)
            hits |= {hit.unit.id: hit for hit in retrieved.hits if hit.unit.id != self._without}
            # Folding compares texts with each other, which for a long list is no work for the event loop.
            results = await asyncio.to_thread(distinct, list(hits.values()), query)
            complete = retrieved.complete or len(hits) >= MAX_ARRANGED_HITS
            if query.rerank_candidates:
                if complete or len(results) >= query.rerank_candidates:
                    return self._shown(await self._reranked(results[: query.rerank_candidates]))
            else:
                shown, groups = self._shown(results)
                if complete or len(groups if query.group_by else shown) >= query.limit:
                    return shown, groups
                if query.group_by is GroupBy.DOCUMENT:
                    # More of what a full group has would only stand before what is still wanted.
                    full = [one.document.id for one in groups if len(one.results) == query.group_size]
            wanted = min(wanted * DEPTH_GROWTH, MAX_ARRANGED_HITS)

    def _shown(self, results: list[Result]) -> tuple[list[Result], list[Group]]:
        query = self._query
        if query.merge:
            results = merged(results)
        groups = group(results, query.group_by, query.group_size) if query.group_by else []
        return results[: query.limit], groups[: query.limit]

    async def _reranked(self, results: list[Result]) -> list[Result]:
        """The same results in the reranker's order, as far as they pass."""
        query = self._query
        with self._timings.of("rerank"):
            texts = [_with_headings(result.hit) for result in results]
            scores = await self._reranking.rerank(query.text, texts, query.instruction)
        least = query.min_scores.get("rerank", -math.inf)
        reranked = [
            replace(result, hit=_reranked(result.hit, score))
            for result, score in zip(results, scores, strict=True)
            if score >= least
        ]
        return sorted(reranked, key=lambda result: -result.hit.score)

    async def _completed(self, results: list[Result]) -> list[Result]:
        """The results with their neighbours and highlights."""
        query = self._query
        if query.neighbours and results:
            with self._timings.of("hydrate"):
                results = await asyncio.to_thread(self._with_neighbours, results)
        if query.highlight and query.text:
            results = await asyncio.to_thread(highlighted, results, query.text)
        return results

    def _with_neighbours(self, results: list[Result]) -> list[Result]:
        wanted = self._query.neighbours
        ranges = [_range_about(result, wanted) for result in results]
        found = self._catalog.units_in(ranges)
        return [
            replace(
                result,
                before=tuple(unit for unit in units if unit.ordinal < result.units[0].ordinal),
                after=tuple(unit for unit in units if unit.ordinal > result.units[-1].ordinal),
            )
            for result, units in zip(results, found, strict=True)
        ]

    async def _facets(self) -> list[FacetCounts]:
        query = self._query
        if not query.facets:
            return []
        with self._timings.of("retrieve"):
            return await count_facets(self._engine, self._catalog, query.facets, query.filter, FACET_VALUES)


def _first_depth(query: SearchQuery) -> int:
    """How many hits are looked at first."""
    if query.rerank_candidates:
        depth = query.rerank_candidates + FOLD_MARGIN * query.fold
    elif query.group_by:
        depth = query.limit * query.group_size * ARRANGED_HITS_A_RESULT
    elif query.merge:
        depth = query.limit * ARRANGED_HITS_A_RESULT
    else:
        depth = query.limit + FOLD_MARGIN * query.fold
    return min(depth, MAX_ARRANGED_HITS)


def _reranked(hit: Hit, score: float) -> Hit:
    return replace(hit, score=score, scores={**hit.scores, "rerank": score})


def _with_headings(hit: Hit) -> str:
    """What the reranker reads: a sentence says little without the headings that it stands under."""
    title, headings = hit.document.fields.title, hit.unit.heading_path
    path = headings if title in headings else (title, *headings)
    return "\n".join(filter(None, (" > ".join(filter(None, path)), hit.unit.text)))


def _range_about(result: Result, wanted: Neighbours) -> UnitRange:
    return UnitRange(
        result.hit.document.id,
        result.hit.document.active_version or 0,
        result.units[0].ordinal - wanted.before,
        result.units[-1].ordinal + wanted.after,
    )


def _answered(results: Sequence[Result]) -> bool | None:
    """Whether something strong was found; None where that cannot be told of what was found."""
    strengths = [result.strong for result in results]
    return True if True in strengths else None if None in strengths else False
