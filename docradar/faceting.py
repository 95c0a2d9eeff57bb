"""Facets: how many units have which value of a field."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from docradar.catalog import Catalog
from docradar.engine import ReadyEngine
from docradar.filters import FilterExpression, check_countable, without_documents
from docradar.index import FacetCount


@dataclass(frozen=True, slots=True)
class FacetCounts:
    """The most frequent values of a field, and how many units have each."""

    field: str
    values: tuple[FacetCount, ...]


async def count_facets(
    engine: ReadyEngine,
    catalog: Catalog,
    fields: Sequence[str],
    filter: FilterExpression | None,  # noqa: A002  (the field's word)
    limit: int,
) -> list[FacetCounts]:
    """The `limit` most frequent values of each field, in the order of `fields`, among the units that pass the filter.

    Documents whose first version is coming in do not count. A replaced version counts until its sweep, moments later.

    Raises:
        InvalidFilterError: A field is not declared in any collection, or its values cannot be counted.
    """
    declared, coming_in = await asyncio.to_thread(
        lambda: (catalog.filter_fields(), catalog.documents_coming_in())
    )
    for field in fields:
        check_countable(field, declared)
    narrowed = without_documents(filter, coming_in)
    counts = await asyncio.gather(
        *(engine.index.facet(field, narrowed, limit, fields=declared) for field in fields)
    )
    return [FacetCounts(field, tuple(values)) for field, values in zip(fields, counts, strict=True)]
