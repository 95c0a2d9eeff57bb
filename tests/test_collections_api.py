"""Collections and facets over HTTP: declared fields, what is refused, and what is counted."""

import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from docradar.errors import UnavailableError
from docradar.index.edge import EdgeClient
from tests.api import Api, assert_problem, running
from tests.fakes import FakeEmbedder

FIELDS = {
    "team": "keyword",
    "priority": "integer",
    "ratio": "number",
    "urgent": "boolean",
    "due": "datetime",
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running(tmp_path) as api:
        yield api


async def declare(api: Api, name: str, fields: dict[str, str], **more: Any) -> dict[str, Any]:
    response = await api.client.put(f"/v1/collections/{name}", json={"fields": fields} | more)
    assert response.status_code == 200, response.text
    return response.json()


async def facets(api: Api, *fields: str, **params: Any) -> dict[str, dict[Any, int]]:
    response = await api.client.get("/v1/facets", params={"field": fields} | params)
    assert response.status_code == 200, response.text
    return {
        facet["field"]: {entry["value"]: entry["units"] for entry in facet["values"]}
        for facet in response.json()["facets"]
    }


async def test_documents_that_are_there_are_found_by_fields_declared_later(api: Api) -> None:
    for priority, urgent, due in ((1, True, "2026-01-31"), (2, False, "2026-02-01T09:00:00+09:00")):
        meta = {
            "priority": priority,
            "urgent": urgent,
            "due": due,
            "ratio": priority / 4,
            "team": ["a", f"t{priority}"],
        }
        await api.ingest(f"Payment timeout number {priority}.", meta=meta)
    refused = await api.client.post("/v1/search", json={"query": "timeout", "filter": {"meta.priority": 1}})
    assert_problem(
        refused, 400, "invalid_filter", "'meta.priority' is not declared", "PUT /v1/collections/{name}"
    )

    embedded = len(api.embedder.passages_seen)
    declared = await declare(api, "default", FIELDS, instruction=" Find it. ")
    assert declared == {
        "name": "default",
        "documents": 2,
        "units": 2,
        "sources": ["upload"],
        "fields": FIELDS,
        "instruction": "Find it.",
    }
    assert (await api.client.get("/v1/collections/default")).json() == declared
    assert (await api.client.get("/v1/collections")).json() == {"collections": [declared]}
    for raw in (
        {"meta.priority": [1, 7]},
        {"meta.urgent": True},
        {"meta.team": "t1"},
        {"meta.due": "2026-01-31"},
        {"type": "lt", "key": "meta.ratio", "value": 0.3},
    ):
        assert await api.texts("timeout", filter=raw) == ["Payment timeout number 1."], raw
    assert len(api.embedder.passages_seen) == embedded
    assert await facets(api, "meta.priority", "meta.urgent", "meta.team") == {
        "meta.priority": {1: 1, 2: 1},
        "meta.urgent": {True: 1, False: 1},
        "meta.team": {"a": 2, "t1": 1, "t2": 1},
    }


async def test_a_declaration_replaces_the_one_before(api: Api) -> None:
    await api.ingest("Payment timeout.", meta={"priority": 1, "team": "a"})
    await declare(api, "default", {"priority": "integer", "team": "keyword"})
    await declare(api, "default", {"team": "keyword"})
    refused = await api.client.post("/v1/search", json={"query": "x", "filter": {"meta.priority": 1}})
    assert_problem(refused, 400, "invalid_filter", "meta that are: meta.team (keyword). Declare it")
    assert len(await api.texts("timeout", filter={"meta.team": "a"})) == 1
    await declare(api, "default", {"priority": "number"})
    over = {"type": "gt", "key": "meta.priority", "value": 0.5}
    assert len(await api.texts("timeout", filter=over)) == 1


async def test_declarations_outlive_the_process(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        await api.ingest("Payment timeout.", meta={"priority": 3})
        declared = await declare(api, "default", {"priority": "integer"})
    async with running(tmp_path) as api:
        assert (await api.client.get("/v1/collections/default")).json() == declared
        assert len(await api.texts("timeout", filter={"meta.priority": 3})) == 1
        assert await facets(api, "meta.priority") == {"meta.priority": {3: 1}}


async def test_two_collections_cannot_disagree(api: Api) -> None:
    await declare(api, "one", {"priority": "integer"})
    refused = await api.client.put("/v1/collections/two", json={"fields": {"priority": "keyword"}})
    assert_problem(refused, 409, "conflict", "'priority'", "'one'", "type integer")
    assert_problem(await api.client.get("/v1/collections/two"), 404, "not_found", "'two'")
    assert (await declare(api, "two", {"priority": "integer"}))["documents"] == 0
    # What one collection declares is no field of another, but of a search in all.
    await declare(api, "two", {})
    narrow = {"query": "x", "collection": "two", "filter": {"meta.priority": 1}}
    assert_problem(await api.client.post("/v1/search", json=narrow), 400, "invalid_filter", "meta.priority")
    assert await api.texts("x", filter={"meta.priority": 1}) == []


UNDECLARABLE: list[tuple[str, Any, tuple[str, ...]]] = [
    ("c", {"fields": {"a.b": "keyword"}}, ("'a.b'", "letters")),
    ("c", {"fields": {"": "keyword"}}, ("''",)),
    ("c", {"fields": {"é": "keyword"}}, ("letters a to z",)),
    ("c", {"fields": {"x\n": "keyword"}}, ("letters",)),
    ("c", {"fields": {"x" * 65: "keyword"}}, ("1 to 64",)),
    ("c", {"fields": {"x": "text"}}, ("x with type 'text'", "keyword, integer, number, boolean, datetime")),
    ("c", {"fields": {"x": 3}}, ("fields",)),
    ("c", {"fields": {f"x{n}": "keyword" for n in range(51)}}, ("51 keys", "up to 50")),
    ("c", {"fields": {}, "colour": "red"}, ("colour",)),
    ("c", {"instruction": "x" * 1001}, ("instruction",)),
    ("c", {"instruction": "\0"}, ("instruction",)),
    ("c" * 65, {"fields": {}}, ("collection has 65 characters",)),
]  # fmt: skip


async def test_what_cannot_be_declared_is_named(api: Api) -> None:
    for name, body, words in UNDECLARABLE:
        response = await api.client.put(f"/v1/collections/{name}", json=body)
        assert_problem(response, 400, "invalid_request", *words)
    assert (await api.client.get("/v1/collections")).json() == {"collections": []}


# Key, a value of its declared type, one that is not, and what is told of the type.
MISTYPED: list[tuple[str, Any, Any, str]] = [
    ("team", ["a", "b"], 3, "a string or a list of strings"),
    ("priority", 3, "high", "an integer"),
    ("priority", -1, 2.5, "an integer"),
    ("priority", 0, True, "an integer"),
    ("priority", 1, ["1"], "an integer"),
    ("ratio", 3, "0.5", "a number"),
    ("ratio", 0.5, False, "a number"),
    ("urgent", False, 1, "true or false"),
    ("due", "2026-01-31", "tomorrow", "RFC 3339"),
    ("due", "2026-01-31T09:00:00Z", "2026-01-31T09:00:00", "RFC 3339"),
]


async def test_metadata_of_another_type_is_refused(api: Api) -> None:
    await declare(api, "team", FIELDS)
    document = await api.ingest("Something.", collection="team")
    path = f"/v1/documents/{document['id']}"
    for key, good, bad, word in MISTYPED:
        said = ("meta key", repr(key), json.dumps(bad), "'team'", f"type {FIELDS[key]}", word)
        upload = {"text": "Something.", "collection": "team", "meta": {key: bad}}
        assert_problem(await api.client.post("/v1/documents", json=upload), 400, "invalid_request", *said)
        form = await api.upload("a.txt", b"Something.", collection="team", meta=json.dumps({key: bad}))
        assert_problem(form, 400, "invalid_request", *said)
        assert_problem(await api.client.patch(path, json={"meta": {key: bad}}), 400, "invalid_request", *said)
        assert (await api.client.patch(path, json={"meta": {key: good, "other": bad}})).status_code == 200
        await api.put("Something.", collection="elsewhere", meta={key: bad})
    listed = (await api.client.get("/v1/documents", params={"collection": "team"})).json()["documents"]
    assert [entry["meta"] for entry in listed] == [
        {"due": "2026-01-31T09:00:00Z", "other": "2026-01-31T09:00:00"}
    ]
    assert (await api.client.patch(path, json={"title": "Else"})).status_code == 200


async def test_what_is_declared_while_the_engine_loads_is_there_once_it_is_ready(tmp_path: Path) -> None:
    gate = threading.Event()

    def load(_settings: Any, _say: Any) -> FakeEmbedder:
        gate.wait(20)
        return FakeEmbedder()

    async with running(tmp_path, loader=load, wait=False) as api:
        await declare(api, "default", {"priority": "integer"})
        assert_problem(
            await api.client.get("/v1/facets", params={"field": "meta.priority"}), 503, "model_loading"
        )
        gate.set()
        await api.ingest("Payment timeout.", meta={"priority": 3})
        await api.eventually(
            lambda found: found["facets"][0]["values"] != [], "/v1/facets?field=meta.priority"
        )


async def test_where_the_index_is_away_the_same_request_mends_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.ingest("Payment timeout.", meta={"priority": 3})

    async def away(*_: Any, **__: Any) -> None:
        raise UnavailableError("the Qdrant server does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(EdgeClient, "create_payload_index", away)
        response = await api.client.put("/v1/collections/default", json={"fields": {"priority": "integer"}})
    assert_problem(response, 503, "unavailable", "does not answer")
    assert_problem(await api.client.get("/v1/facets", params={"field": "meta.priority"}), 503, "unavailable")
    await declare(api, "default", {"priority": "integer"})
    assert await facets(api, "meta.priority") == {"meta.priority": {3: 1}}


async def test_facets_count_what_passes(api: Api) -> None:
    await api.ingest("One\nTwo\nThree", split="lines", source="faq", tags=["a", "b"])
    await api.ingest("Four\nFive", split="lines", source="prd", tags=["b"], collection="team")
    assert await facets(api, "source", "tags") == {
        "source": {"faq": 3, "prd": 2},
        "tags": {"a": 3, "b": 5},
    }
    assert await facets(api, "tags", "tags", limit=1) == {"tags": {"b": 5}}
    assert await facets(api, "tags", collection="team") == {"tags": {"b": 2}}
    assert await facets(api, "tags", filter=json.dumps({"source": "faq"})) == {"tags": {"a": 3, "b": 3}}
    nothing = {"type": "ne", "key": "source", "value": "faq"}
    assert await facets(api, "tags", collection="default", filter=json.dumps(nothing)) == {"tags": {}}


UNCOUNTABLE: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
    ({}, "invalid_request", ("field",)),
    ({"field": "colour"}, "invalid_filter", ("facet field 'colour' is not declared", "source (keyword)")),
    ({"field": "text"}, "invalid_filter", ("facet field 'text' is not declared",)),
    ({"field": "meta.x"}, "invalid_filter", ("'meta.x' is not declared", "PUT /v1/collections/{name}")),
    ({"field": "updated_at"}, "invalid_filter", ("updated_at is a datetime", "source, ")),
    ({"field": [f"f{n}" for n in range(11)]}, "invalid_request", ("11 fields", "up to 10")),
    ({"field": "source", "filter": "{"}, "invalid_filter", ("filter is not JSON",)),
    ({"field": "source", "filter": "[]"}, "invalid_filter", ("a filter must be an object",)),
    ({"field": "source", "filter": "[" * 5000}, "invalid_filter", ("filter is not JSON",)),
    ({"field": "source", "filter": '{"colour": "red"}'}, "invalid_filter", ("'colour' is not declared",)),
    ({"field": "source", "limit": 0}, "invalid_request", ("limit",)),
    ({"field": "source", "limit": 501}, "invalid_request", ("limit",)),
    ({"field": "source", "collection": " "}, "invalid_request", ("collection is empty",)),
]  # fmt: skip


async def test_facets_that_cannot_be_counted_are_refused(api: Api) -> None:
    for params, code, words in UNCOUNTABLE:
        assert_problem(await api.client.get("/v1/facets", params=params), 400, code, *words)
