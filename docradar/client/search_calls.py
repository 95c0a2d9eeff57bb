"""Questions of every kind."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

import msgspec

from docradar.client.exchange import Exchange, Flow, Request, path_of
from docradar.client.options import Query, SearchOptions, SimilarOptions, given
from docradar.client.results import BatchResponse, Facet, FacetList, RerankResponse, SearchResponse


class SearchCalls(Exchange):
    """Searching changes nothing, so every call may be repeated."""

    def search(self, query: str, **options: Unpack[SearchOptions]) -> Flow[SearchResponse]:
        """The sentences that mean the query, best first.

        Options: `limit`, `mode` ("semantic", "keyword" or "hybrid"), `filter`, `collection`, `min_score`, `rerank`, `group_by`
        ("document" or "section"), `group_size`, `context` ({"before": 1, "after": 1}), `merge`, `fold`, `facets`, `highlight`,
        `fusion`, `instruction`.
        """
        return self._ask(_post("search", {"query": query} | given(options)), SearchResponse)

    def search_batch(self, searches: Iterable[str | Query]) -> Flow[list[SearchResponse]]:
        """An answer to each search, in their order; they share one turn of the model."""
        queries = [{"query": search} if isinstance(search, str) else given(search) for search in searches]
        batch = yield from self._ask(_post("search", "batch", {"searches": queries}), BatchResponse)
        return batch.responses

    def similar(self, unit_id: str, **options: Unpack[SimilarOptions]) -> Flow[SearchResponse]:
        """The sentences that mean what this one does, itself left out.

        Options: `limit`, `filter`, `collection`, `min_score`, `group_by`, `group_size`, `context`, `merge`, `fold`, `facets`.
        """
        return self._ask(_post("units", unit_id, "similar", given(options)), SearchResponse)

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        return_documents: bool | None = None,
        instruction: str | None = None,
        model: str | None = None,
    ) -> Flow[RerankResponse]:
        """The documents' places in the order of how relevant each is to the query."""
        options = {
            "top_n": top_n,
            "return_documents": return_documents,
            "instruction": instruction,
            "model": model,
        }
        body = {"query": query, "documents": list(documents)} | given(options)
        return self._ask(_post("rerank", body), RerankResponse)

    def facets(
        self,
        fields: str | Sequence[str],
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002  the API's word
        collection: str | None = None,
        limit: int | None = None,
    ) -> Flow[list[Facet]]:
        """How many sentences have which value of each field, over all that the filter leaves."""
        params = {
            "field": [fields] if isinstance(fields, str) else list(fields),
            "filter": None if filter is None else msgspec.json.encode(filter).decode(),
            "collection": collection,
            "limit": limit,
        }
        return (yield from self._ask(Request("GET", path_of("facets"), params), FacetList)).facets


def _post(*parts: Any) -> Request:
    *path, body = parts
    return Request("POST", path_of(*path), json=body, repeatable=True)
