"""Typed fields of metadata in the index: declared after the points were there, filtered, counted, declared otherwise."""

import operator
import warnings
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from index_fixtures import BACKENDS, GENERATION, make_document, make_point, opened_client, opened_index

from docradar.catalog import Catalog
from docradar.embedding.scheduler import EmbeddingScheduler
from docradar.engine import ReadyEngine
from docradar.errors import InvalidFilterError
from docradar.faceting import FacetCounts, count_facets
from docradar.filters import Fields, FieldType, is_of_type, parse_filter
from docradar.index import FacetCount, UnitIndex
from docradar.index.client import PointsClient
from tests.catalogs import claim, ingest, put
from tests.fakes import FakeEmbedder

FIELDS: Fields = {
    "meta.team": FieldType.KEYWORD,
    "meta.priority": FieldType.INTEGER,
    "meta.ratio": FieldType.NUMBER,
    "meta.urgent": FieldType.BOOLEAN,
    "meta.due": FieldType.DATETIME,
    "meta.a-b_1": FieldType.KEYWORD,
    "meta.2026": FieldType.INTEGER,
}
VALUES: dict[str, list[Any]] = {
    "team": ["search", "billing", "支付", "a b", "true", "1"],
    "priority": [-3, 0, 1, 2, 2**53 - 1],
    "ratio": [-0.5, 0, 0.1, 1, 2.5, 1e300],
    "urgent": [True, False],
    "due": ["2026-01-31", "2026-01-31T09:00:00Z", "2026-02-01T00:30:00+01:00", "2026-02-02"],
    "a-b_1": ["x", "y"],
    "2026": [1, 2],
}
CASES = [(key, number, value) for key, values in VALUES.items() for number, value in enumerate(values)]
ORDERINGS: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@pytest.fixture(params=BACKENDS)
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PointsClient]:
    async with opened_client(request.param, tmp_path / "index") as opened:
        yield opened


@pytest.fixture
async def index(client: PointsClient) -> UnitIndex:
    """One point for each value, and one without any, there before the fields were declared."""
    opened = await opened_index(client)
    await opened.upsert(
        [
            *(make_point(make_document(n, meta={key: value}), n) for n, (key, _, value) in enumerate(CASES)),
            make_point(make_document(999), 999),
        ]
    )
    await declare(opened, FIELDS)
    return opened


async def declare(index: UnitIndex, fields: Fields) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
        await index.declare_fields(fields)


async def count(index: UnitIndex, type_: str, key: str, value: Any) -> int:
    return await index.count(parse_filter({"type": type_, "key": f"meta.{key}", "value": value}, FIELDS))


@pytest.mark.parametrize("key", [key for key in VALUES if key != "due"])
async def test_each_type_with_each_operator(index: UnitIndex, key: str) -> None:
    values = VALUES[key]
    others = len(CASES) + 1 - len(values)
    for value in values:
        assert await count(index, "eq", key, value) == 1
        assert await count(index, "ne", key, value) == len(values) - 1 + others
        assert await count(index, "in", key, [value, values[0]]) == len({value, values[0]})
        assert await count(index, "nin", key, [value, values[0]]) == len(CASES) + 1 - len({value, values[0]})
        for name, holds in ORDERINGS.items():
            if FIELDS[f"meta.{key}"] in (FieldType.KEYWORD, FieldType.BOOLEAN):
                with pytest.raises(InvalidFilterError, match="cannot order"):
                    await count(index, name, key, value)
            else:
                wanted = sum(holds(other, value) for other in values)
                assert await count(index, name, key, value) == wanted, (name, value)


async def test_a_date_in_the_metadata_is_its_first_moment(index: UnitIndex) -> None:
    for type_, value, wanted in [
        ("eq", "2026-01-31", 3),  # half past midnight an hour east of UTC is the day before
        ("ne", "2026-01-31", len(CASES) - 2),
        ("eq", "2026-01-31T00:00:00Z", 1),
        ("gt", "2026-01-31", 1),
        ("gte", "2026-01-31T09:00:00Z", 3),
        ("lt", "2026-01-31T10:00:00+01:00", 1),
        ("lte", "2026-01-31", 3),
        ("in", ["2026-01-31T09:00:00Z", "2026-02-02"], 2),
        ("nin", ["2026-01-31T09:00:00Z", "2026-02-02"], len(CASES) - 1),
    ]:
        assert await count(index, type_, "due", value) == wanted, (type_, value)


async def test_contradictions_match_nothing(index: UnitIndex) -> None:
    none = {
        "type": "and",
        "filters": [
            {"type": "gt", "key": "meta.ratio", "value": 2},
            {"type": "lt", "key": "meta.ratio", "value": 1},
        ],
    }
    assert await index.count(parse_filter(none, FIELDS)) == 0


@pytest.mark.parametrize(
    "moment",
    [
        "2026-01-31T09:00:00Z",
        "2026-01-31t09:00:00z",
        "2026-01-31 09:00:00Z",
        "2026-01-31T18:00:00.000+09:00",
        "2026-01-31T09:00:00.000000000Z",
        "2026-01-31T09:00:00-00:00",
    ],
)
async def test_every_moment_that_uploads_take_is_found(index: UnitIndex, moment: str) -> None:
    assert is_of_type(moment, FieldType.DATETIME)
    await index.upsert([make_point(make_document(1000, meta={"due": moment}), 1000)])
    for exact in (moment, "2026-01-31T09:00:00Z"):
        assert await count(index, "eq", "due", exact) == 2


async def test_facets_count_keywords_integers_and_booleans(index: UnitIndex) -> None:
    more = make_document(1000, meta={"team": ["search", "支付"], "priority": 2, "urgent": True})
    await index.upsert([make_point(more, number) for number in (1000, 1001)])
    assert (await index.facet("meta.team", limit=2, fields=FIELDS)) == [
        FacetCount("search", 3),
        FacetCount("支付", 3),
    ]
    assert (await index.facet("meta.priority", fields=FIELDS))[0] == FacetCount(2, 3)
    by_urgency = await index.facet("meta.urgent", fields=FIELDS)
    assert by_urgency == [FacetCount(True, 3), FacetCount(False, 1)]
    assert all(isinstance(value, bool) for value, _ in by_urgency)
    narrowed = parse_filter({"meta.priority": 2, "meta.urgent": True}, FIELDS)
    assert await index.facet("meta.urgent", narrowed, fields=FIELDS) == [FacetCount(True, 2)]
    for key, kind in (("ratio", "number"), ("due", "datetime")):
        with pytest.raises(
            InvalidFilterError, match=rf"facet field meta\.{key} is a {kind}, whose values are not"
        ):
            await index.facet(f"meta.{key}", fields=FIELDS)
    with pytest.raises(InvalidFilterError, match=r"facet field 'meta\.nothing' is not declared"):
        await index.facet("meta.nothing", fields=FIELDS)


@pytest.mark.parametrize("backend", [backend for backend in BACKENDS if backend != "memory"])
async def test_a_field_can_be_declared_otherwise_and_again(backend: str, tmp_path: Path) -> None:
    async with opened_client(backend, tmp_path / "index") as client:
        index = await opened_index(client)
        values = (1, 2.5, "1", True)
        await index.upsert(
            [make_point(make_document(n, meta={"x": value}), n) for n, value in enumerate(values)]
        )
        for kind, value, stored in (
            (FieldType.INTEGER, 1, "integer"),
            (FieldType.NUMBER, 2.5, "float"),
            (FieldType.KEYWORD, "1", "keyword"),
            (FieldType.BOOLEAN, True, "bool"),
        ):
            fields = {"meta.x": kind}
            for _ in range(2):
                await index.declare_fields(fields)
                schema = (await client.get_collection(GENERATION.name)).payload_schema["meta.x"]
                assert (schema.data_type, schema.points) == (stored, 2 if kind is FieldType.NUMBER else 1)
                assert await index.count(parse_filter({"meta.x": value}, fields)) == 1
        again = await UnitIndex.open(
            client, GENERATION, {"meta.x": FieldType.BOOLEAN, "meta.y": FieldType.KEYWORD}
        )
        assert {"meta.x", "meta.y", "title", "heading_path"} <= set((await again.info()).indexed_fields)


async def test_titles_addresses_and_headings_are_fields_too(index: UnitIndex) -> None:
    document = make_document(1000, title="Plan", url="https://example.org/plan")
    await index.upsert([make_point(document, 1000)])
    for raw in ({"title": "Plan"}, {"url": "https://example.org/plan"}):
        assert await index.count(parse_filter(raw)) == 1
    assert await index.count(parse_filter({"heading_path": ["Payments"]})) == len(CASES) + 2
    late = datetime.now(UTC) + timedelta(days=1)
    assert await index.count(parse_filter({"type": "lt", "key": "stored_at", "value": late.isoformat()})) > 0


async def test_facets_leave_out_what_is_coming_in(tmp_path: Path, catalog: Catalog) -> None:
    embedder = FakeEmbedder()
    scheduler = EmbeddingScheduler(embedder)
    async with opened_client("edge", tmp_path / "index") as client:
        engine = ReadyEngine(embedder.profile, scheduler, await opened_index(client), strong_score=0.5)
        seen = ingest(catalog, "seen")
        coming = put(catalog, "coming").document.id
        claim(catalog)
        for first, document_id in ((0, seen), (100, coming)):
            document = make_document(document_id=document_id, tags=("a",))
            await engine.index.upsert([make_point(document, number) for number in range(first, first + 3)])
        assert await count_facets(engine, catalog, ["tags", "source"], None, 10) == [
            FacetCounts("tags", (FacetCount("a", 3),)),
            FacetCounts("source", (FacetCount("faq", 3),)),
        ]
        with pytest.raises(InvalidFilterError, match="facet field 'colour' is not declared"):
            await count_facets(engine, catalog, ["colour"], None, 10)
    await scheduler.close()
