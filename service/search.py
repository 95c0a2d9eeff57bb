"""Search: a question in, sentences out."""

import asyncio
import unicodedata
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Final

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from docradar.documents import SCORE_NAMES, ScoreName
from docradar.errors import InvalidRequestError
from docradar.filters import FilterExpression, check_countable, parse_filter, with_collection
from docradar.searching import (
    Fusion,
    Mode,
    Neighbours,
    Scores,
    SearchQuery,
    search_batch,
    search_similar,
)
from docradar.settings import Settings
from service.fields import checked_collection
from service.problems import problem_spec, problem_specs
from service.runtime import Runtime
from service.schemas import (
    BatchSearchRequest,
    BatchSearchResponse,
    MinScores,
    Presentation,
    RerankIn,
    SearchRequest,
    SearchResponse,
    SimilarRequest,
)

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Control and format characters, and space: a query of these alone means nothing."""


_RESPONSES: Final = problem_specs(413) | {
    400: problem_spec("The query is empty or too long, or the filter or another field cannot be used."),
    503: problem_spec(
        "The model or the reranker is loading, or too many queries wait; `Retry-After` says when to come back."
    ),
}
MAX_SHOWN: Final = 1_000
MAX_FACETS: Final = 20
_SCORES_OF: Final[Mapping[Mode, frozenset[ScoreName]]] = {
    Mode.SEMANTIC: frozenset({"cosine", "keyword"}),
    Mode.KEYWORD: frozenset({"keyword"}),
    Mode.HYBRID: frozenset({"cosine", "keyword", "fusion"}),
}


class SearchController(Controller):
    """Questions, and units like a given one."""

    path = "/"
    tags = ("search",)

    @post(["/v1/search", "/search"], status_code=200, responses=_RESPONSES)
    async def search(
        self, runtime: NamedDependency[Runtime], data: JSONBody[SearchRequest]
    ) -> SearchResponse:
        """Ranks sentences by what the query means, by its words, or by both, among those that pass the filter."""
        [response] = await _answered(runtime, [await search_query(data, runtime)])
        return response

    @post("/v1/search/batch", status_code=200, responses=_RESPONSES)
    async def search_batch(
        self, runtime: NamedDependency[Runtime], data: JSONBody[BatchSearchRequest]
    ) -> BatchSearchResponse:
        """Several searches at once, which takes less time than one after another. One that cannot be used fails all."""
        queries = [
            await _numbered(place, search_query(request, runtime))
            for place, request in enumerate(data.searches)
        ]
        _refuse_too_much(queries)
        return BatchSearchResponse(await _answered(runtime, queries))

    @post("/v1/units/{unit_id:str}/similar", status_code=200, responses=_RESPONSES | problem_specs(404))
    async def similar(
        self,
        runtime: NamedDependency[Runtime],
        unit_id: FromPath[str],
        data: JSONBody[SimilarRequest],
    ) -> SearchResponse:
        """Ranks sentences by how near their meaning is to that of a unit, which is not among them."""
        query = await _checked(data, runtime, text="", mode=Mode.SEMANTIC)
        outcome = await search_similar(
            runtime.engine.require(), runtime.catalog, runtime.reranking, unit_id, query
        )
        return SearchResponse.of(outcome, Mode.SEMANTIC)


def _refuse_too_much(queries: Sequence[SearchQuery]) -> None:
    shown = sum(query.most_shown for query in queries)
    if shown > MAX_SHOWN:
        raise InvalidRequestError(
            f"the searches ask for {shown:,} results together; a batch shows up to {MAX_SHOWN:,}"
        )
    facets = sum(len(query.facets) for query in queries)
    if facets > MAX_FACETS:
        raise InvalidRequestError(
            f"the searches ask for {facets} facets together; a batch counts up to {MAX_FACETS}"
        )


async def _numbered(place: int, checked: Awaitable[SearchQuery]) -> SearchQuery:
    """The query; an error says which of the batch it is of."""
    try:
        return await checked
    except InvalidRequestError as error:
        raise type(error)(f"searches[{place}]: {error}") from error


async def _answered(runtime: Runtime, queries: Sequence[SearchQuery]) -> list[SearchResponse]:
    outcomes = await search_batch(runtime.engine.require(), runtime.catalog, runtime.reranking, queries)
    return [SearchResponse.of(outcome, query.mode) for outcome, query in zip(outcomes, queries, strict=True)]


async def search_query(request: SearchRequest, runtime: Runtime) -> SearchQuery:
    """The checked query.

    Raises:
        InvalidRequestError: Naming the field, its limit and the value sent.
    """
    weights = request.fusion.weights
    if weights.cosine == 0 == weights.keyword:
        raise InvalidRequestError("fusion.weights are both 0, which ranks nothing; give one of them more")
    instruction = request.instruction
    if instruction is None and request.collection is not None:
        instruction = await asyncio.to_thread(
            runtime.catalog.instruction_of, checked_collection(request.collection)
        )
    return await _checked(
        request,
        runtime,
        text=query_text(request.query, runtime.settings),
        mode=request.mode,
        fusion=Fusion(request.fusion.method, weights.cosine, weights.keyword),
        instruction=instruction,
        rerank_candidates=_rerank_candidates(request.rerank, runtime.settings),
        highlight=request.highlight,
    )


async def _checked(
    request: Presentation, runtime: Runtime, *, text: str, mode: Mode, **asked: Any
) -> SearchQuery:
    """What both kinds of search have in common."""
    if request.limit > runtime.settings.max_search_limit:
        raise InvalidRequestError(
            f"limit is {request.limit:,}; it may be up to {runtime.settings.max_search_limit:,}"
        )
    query = SearchQuery(
        text=text,
        limit=request.limit,
        mode=mode,
        filter=await _narrowing(request, runtime),
        min_scores=_min_scores(request.min_score, mode, reranked=bool(asked.get("rerank_candidates"))),
        neighbours=Neighbours(request.context.before, request.context.after),
        group_by=request.group_by,
        group_size=request.group_size,
        merge=request.merge,
        facets=tuple(dict.fromkeys(request.facets)),
        fold=request.fold,
        **asked,
    )
    if query.most_shown > MAX_SHOWN:
        raise InvalidRequestError(
            f"limit times group_size is {query.most_shown:,}; a search shows up to {MAX_SHOWN:,} results in all"
        )
    return query


async def _narrowing(request: Presentation, runtime: Runtime) -> FilterExpression | None:
    """What the filter and the collection come to; the facets are checked against the same fields."""
    expression = None
    collection = None if request.collection is None else checked_collection(request.collection)
    if request.filter or request.facets:
        fields = await asyncio.to_thread(runtime.catalog.filter_fields, collection)
        for facet in request.facets:
            check_countable(facet, fields)
        if request.filter:
            expression = parse_filter(request.filter, fields)
    return expression if collection is None else with_collection(expression, collection)


def query_text(query: str, settings: Settings) -> str:
    """The query without the space around it.

    Raises:
        InvalidRequestError: It is empty, too long, or no Unicode.
    """
    text = query.strip()
    if all(unicodedata.category(c) in _INVISIBLE for c in text):
        raise InvalidRequestError(
            "query is empty, or holds nothing that can be seen; ask a question in plain words"
        )
    if len(text) > settings.max_query_chars:
        raise InvalidRequestError(
            f"query has {len(text):,} characters; it may have up to {settings.max_query_chars:,}"
        )
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise InvalidRequestError("query holds broken Unicode (a lone surrogate); send valid UTF-8")
    return text


def _min_scores(given: float | MinScores | None, mode: Mode, *, reranked: bool) -> Scores:
    """The least of each score; a bare number is the cosine's."""
    if given is None:
        return {}
    if not isinstance(given, MinScores):
        if mode is Mode.KEYWORD:
            raise InvalidRequestError(
                'min_score is a number, which cuts by cosine, and keyword mode knows none; give {"keyword": …}'
            )
        return {"cosine": given}
    named: dict[ScoreName, float] = {
        name: value for name in SCORE_NAMES if (value := getattr(given, name)) is not None
    }
    known = _SCORES_OF[mode] | ({"rerank"} if reranked else set())
    if unknown := sorted(named.keys() - known):
        raise InvalidRequestError(
            f"min_score names {unknown[0]}, which this search does not know; in {mode} mode"
            f"{' with rerank' if reranked else ''} it may name {', '.join(sorted(known))}"
        )
    return named


def _rerank_candidates(rerank: bool | RerankIn, settings: Settings) -> int:
    if isinstance(rerank, bool):
        return settings.rerank_candidates if rerank else 0
    candidates = rerank.candidates or settings.rerank_candidates
    if candidates > settings.max_search_limit:
        raise InvalidRequestError(
            f"rerank.candidates is {candidates:,}; it may be up to {settings.max_search_limit:,}"
        )
    return candidates
