"""Facets: which values there are, and how often."""

import asyncio
from typing import Annotated, Final

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter

from docradar.errors import InvalidFilterError, InvalidRequestError
from docradar.faceting import count_facets
from docradar.filters import Fields, FilterExpression, check_countable, parse_filter, with_collection
from service.fields import checked_collection
from service.pages import Limit
from service.problems import problem_specs
from service.runtime import Runtime
from service.schemas import FacetList, FacetOut

MAX_FACETS: Final = 10


class FacetController(Controller):
    """What a page shows beside its results, to narrow them."""

    path = "/v1/facets"
    tags = ("search",)

    @get(responses=problem_specs(400, 503))
    async def get_facets(
        self,
        runtime: NamedDependency[Runtime],
        fields: Annotated[list[str], QueryParameter(name="field", description="Field to count; may repeat.")],
        collection: FromQuery[str | None] = None,
        filter_text: Annotated[
            str | None, QueryParameter(name="filter", description="A filter as searches take it, as JSON.")
        ] = None,
        limit: Limit = 10,
    ) -> FacetList:
        """The most frequent values of each field, and how many sentences have them, among those that pass the filter."""
        wanted = tuple(dict.fromkeys(fields))
        if len(wanted) > MAX_FACETS:
            raise InvalidRequestError(
                f"{len(wanted)} fields are asked for; ask for up to {MAX_FACETS} at once"
            )
        name = None if collection is None else checked_collection(collection)
        declared = await asyncio.to_thread(runtime.catalog.filter_fields, name)
        for field in wanted:
            check_countable(field, declared)
        expression = _expression(filter_text, declared, name)
        counts = await count_facets(runtime.engine.require(), runtime.catalog, wanted, expression, limit)
        return FacetList([FacetOut.of(one) for one in counts])


def _expression(filter_text: str | None, declared: Fields, collection: str | None) -> FilterExpression | None:
    expression = None
    if filter_text:
        try:
            expression = parse_filter(msgspec.json.decode(filter_text), declared)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
            raise InvalidFilterError(
                f'filter is not JSON; send an object such as {{"source": "faq"}}, encoded for the URL: {error}'
            ) from error
    return expression if collection is None else with_collection(expression, collection)
