"""The client as a package: what it offers, what it imports, and whether its types are the API's."""

import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest

from docradar.client import AsyncClient, Client, options, results, types
from docradar.client.calls import Calls
from tests.api import openapi

ROOT = Path(__file__).parents[1]

ANSWERS: dict[type[msgspec.Struct], str] = {
    types.Report: "ReportOut",
    types.Document: "DocumentOut",
    types.Job: "JobOut",
    types.Unit: "UnitOut",
    types.Collection: "CollectionOut",
    types.Readiness: "Readiness",
    types.Health: "Live",
    types.Problem: "Problem",
    types.Uploaded: "UploadAccepted",
    types.DocumentPage: "DocumentList",
    types.JobPage: "JobList",
    types.UnitPage: "UnitList",
    types.CollectionList: "CollectionList",
    results.HitDocument: "HitDocument",
    results.Provenance: "ProvenanceOut",
    results.Highlight: "SpanOut",
    results.Surroundings: "ContextOut",
    results.Match: "MatchOut",
    results.Duplicate: "DuplicateOut",
    results.Result: "ResultOut",
    results.Group: "GroupOut",
    results.Facet: "FacetOut",
    results.FacetValue: "FacetValueOut",
    results.FacetList: "FacetList",
    results.TookMs: "TookMs",
    results.SearchResponse: "SearchResponse",
    results.BatchResponse: "BatchSearchResponse",
    results.Reranked: "RerankResult",
    results.RerankResponse: "RerankResponse",
}
REQUESTS = {
    options.SimilarOptions: "SimilarRequest",
    options.Query: "SearchRequest",
    options.MinScores: "MinScores",
    options.Fusion: "FusionIn",
    options.FusionWeights: "FusionWeights",
    options.Rerank: "RerankIn",
    options.Context: "ContextIn",
    options.DocumentChanges: "DocumentPatch",
}


def component(name: str) -> dict[str, Any]:
    """A schema that the service publishes."""
    schemas = openapi()["components"]["schemas"]
    assert name in schemas, sorted(schemas)
    found: dict[str, Any] = schemas[name]
    return found


def json_types(schema: dict[str, Any], components: dict[str, Any]) -> set[str]:
    """The JSON types that a schema lets pass, but for null, those within lists included: {"array", "array/string"}."""
    if "$ref" in schema:
        return json_types(components[schema["$ref"].rsplit("/", 1)[-1]], components)
    if any(key in schema for key in ("anyOf", "oneOf", "allOf")):
        parts = schema.get("anyOf", []) + schema.get("oneOf", []) + schema.get("allOf", [])
        return set().union(*(json_types(part, components) for part in parts))
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return {
            "string" if isinstance(value, str) else type(value).__name__
            for value in values
            if value is not None
        }
    named = schema.get("type", [])
    found = {named} if isinstance(named, str) else set(named)
    for within, key in (("items", "array"), ("additionalProperties", "object")):
        if key in found and isinstance(schema.get(within), dict):
            found |= {f"{key}/{kind}" for kind in json_types(schema[within], components)}
    return found - {"null"}


def properties(struct: type[msgspec.Struct]) -> dict[str, set[str]]:
    """The JSON types of each field that the client reads."""
    _, components = msgspec.json.schema_components([struct])
    fields = components[struct.__name__]["properties"]
    return {name: json_types(schema, components) for name, schema in fields.items()}


@pytest.mark.parametrize("struct", ANSWERS, ids=lambda struct: struct.__name__)
def test_what_the_client_reads_is_what_the_service_publishes(struct: type[msgspec.Struct]) -> None:
    published = component(ANSWERS[struct])["properties"]
    components = openapi()["components"]["schemas"]
    known = properties(struct)
    assert set(known) <= set(published)
    for name, read in known.items():
        assert json_types(published[name], components) <= read, name


def test_every_answer_is_compared() -> None:
    structs = {
        value
        for module in (types, results)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
    }
    assert structs == set(ANSWERS)


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: asked.__name__)
def test_what_the_client_may_send_is_what_the_service_takes(asked: type) -> None:
    assert set(get_type_hints(asked)) == set(component(REQUESTS[asked])["properties"])


@pytest.mark.parametrize(
    ("fields", "media_type", "content"),
    [
        (options.TextFields, "application/json", "text"),
        (options.UploadFields, "multipart/form-data", "file"),
    ],
)
def test_what_may_be_said_of_an_upload_is_what_the_service_takes(
    fields: type, media_type: str, content: str
) -> None:
    body = openapi()["paths"]["/v1/documents"]["post"]["requestBody"]
    assert {*get_type_hints(fields), content} == set(body["content"][media_type]["schema"]["properties"])


def test_the_comparison_finds_planted_differences() -> None:
    class Planted(msgspec.Struct):
        number: int
        texts: list[str]
        either: str | list[float] | None

    assert properties(Planted) == {
        "number": {"integer"},
        "texts": {"array", "array/string"},
        "either": {"string", "array", "array/number"},
    }


def test_both_clients_offer_the_same_calls() -> None:
    def calls(of: type) -> set[str]:
        return {name for name in dir(of) if not name.startswith("_")} - {"url", "close"}

    assert calls(Client) == calls(AsyncClient) == calls(Calls)
    for name in calls(Client):
        ours, theirs = (inspect.signature(getattr(of, name)) for of in (Client, AsyncClient))
        assert ours.parameters == theirs.parameters
        assert getattr(Client, name).__doc__


def test_help_shows_every_option_and_what_comes_back() -> None:
    told = inspect.signature(Client.search)
    assert set(told.parameters) == {"self", *get_type_hints(options.Query)}
    assert told.return_annotation is results.SearchResponse
    assert inspect.signature(AsyncClient.update).return_annotation is types.Document
    assert inspect.signature(Client.units).return_annotation == Iterator[types.Unit]
    assert inspect.signature(AsyncClient.units).return_annotation == AsyncIterator[types.Unit]


def test_importing_the_client_imports_nothing_heavy() -> None:
    heavy = {"torch", "qdrant_client", "qdrant_edge", "litestar", "numpy", "sqlalchemy", "service", "ingest"}
    program = "import sys, docradar.client; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "httpx" in ended.stdout.split()
    assert heavy.isdisjoint(name.split(".")[0] for name in ended.stdout.split())
