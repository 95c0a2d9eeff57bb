"""What the clients say and wait for, driven by hand: no socket, no clock but for deadlines."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from docradar.client import (
    AsyncClient,
    Client,
    ConflictError,
    ConnectionFailedError,
    DocradarApiError,
    EngineFailedError,
    IngestFailedError,
    InvalidRequestError,
    InvalidUrlError,
    NotFoundError,
    SearchResponse,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)
from docradar.client.calls import Calls
from docradar.client.exchange import Answer, Flow, NoAnswer, Request

T = TypeVar("T")

LOADING = {"status": "loading", "stage": "unpacking", "seconds": 1, "model": None, "error": None}
READY = {"status": "ready", "stage": "", "seconds": 1, "model": "m", "error": None}
EMPTY = {"results": []}


def answer(body: object, status: int = 200, **headers: str) -> Answer:
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return Answer(status, named, msgspec.json.encode(body))


def problem(status: int, code: str = "code", **headers: str) -> Answer:
    return answer({"detail": "why", "code": code, "request_id": "r"}, status, **headers)


def job(state: str, **fields: Any) -> Answer:
    return answer(job_body(state, **fields))


def job_body(state: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "j", "kind": "ingest", "state": state, "document_id": "d", "created_at": datetime.now(UTC),
    } | fields  # fmt: skip


def drive(flow: Flow[T], *answers: Answer | NoAnswer) -> tuple[T, list[Request]]:
    """What the flow comes to, and what it asked; every answer is used up."""
    asked = [next(flow)]
    for index, given in enumerate(answers):
        try:
            asked.append(flow.send(given))
        except StopIteration as end:
            assert index == len(answers) - 1, "it wanted fewer answers"
            return end.value, asked
    raise AssertionError(f"it wants another answer, to {asked[-1]}")


def refused(error: type[Exception], flow: Flow[Any], *answers: Answer | NoAnswer) -> list[Request]:
    """What the flow asked before it ended in the error."""
    asked = [next(flow)]
    *served, last = answers
    asked.extend(flow.send(given) for given in served)
    with pytest.raises(error):
        flow.send(last)
    return asked


@pytest.fixture
def calls() -> Calls:
    return Calls("http://service", retries=2)


def test_only_what_is_given_is_sent(calls: Calls) -> None:
    _, [request] = drive(calls.search("q"), answer(EMPTY))
    assert request == Request("POST", "/v1/search", json={"query": "q"}, repeatable=True)
    options: dict[str, Any] = {
        "limit": 3,
        "mode": "hybrid",
        "rerank": {"candidates": 20},
        "context": {"before": 1, "after": 2},
        "min_score": {"cosine": 0.5},
        "fold": False,
    }
    _, [request] = drive(calls.search("q", **options, filter=None), answer(EMPTY))
    assert request.json == {"query": "q"} | options
    batch = calls.search_batch(["a", {"query": "b", "limit": 2, "mode": None}])
    _, [request] = drive(batch, answer({"responses": [EMPTY, EMPTY]}))
    assert request.json == {"searches": [{"query": "a"}, {"query": "b", "limit": 2}]}
    _, [request] = drive(calls.similar("a/b", limit=2), answer(EMPTY))
    assert (request.path, request.json) == ("/v1/units/a%2Fb/similar", {"limit": 2})
    for fields in ("source", ["source"]):
        facets = calls.facets(fields, filter={"tags": ["x"]}, limit=5)
        _, [request] = drive(facets, answer({"facets": []}))
        assert request.params == {
            "field": ["source"], "filter": '{"tags":["x"]}', "collection": None, "limit": 5
        }  # fmt: skip
    _, [request] = drive(calls.put_collection("c", fields={"due": "datetime"}), answer({"name": "c"}))
    assert (request.method, request.path) == ("PUT", "/v1/collections/c")
    assert request.json == {"fields": {"due": "datetime"}}
    _, [request] = drive(calls.rerank("q", ("a", "b"), top_n=1), answer({"results": []}))
    assert request.json == {"query": "q", "documents": ["a", "b"], "top_n": 1}


def test_a_forms_fields_are_text(calls: Calls, tmp_path: Path) -> None:
    flow = calls.upload(tmp_path / "a", tags=["x", "y"], meta={"n": 1}, prune=True, title=None, source="s")
    _, [request] = drive(flow, answer({"jobs": [job_body("queued")]}, 202))
    assert request.upload is not None
    assert request.upload.fields == {"tags": ["x", "y"], "meta": '{"n":1}', "prune": "true", "source": "s"}


def test_what_a_newer_service_adds_is_ignored_and_what_an_older_lacks_has_a_default(calls: Calls) -> None:
    result = {
        "unit_id": "u",
        "text": "t",
        "score": 1,
        "document": {"id": "d", "colour": "blue"},
        "provenance": {"char_start": 0, "char_end": 1, "ordinal": 0, "kind": "a_new_kind", "volume": 3},
    }
    found, _ = drive(calls.search("q"), answer({"results": [result], "hue": 1, "took_ms": {"dream": 1.0}}))
    assert isinstance(found, SearchResponse)
    assert (found[0].provenance.kind, found[0].strong, found[0].highlights) == ("a_new_kind", None, [])
    assert (found.answered, found.groups, found.took_ms.total) == (None, [], 0.0)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidRequestError),
        (401, UnauthorizedError),
        (403, UnauthorizedError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, TooLargeError),
        (429, UnavailableError),
        (500, DocradarApiError),
        (503, UnavailableError),
    ],
)
def test_each_status_has_its_error(calls: Calls, status: int, error: type[DocradarApiError]) -> None:
    with pytest.raises(error) as raised:
        drive(calls.document("d"), problem(status, "a_code"))
    assert type(raised.value) is error
    assert (raised.value.status, raised.value.code) == (status, "a_code")
    assert (raised.value.detail, raised.value.request_id) == ("why", "r")


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b"\xff", b'{"detail": "Not Found"}'])
@pytest.mark.parametrize("status", [200, 302, 404, 502])
def test_what_docradar_does_not_say_is_told(calls: Calls, status: int, body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match=f"GET /v1/documents/d was answered with {status}"):
        drive(calls.document("d"), Answer(status, {}, body))


def test_a_request_that_was_turned_away_is_made_again_so_often(calls: Calls) -> None:
    away = problem(503, retry_after="2")
    found, asked = drive(calls.search("q"), away, problem(429, retry_after="3"), answer(EMPTY))
    assert len(found) == 0
    assert [request.after_seconds for request in asked] == [0, 2, 3]
    assert {(request.path, str(request.json)) for request in asked} == {("/v1/search", "{'query': 'q'}")}
    with pytest.raises(UnavailableError) as raised:
        drive(calls.search("q"), away, away, away)
    assert raised.value.retry_after_seconds == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda calls: calls.retry("j"),
        lambda calls: calls.cancel("j"),
        lambda calls: calls.request("POST", "/v1/unknown"),
    ],
)
def test_what_may_not_be_repeated_is_not(calls: Calls, call: Callable[[Calls], Flow[Any]]) -> None:
    assert len(refused(UnavailableError, call(calls), problem(503, retry_after="1"))) == 1


def test_a_service_that_asks_for_too_much_or_no_patience_is_an_error_at_once(calls: Calls) -> None:
    for headers in ({}, {"retry_after": "3600"}, {"retry_after": "soon"}):
        assert len(refused(UnavailableError, calls.search("q"), problem(503, **headers))) == 1
    impatient = Calls("http://service", retries=0)
    refused(UnavailableError, impatient.search("q"), problem(503, retry_after="1"))


def test_nobody_there_is_told_with_the_url_and_the_remedy(calls: Calls) -> None:
    for error, words in (
        (httpx.ConnectError("refused"), "no answer from http://service: refused; is the service running"),
        (httpx.ReadTimeout(""), r"no answer from http://service in time \(ReadTimeout\).*longer timeout"),
    ):
        with pytest.raises(ConnectionFailedError, match=words):
            drive(calls.health(), NoAnswer(error))


def test_waiting_looks_less_and_less_often_and_ends_with_the_job(calls: Calls) -> None:
    ended, asked = drive(calls.wait("j"), *[job("queued")] * 5, *[job("running")] * 15, job("failed"))
    assert ended.state == "failed"
    between = [request.after_seconds for request in asked]
    assert between[0] == 0
    assert between == sorted(between)
    assert 0 < between[1] < 0.1
    assert between[-1] == 1.0
    with pytest.raises(StopIteration):
        next(calls.wait(ended))  # it has ended: there is nothing to ask


def test_waiting_ends_in_time(calls: Calls) -> None:
    with pytest.raises(WaitTimeoutError, match=r"job j is running \(2 of 7\) after 0 s"):
        drive(calls.wait("j", timeout=0), job("running", done=2, total=7))
    flow = calls.wait("j", timeout=100)
    next(flow)
    assert flow.send(job("running")).after_seconds > 0
    with pytest.raises(TimeoutError):
        drive(calls.wait_until_ready(0), answer(LOADING, 503))


def test_a_job_that_ends_badly_is_an_error_that_names_the_file(calls: Calls) -> None:
    for state, error, words in (
        ("failed", "no text in it", r"prd\.pdf: no text in it"),
        ("canceled", None, r"prd\.pdf: canceled"),
    ):
        with pytest.raises(IngestFailedError, match=words) as raised:
            drive(
                calls.add(Path("specs/prd.pdf")),
                answer({"jobs": [job_body("queued")]}, 202),
                job(state, error=error),
            )
        assert raised.value.job.state == state


def test_readiness_is_waited_for_and_a_failed_engine_is_not(calls: Calls) -> None:
    readiness, asked = drive(calls.wait_until_ready(), answer(LOADING, 503), answer(READY))
    assert readiness.ready
    assert asked[1].after_seconds > 0
    failed = LOADING | {"status": "failed", "error": "no model there"}
    with pytest.raises(EngineFailedError, match="no model there"):
        drive(calls.wait_until_ready(), answer(failed, 503))


def test_a_service_that_does_not_listen_yet_is_waited_for_where_the_wait_has_an_end(calls: Calls) -> None:
    nobody = NoAnswer(httpx.ConnectError("refused"))
    readiness, _ = drive(calls.wait_until_ready(60), nobody, nobody, answer(READY))
    assert readiness.ready
    for timeout in (None, 0):
        refused(ConnectionFailedError, calls.wait_until_ready(timeout), nobody)


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "127.0.0.1", "ftp://host", "http://", "http://host:port"]
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_what_is_no_url_is_refused(url: str, kind: type[Client | AsyncClient]) -> None:
    with pytest.raises(InvalidUrlError, match="must look like http://host:port"):
        kind(url)


@pytest.fixture
def seen() -> list[httpx.Request]:
    return []


@pytest.fixture
def transport(seen: list[httpx.Request]) -> Iterator[httpx.MockTransport]:
    """An answer to everything, over which both clients' requests can be looked at."""

    def answered(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        return httpx.Response(200, json=EMPTY)

    return httpx.MockTransport(answered)


async def test_the_key_the_prefix_and_the_timeout_are_on_every_request(
    transport: httpx.MockTransport, seen: list[httpx.Request]
) -> None:
    options: dict[str, Any] = {"api_key": "secret", "timeout": 7.0, "transport": transport}
    with Client("http://host/prefix/", **options) as client:
        client.search("退款")
    async with AsyncClient("http://host/prefix/", **options) as asynchronous:
        await asynchronous.search("退款")
    for request in seen:
        assert str(request.url) == "http://host/prefix/v1/search"
        assert request.headers["authorization"] == "Bearer secret"
        assert request.headers["content-type"] == "application/json"
        assert request.content == '{"query":"退款"}'.encode()
        assert request.extensions["timeout"]["read"] == 7.0
    assert seen[0].url == seen[1].url


async def test_a_given_http_client_stays_open(transport: httpx.MockTransport) -> None:
    with httpx.Client(transport=transport) as http:
        with Client(http_client=http) as client:
            client.search("q")
        assert not http.is_closed
    async with httpx.AsyncClient(transport=transport) as asynchronous:
        async with AsyncClient(http_client=asynchronous) as client:
            await client.search("q")
        assert not asynchronous.is_closed
    with Client(transport=transport) as own:
        pass
    assert own._http.is_closed


class Weighing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Turns the first upload away and takes the second; `chunks` are the sizes of what came in for each."""

    def __init__(self) -> None:
        self.chunks: list[list[int]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        return self._answered([len(chunk) for chunk in request.stream])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        return self._answered([len(chunk) async for chunk in request.stream])

    def _answered(self, chunks: list[int]) -> httpx.Response:
        self.chunks.append(chunks)
        if len(self.chunks) == 1:
            return httpx.Response(503, headers={"Retry-After": "0"})
        return httpx.Response(202, content=msgspec.json.encode({"jobs": [job_body("queued")]}))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
async def test_a_file_is_read_while_it_is_sent_and_whole_the_second_time(
    kind: type[Client | AsyncClient], tmp_path: Path
) -> None:
    path, size_bytes, transport = tmp_path / "large.bin", 5_000_000, Weighing()
    with path.open("wb") as file:
        file.truncate(size_bytes)
    if kind is Client:
        with Client(transport=transport) as client:
            client.upload(path)
    else:
        async with AsyncClient(transport=transport) as asynchronous:
            await asynchronous.upload(path)
    first, second = transport.chunks
    assert sum(first) == sum(second) > size_bytes
    assert max(second) < 1_000_000
