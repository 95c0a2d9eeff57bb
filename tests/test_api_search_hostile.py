"""What no client should send to a search: a clear 400 or an honest empty answer, never a 500."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from docradar.filters import MAX_VALUES
from tests.api import Api, assert_problem, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

MODES = ("semantic", "keyword", "hybrid")
ROUTES = (*MODES, "batch", "similar")
NOTES = "Refunds reach the card within five working days. Error ERR_4012 means the card has expired."


@dataclass
class Searches:
    """One body, sent to any of the routes that search."""

    api: Api
    unit_id: str

    async def send(self, route: str, /, **fields: Any) -> httpx.Response:
        return await self.send_text(route, json.dumps(fields))

    async def send_text(self, route: str, fields: str) -> httpx.Response:
        """`fields` is the text of a JSON object, and stays as it is."""
        given = fields.strip().removeprefix("{").removesuffix("}")
        query = [] if '"query"' in given or route == "similar" else ['"query": "refunds of a card"']
        mode = [f'"mode": "{route}"'] if route in MODES else []
        body = "{" + ", ".join(part for part in (*query, *mode, given) if part) + "}"
        path = {"batch": "/v1/search/batch", "similar": f"/v1/units/{self.unit_id}/similar"}.get(
            route, "/v1/search"
        )
        if route == "batch":
            body = f'{{"searches": [{{"query": "cards"}}, {body}]}}'
        return await self.api.client.post(
            path, content=body.encode(), headers={"content-type": "application/json"}
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def searches(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Searches]:
    async with running(tmp_path_factory.mktemp("hostile")) as api:
        document = await api.ingest(NOTES, source="notes", meta={"priority": 3})
        declared = await api.client.put(
            "/v1/collections/default", json={"fields": {"priority": "integer", "weight": "number"}}
        )
        assert declared.status_code == 200, declared.text
        units = (await api.client.get(f"/v1/documents/{document['id']}/units")).json()["units"]
        yield Searches(api, units[0]["id"])


def found(response: httpx.Response) -> list[dict[str, Any]]:
    """The results of an answer that conforms to what is published."""
    assert response.status_code == 200, response.text
    answer = response.json()
    results: list[dict[str, Any]] = (answer["responses"][-1] if "responses" in answer else answer)["results"]
    return results


def eq(key: str, value: object) -> dict[str, Any]:
    return {"type": "eq", "key": key, "value": value}


def both(*filters: object) -> dict[str, Any]:
    return {"type": "and", "filters": list(filters)}


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = eq("source", "notes")
    for _ in range(depth):
        inner = both(inner)
    return inner


@pytest.mark.parametrize("route", ROUTES)
async def test_the_plain_search_finds_something(searches: Searches, route: str) -> None:
    """Else none of the empty answers below would say anything."""
    assert found(await searches.send(route, filter={"source": "notes", "meta.priority": 3}))


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("narrowing", "words"),
    [
        ({"sauce": "notes"}, ["sauce", "not declared"]),
        ({"meta.sauce": "notes"}, ["meta.sauce", "not declared"]),
        ({"meta.priority": "high"}, ["meta.priority", "integer"]),
        ({"meta.priority": 1.5}, ["meta.priority", "integer"]),
        ({"meta.priority": True}, ["meta.priority", "integer"]),
        ({"meta.priority": 2**60}, ["meta.priority", "beyond"]),
        ({"meta.weight": "heavy"}, ["meta.weight", "number"]),
        ({"source": 5}, ["source", "string"]),
        ({"source": None}, ["source", "null"]),
        ({"source": {"a": 1}}, ["source", "object"]),
        ({"created_at": "yesterday"}, ["created_at", "yesterday"]),
        ({"created_at": 5}, ["created_at"]),
        ({"source": []}, ["source", "at least one"]),
        ({"type": "in", "key": "source", "value": []}, ["source", "at least one"]),
        ({"source": [str(i) for i in range(10_000)]}, [f"{MAX_VALUES:,}"]),
        ({"type": "in", "key": "source", "value": [str(i) for i in range(10_000)]}, [f"{MAX_VALUES:,}"]),
        (nested(100), ["nested", "deep"]),
        (both(), ["filters", "at least one"]),
        ({"type": "and", "filters": "x"}, ["filters", "list"]),
        ({"type": "xor", "filters": [eq("source", "a")]}, ["type"]),
        ({"type": "gt", "key": "source", "value": "a"}, ["source"]),
        ({"source": "a\0b"}, ["source"]),
    ],
)
async def test_a_filter_that_cannot_be_used(
    searches: Searches, route: str, narrowing: dict[str, Any], words: list[str]
) -> None:
    response = await searches.send(route, filter=narrowing)
    assert_problem(response, 400, "invalid_filter", *words)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "narrowing",
    [
        both(
            {"type": "gt", "key": "meta.priority", "value": 5},
            {"type": "lt", "key": "meta.priority", "value": 1},
        ),
        both(
            {"type": "gte", "key": "created_at", "value": "2999-01-01"},
            {"type": "lte", "key": "created_at", "value": "1999-01-01"},
        ),
        both(eq("source", "notes"), {"type": "ne", "key": "source", "value": "notes"}),
        {"type": "gt", "key": "created_at", "value": "9999-12-30"},
        {"type": "lt", "key": "created_at", "value": "0001-01-01"},
        {"meta.weight": 1.7e308},
        {"meta.priority": -(2**53) + 1},
        {"source": "\u202e😀" * 50},
        {"source": [str(i) for i in range(MAX_VALUES)]},
    ],
)
async def test_a_filter_that_nothing_passes(
    searches: Searches, route: str, narrowing: dict[str, Any]
) -> None:
    assert found(await searches.send(route, filter=narrowing)) == []


@pytest.mark.parametrize("route", [*MODES, "batch"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        " \n\t",
        "\0",
        "\x01\x02\x1f\x7f",
        "\u200b\u2060\ufeff",
        "x" * 100_000,
        "退" * 100_000,
        "\ud800",
        "a\udfff b",
    ],
    ids=ascii,
)
async def test_a_query_that_cannot_be_asked(searches: Searches, route: str, query: str) -> None:
    response = await searches.send(route, query=query)
    assert_problem(response, 400, "invalid_request")
    assert len(response.content) < 2_000  # the query does not come back whole


@pytest.mark.parametrize("route", [*MODES, "batch"])
@pytest.mark.parametrize(
    "query",
    [
        "😀",
        "👨\u200d👩\u200d👧👍🏽",
        "…？！",
        "the of and",
        "a\0b",
        "\u0301",
        "\u202e退",
        "x" * 8_000,
        "退" * 8_000,
        "' OR 1=1 --",
        "a.b-c_" * 1_000,
    ],
    ids=ascii,
)
async def test_a_strange_query_is_answered(searches: Searches, route: str, query: str) -> None:
    results = found(await searches.send(route, query=query))
    if route == "keyword":
        assert results == []
    for result in results:
        assert all(0 <= span["start"] < span["end"] <= len(result["text"]) for span in result["highlights"])


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "fields",
    [
        {"sauce": 1},
        {"limit": "five"},
        {"limit": 0},
        {"limit": -1},
        {"limit": 1.5},
        {"limit": 10**6},
        {"limit": 10**400},
        {"limit": None},
        {"filter": []},
        {"filter": "source"},
        {"collection": ""},
        {"collection": 5},
        {"collection": "a\0"},
        {"collection": "x" * 10_000},
        {"min_score": "high"},
        {"min_score": 1.5},
        {"min_score": {"sauce": 1}},
        {"min_score": {"cosine": 2}},
        {"min_score": {"fusion": -1}},
        {"min_score": {"rerank": 0.5}},
        {"context": {"before": -1}},
        {"context": {"before": 11}},
        {"context": {"after": 10**30}},
        {"context": 5},
        {"group_by": "author"},
        {"group_size": 0},
        {"group_size": 1000},
        {"merge": "yes"},
        {"facets": "source"},
        {"facets": ["sauce"]},
        {"facets": ["created_at"]},
        {"facets": ["source"] * 11},
        {"facets": ["\ud800"]},
    ],
    ids=lambda fields: ascii(fields)[:40],
)
async def test_a_field_that_cannot_be_used(searches: Searches, route: str, fields: dict[str, Any]) -> None:
    response = await searches.send(route, **fields)
    problem = response.json()
    assert_problem(response, 400, problem["code"])
    assert problem["code"] in ("invalid_request", "invalid_filter")
    assert len(response.content) < 8_000


@pytest.mark.parametrize("route", [*MODES, "batch"])
@pytest.mark.parametrize(
    "fields",
    [
        {"query": None},
        {"query": 5},
        {"query": ["a"]},
        {"mode": "psychic"},
        {"fusion": {"method": "magic"}},
        {"fusion": {"weights": {"cosine": -1}}},
        {"fusion": {"weights": {"cosine": 0, "keyword": 0}}},
        {"fusion": {"weights": {"sauce": 1}}},
        {"instruction": "x" * 1_001},
        {"instruction": 5},
        {"instruction": "\ud800"},
        {"rerank": "yes"},
        {"rerank": {"candidates": 0}},
        {"rerank": {"candidates": 10**9}},
    ],
    ids=lambda fields: ascii(fields)[:40],
)
async def test_a_field_of_questions_that_cannot_be_used(
    searches: Searches, route: str, fields: dict[str, Any]
) -> None:
    if "mode" in fields and route in MODES:
        response = await searches.api.client.post("/v1/search", json={"query": "cards"} | fields)
    else:
        response = await searches.send(route, **fields)
    assert_problem(response, 400, "invalid_request")


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "fields",
    [
        '{"min_score": NaN}',
        '{"min_score": Infinity}',
        '{"min_score": -Infinity}',
        '{"min_score": 1e999}',
        '{"limit": 1e999}',
        '{"limit": NaN}',
        '{"filter": {"meta.weight": NaN}}',
        '{"filter": {"meta.weight": -Infinity}}',
        '{"filter": {"meta.weight": 1e999}}',
        '{"filter": {"meta.priority": 1' + "0" * 5_000 + "}}",
        '{"filter": ' + '{"type": "and", "filters": [' * 5_000 + "]}" * 5_000 + "}",
        '{"filter": {"source": ' + "[" * 50_000 + "]" * 50_000 + "}}",
        '{"filter": {"source": "\\ud800"}}',
        '{"filter": {"source": "\\udc00\\ud800"}}',
        '{"collection": "\\ud800"}',
        '{"limit": 5, "limit": "six"}',
        '{"limit": 5,, }',
        '{"limit": }',
    ],
    ids=lambda fields: fields[:40],
)
async def test_json_that_is_none_or_holds_what_json_cannot(
    searches: Searches, route: str, fields: str
) -> None:
    response = await searches.send_text(route, fields)
    assert response.status_code == 400, response.text[:500]
    assert_problem(response, 400, response.json()["code"])


@pytest.mark.parametrize(
    "unit_id", ["nothing", "%00", "%ED%A0%80", "%F0%9F%98%80", "x" * 5_000, "..", "' OR 1=1"]
)
async def test_units_that_are_not_there(searches: Searches, unit_id: str) -> None:
    response = await searches.api.client.post(f"/v1/units/{unit_id}/similar", json={})
    assert response.status_code in (400, 404, 405), response.text
    assert response.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "body", [{}, {"searches": []}, {"searches": [{"query": "a"}] * 33}, {"searches": [{"query": "a"}, None]}]
)
async def test_batches_that_cannot_be_used(searches: Searches, body: dict[str, Any]) -> None:
    assert_problem(await searches.api.client.post("/v1/search/batch", json=body), 400, "invalid_request")


async def test_an_error_in_a_batch_names_its_search(searches: Searches) -> None:
    assert_problem(await searches.send("batch", query=""), 400, "invalid_request", "searches[1]", "query")
    assert_problem(
        await searches.send("batch", filter={"sauce": 1}), 400, "invalid_filter", "searches[1]", "sauce"
    )


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"field": "sauce"},
        {"field": "created_at"},
        {"field": "meta.weight"},
        {"field": "\0"},
        {"field": ""},
        {"field": ["source"] * 5 + [f"x{i}" for i in range(20)]},
        {"field": "source", "limit": "0"},
        {"field": "source", "limit": "NaN"},
        {"field": "source", "limit": str(10**30)},
        {"field": "source", "filter": "{"},
        {"field": "source", "filter": "[]"},
        {"field": "source", "filter": "5"},
        {"field": "source", "filter": '{"sauce": 1}'},
        {"field": "source", "filter": '{"source": []}'},
        {"field": "source", "filter": '{"meta.weight": NaN}'},
        {"field": "source", "filter": '{"meta.weight": 1e999}'},
        {"field": "source", "filter": '{"source": "\\ud800"}'},
        {"field": "source", "filter": json.dumps(nested(100))},
        {"field": "source", "filter": "[" * 5_000},
        {"field": "source", "filter": json.dumps({"source": [str(i) for i in range(2_000)]})},
        {"field": "source", "collection": ""},
        {"field": "source", "collection": "a\0"},
    ],
    ids=lambda params: ascii(params)[:40],
)
async def test_facets_that_cannot_be_counted(searches: Searches, params: dict[str, Any]) -> None:
    response = await searches.api.client.get("/v1/facets", params=params)
    assert response.status_code == 400, response.text
    assert_problem(response, 400, response.json()["code"])
    assert response.json()["code"] in ("invalid_request", "invalid_filter")


@pytest.mark.parametrize(
    "params",
    [
        {"filter": json.dumps(both(eq("meta.priority", 3), eq("meta.priority", 4)))},
        {"filter": json.dumps({"source": "😀"})},
        {"collection": "nobody"},
    ],
)
async def test_facets_of_nothing(searches: Searches, params: dict[str, str]) -> None:
    response = await searches.api.client.get("/v1/facets", params={"field": "source"} | params)
    assert response.status_code == 200, response.text
    assert response.json() == {"facets": [{"field": "source", "values": []}]}
