"""Search, jobs, health and errors over HTTP."""

import json
import threading

import pytest

from docradar.errors import ConfigurationError
from tests.api import Api, assert_problem, running
from tests.fakes import FakeEmbedder


@pytest.fixture
async def api(tmp_path):
    async with running(tmp_path) as api:
        yield api


async def test_a_search_filtered_by_source_sees_only_that_source(api: Api):
    for source in ("faq", "prd", "runbook"):
        await api.ingest(f"Payment timeout in the {source}.", source=source)
    sources = [
        r["document"]["source"]
        for r in await api.search("payment timeout", filter={"source": ["faq", "prd"]})
    ]
    assert sorted(sources) == ["faq", "prd"]
    grammar = {"type": "and", "filters": [{"type": "ne", "key": "source", "value": "faq"}]}
    sources = [r["document"]["source"] for r in await api.search("payment timeout", filter=grammar)]
    assert sorted(sources) == ["prd", "runbook"]


async def test_collections_keep_to_themselves(api: Api):
    await api.ingest("Shared words here.", collection="one")
    await api.ingest("Shared words here.", collection="two")
    [hit] = await api.search("shared words", collection="two")
    assert hit["document"]["collection"] == "two"
    assert len(await api.search("shared words", fold=False)) == 2


async def test_limit_and_min_score_cut(api: Api):
    await api.ingest("\n".join(f"Alpha beta gamma {n}." for n in range(30)), split="lines")
    assert len(await api.search("alpha beta gamma")) == 5
    assert len(await api.search("alpha beta gamma", limit=12)) == 12
    hits = await api.search("Alpha beta gamma 7", limit=30, min_score=0.9)
    assert hits
    assert all(hit["score"] >= 0.9 for hit in hits)


async def test_the_response_names_model_mode_and_times(api: Api):
    await api.ingest("Something to find.")
    response = (await api.client.post("/v1/search", json={"query": "find"})).json()
    assert (response["model"], response["mode"]) == ("fake", "semantic")
    assert set(response["took_ms"]) == {"embed", "retrieve", "hydrate", "rerank", "total"}
    assert response["took_ms"]["total"] >= response["took_ms"]["retrieve"] >= 0


async def test_the_short_path_serves_the_shortest_client(api: Api):
    await api.ingest("The shortest client works.")
    response = await api.client.post("/search", json={"query": "shortest client"})
    assert [(r["text"], r["score"] > 0) for r in response.json()["results"]] == [
        ("The shortest client works.", True)
    ]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({"query": "  \n"}, "invalid_request", ("query is empty",)),
        ({"query": "\u0000\u0001"}, "invalid_request", ("query is empty", "nothing that can be seen")),
        ({"query": "\u200b \ufeff"}, "invalid_request", ("query is empty",)),
        ({"query": "x" * 8001}, "invalid_request", ("8,001", "8,000")),
        ({"query": "x", "limit": 0}, "invalid_request", ("limit",)),
        ({"query": "x", "limit": 201}, "invalid_request", ("201", "200")),
        ({"query": "x", "limit": "many"}, "invalid_request", ("limit",)),
        ({"query": "x", "min_score": 1.5}, "invalid_request", ("min_score",)),
        ({"query": "x", "colour": "red"}, "invalid_request", ("colour",)),
        ({}, "invalid_request", ("query",)),
        ({"query": "x", "filter": {"colour": "red"}}, "invalid_filter", ("colour", "source")),
        ({"query": "x", "filter": {"source": []}}, "invalid_filter", ("source",)),
        ({"query": "x", "filter": {"page": "one"}}, "invalid_filter", ("page",)),
        ({"query": "x", "collection": "c" * 10_000}, "invalid_request", ("collection", "64")),
    ],
)
async def test_bad_searches_are_refused_by_name(api: Api, body, code, words):
    assert_problem(await api.client.post("/v1/search", json=body), 400, code, *words)


async def test_broken_bodies_are_400_never_500(api: Api):
    for body in (b"", b"{", b"[]", b"\xff\xfe", b'{"query": "\\ud800"}', b"[" * 100_000):
        response = await api.client.post(
            "/v1/search", content=body, headers={"content-type": "application/json"}
        )
        assert_problem(response, 400, "invalid_request")


async def test_unknown_paths_methods_and_ids_are_problems_too(api: Api):
    assert_problem(await api.client.get("/nowhere"), 404, "not_found", "openapi.json")
    assert_problem(await api.client.get("/v1/search"), 405, "method_not_allowed")
    for path in (
        "/v1/jobs/nope",
        "/v1/documents/nope",
        "/v1/documents/nope/content",
        "/v1/documents/nope/units",
    ):
        assert_problem(await api.client.get(path), 404, "not_found", "nope")
    assert_problem(
        await api.client.get("/v1/documents", params={"limit": 501}), 400, "invalid_request", "limit"
    )
    assert_problem(
        await api.client.get("/v1/documents", params={"status": "odd"}), 400, "invalid_request", "status"
    )


async def test_a_bug_is_a_500_that_reveals_nothing_and_is_logged_whole(tmp_path, caplog):
    class Broken(FakeEmbedder):
        def embed_queries(self, queries, instruction=None):
            raise ZeroDivisionError("secret detail")

    async with running(tmp_path, embedder=Broken()) as api:
        response = await api.client.post("/v1/search", json={"query": "x"})
    problem = assert_problem(response, 500, "internal_error", "request_id")
    assert "secret" not in response.text
    assert problem["request_id"]
    assert "secret detail" in caplog.text


async def test_while_the_model_loads_uploads_are_taken_and_searches_told_when_to_come_back(tmp_path):
    gate = threading.Event()

    def load(_settings, say):
        say("reading the weights")
        gate.wait(20)
        return FakeEmbedder()

    async with running(tmp_path, loader=load, wait=False) as api:
        client = api.client
        ready = await client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["status"] == "loading"
        assert ready.json()["seconds"] >= 0
        assert int(ready.headers["retry-after"]) >= 1
        assert (await client.get("/health/live")).status_code == 200
        response = await client.post("/v1/search", json={"query": "anything"})
        assert_problem(response, 503, "model_loading", "loading")
        assert int(response.headers["retry-after"]) >= 1
        job = await api.put("Uploaded while loading.")
        assert job["state"] == "queued"
        gate.set()
        assert (await api.ended(job["id"]))["state"] == "succeeded"
        assert await api.texts("uploaded while loading") == ["Uploaded while loading."]


async def test_a_model_that_cannot_load_is_told_with_the_reason(tmp_path):
    def load(_settings, _say):
        raise ConfigurationError("model 'nope' cannot be loaded; set model=packaged")

    async with running(tmp_path, loader=load, wait=False) as api:
        ready = await api.eventually(
            lambda body: body["status"] != "loading", "/health/ready", any_status=True
        )
        assert ready["status"] == "failed"
        assert "packaged" in ready["error"]
        response = await api.client.post("/v1/search", json={"query": "x"})
        assert_problem(response, 503, "configuration", "packaged")


async def test_a_jobs_story_is_streamed_and_can_be_taken_up_again(api: Api):
    job = await api.put("First sentence here. Second sentence here.")
    await api.ended(job["id"])
    story = (await api.client.get(f"/v1/jobs/{job['id']}/events")).text
    events = [
        dict(line.split(": ", 1) for line in block.splitlines()) for block in story.strip().split("\n\n")
    ]
    ids = [int(event["id"]) for event in events if "id" in event]
    assert ids == list(range(1, len(ids) + 1))
    assert events[-1]["event"] == "end"
    assert json.loads(events[-1]["data"])["state"] == "succeeded"
    assert json.loads(events[0]["data"])["state"] == "queued"
    rest = (
        await api.client.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": str(ids[-2])})
    ).text
    assert rest.startswith(f"id: {ids[-1]}\n")
    for wrong in ("x", "-1", "1" * 10, "1" * 5000):
        bad = await api.client.get(f"/v1/jobs/{job['id']}/events", headers={"Last-Event-ID": wrong})
        assert_problem(bad, 400, "invalid_request", "Last-Event-ID")


async def test_a_failed_job_can_be_retried_and_a_running_one_canceled(tmp_path):
    gate = threading.Event()

    class Stubborn(FakeEmbedder):
        failing = True

        def embed_passages(self, passages):
            if self.failing:
                gate.wait(20)
            return super().embed_passages(passages)

    embedder = Stubborn()
    async with running(tmp_path, embedder=embedder, heartbeat_seconds=0.1, lease_seconds=5.0) as api:
        job = await api.put("This one hangs in the model.")
        await api.eventually(lambda j: j["state"] == "running", f"/v1/jobs/{job['id']}")
        assert (await api.client.post(f"/v1/jobs/{job['id']}/cancel")).status_code == 202
        assert (await api.ended(job["id"]))["state"] == "canceled"
        document = (await api.client.get(f"/v1/documents/{job['document_id']}")).json()
        assert document["status"] == "canceled"
        embedder.failing = False
        gate.set()
        retried = await api.client.post(f"/v1/jobs/{job['id']}/retry")
        assert retried.status_code == 202
        assert (await api.ended(retried.json()["id"]))["state"] == "succeeded"
        assert_problem(await api.client.post(f"/v1/jobs/{job['id']}/retry"), 409, "conflict")


async def test_the_published_openapi_is_complete(api: Api):
    schema = (await api.client.get("/docs/openapi.json")).json()
    assert {
        "/v1/documents", "/v1/documents/{document_id}", "/v1/documents/{document_id}/content", "/v1/documents/{document_id}/text",
        "/v1/documents/{document_id}/units", "/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/cancel",
        "/v1/jobs/{job_id}/retry", "/v1/jobs/{job_id}/events", "/v1/search", "/search", "/v1/search/batch",
            "/v1/units/{unit_id}/similar", "/v1/rerank", "/v1/calibration", "/v1/facets", "/v1/collections", "/v1/collections/{name}",
        "/health/live", "/health/ready",
    } == set(schema["paths"])  # fmt: skip
    upload = schema["paths"]["/v1/documents"]["post"]
    assert set(upload["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
    assert {"200", "202", "400", "413"} <= set(upload["responses"])
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            refusals = {
                status: set(response["content"])
                for status, response in operation["responses"].items()
                if status >= "400"
            }
            if not path.startswith("/health"):
                assert set(map(frozenset, refusals.values())) == {frozenset({"application/problem+json"})}
                assert "503" in refusals
            if "parameters" in operation or "requestBody" in operation:
                assert "400" in refusals, path
            if path.endswith("_id}") or "_id}/" in path:
                assert "404" in refusals, path


async def test_what_no_database_can_hold_is_refused(tmp_path, database_url: str):
    async with running(tmp_path, database=database_url) as api:
        for path in (
            "/v1/documents/%00",
            "/v1/documents/a%00b/content",
            "/v1/documents/%00/text",
            "/v1/documents/%00/units",
            "/v1/documents?source=%00",
            "/v1/documents?collection=%00",
            "/v1/documents?cursor=%00",
            "/v1/jobs/%00",
            "/v1/jobs/%00/events",
            "/v1/jobs?document_id=%00",
        ):
            assert_problem(await api.client.get(path), 400, "invalid_request")
        assert_problem(await api.client.post("/v1/jobs/%00/cancel"), 400, "invalid_request", "job_id", "NUL")
        assert_problem(await api.client.delete("/v1/documents/%00"), 400, "invalid_request", "NUL")
        for half_a_pair in ("/v1/documents/%ED%A0%80", "/v1/jobs/%ED%A0%80"):
            assert_problem(await api.client.get(half_a_pair), 404, "not_found")
        assert (await api.client.get("/v1/documents?source=%ED%A0%80")).json()["documents"] == []
