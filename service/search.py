"""Search: a question in, sentences out."""

import logging
import unicodedata
from typing import Final

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from docradar.errors import InvalidRequestError
from docradar.filters import parse_filter, with_collection
from docradar.searching import SearchQuery, search
from docradar.settings import Settings
from service.fields import checked_collection
from service.problems import problem_spec, problem_specs
from service.runtime import Runtime
from service.schemas import ResultOut, SearchRequest, SearchResponse, TookMs

logger = logging.getLogger(__name__)

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Control and format characters, and space: a query of these alone means nothing."""


class SearchController(Controller):
    """One handler under two paths; the short one is for the shortest client."""

    path = "/"
    tags = ("search",)

    @post(
        ["/v1/search", "/search"],
        status_code=200,
        responses=problem_specs(413)
        | {
            400: problem_spec("The query is empty or too long, or the filter cannot be used."),
            503: problem_spec(
                "The model is loading, or too many queries wait; `Retry-After` says when to come back."
            ),
        },
    )
    async def search(
        self, runtime: NamedDependency[Runtime], data: JSONBody[SearchRequest]
    ) -> SearchResponse:
        """Ranks sentences by cosine similarity to the query, among those that pass the filter."""
        query = search_query(data, runtime.settings)
        outcome = await search(runtime.engine.require(), runtime.catalog, query)
        return SearchResponse(
            results=[ResultOut.of(hit) for hit in outcome.hits],
            took_ms=TookMs(
                round(outcome.embed_ms, 2), round(outcome.retrieve_ms, 2), round(outcome.total_ms, 2)
            ),
            model=outcome.model,
            mode="semantic",
        )


def search_query(request: SearchRequest, settings: Settings) -> SearchQuery:
    """The checked query.

    Raises:
        InvalidRequestError: Naming the field, its limit and the value sent.
    """
    text = request.query.strip()
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
    if request.limit > settings.max_search_limit:
        raise InvalidRequestError(
            f"limit is {request.limit:,}; it may be up to {settings.max_search_limit:,}"
        )
    expression = parse_filter(request.filter) if request.filter else None
    if request.collection is not None:
        expression = with_collection(expression, checked_collection(request.collection))
    return SearchQuery(text, request.limit, expression, request.min_score, request.instruction)
