"""The remote reranker against a real HTTP server on loopback."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from docradar.errors import ConfigurationError, RerankError, UnavailableError
from docradar.reranking.remote import RemoteReranker
from docradar.reranking.service import RerankService
from docradar.settings import Settings
from tests.rerankers import WordReranker

KEY = "sk-very-secret"
Reply = tuple[int, dict[str, str], Any]


@dataclass
class RerankServer:
    """Answers as Jina does, best first, after whatever is in `failures`. `requests` holds the bodies received."""

    failures: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    url: str = ""

    def reply(self, path: str, body: dict[str, Any]) -> Reply:
        if path != "/v1/rerank":
            return 404, {}, {"error": "no such route"}
        self.requests.append(body)
        if self.failures:
            return self.failures.pop(0)
        scores = WordReranker().rerank(body["query"], body["documents"])
        best = np.argsort(-scores, kind="stable")[: body["top_n"]]
        results = [{"index": int(i), "relevance_score": float(scores[i])} for i in best]
        return 200, {}, {"model": body["model"], "usage": {"total_tokens": 7}, "results": results}


@pytest.fixture
def server() -> Iterator[RerankServer]:
    state = RerankServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            state.keys.add(self.headers.get("Authorization", ""))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, content = state.reply(self.path, body)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    state.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def reranker(server: RerankServer, waits: list[float]) -> Iterator[RemoteReranker]:
    """With its waits between attempts recorded instead of waited."""
    reranker = RemoteReranker(server.url, "fake", api_key=KEY, sleep=waits.append)
    yield reranker
    reranker.close()


def test_scores_come_back_in_the_order_of_the_texts(reranker: RemoteReranker, server: RerankServer) -> None:
    scores = reranker.rerank("refund days", ["login", "refund in days", "days"])
    assert scores.dtype == np.float32
    assert scores.tolist() == [0.0, 1.0, 0.5]
    assert server.requests == [
        {
            "model": "fake",
            "query": "refund days",
            "documents": ["login", "refund in days", "days"],
            "top_n": 3,
        }
    ]
    assert server.keys == {f"Bearer {KEY}"}
    assert reranker.rerank("refund", []).shape == (0,)
    reranker.rerank("refund", ["a"], "Find the policy")
    assert server.requests[-1]["instruction"] == "Find the policy"


def test_what_passes_is_tried_once_more(
    reranker: RemoteReranker, server: RerankServer, waits: list[float]
) -> None:
    server.failures = [(429, {"Retry-After": "1"}, {})]
    assert reranker.rerank("a", ["a"]).tolist() == [1.0]
    assert waits == [1.0]


def test_a_long_retry_after_is_handed_on(
    reranker: RemoteReranker, server: RerankServer, waits: list[float]
) -> None:
    server.failures = [(503, {"Retry-After": "120"}, {})]
    with pytest.raises(UnavailableError) as failure:
        reranker.rerank("a", ["a"])
    assert (failure.value.retry_after_seconds, waits) == (120, [])


def test_an_outage_says_where_without_the_key(
    reranker: RemoteReranker, server: RerankServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.failures = [(500, {}, {"error": f"the key {KEY} is tired"})] * 2
    with caplog.at_level(logging.DEBUG), pytest.raises(UnavailableError) as failure:
        reranker.rerank("a", ["a"])
    assert f"the rerank endpoint {server.url} cannot answer now" in str(failure.value)
    assert KEY not in str(failure.value) + caplog.text


def test_nobody_there_is_an_outage(unused_tcp_port: int) -> None:
    reranker = RemoteReranker(f"http://127.0.0.1:{unused_tcp_port}/v1", "fake", sleep=lambda _: None)
    with pytest.raises(UnavailableError, match="does not answer: ConnectError"):
        reranker.rerank("a", ["a"])
    reranker.close()


def test_a_refusal_is_not_repeated(
    reranker: RemoteReranker, server: RerankServer, waits: list[float]
) -> None:
    server.failures = [(422, {}, {"detail": "unknown model"})]
    with pytest.raises(RerankError, match=r"refused: HTTP 422 .*unknown model"):
        reranker.rerank("a", ["a"])
    assert waits == []


def results(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    return {"results": [{"index": index, "relevance_score": score} for index, score in pairs]}


GARBAGE: dict[str, Callable[[], Any]] = {
    "no JSON": lambda: b"<html>hello</html>",
    "another object": lambda: {"answer": 42},
    "a list": lambda: [1, 2],
    "null": lambda: None,
    "results of text": lambda: {"results": ["a", "b"]},
    "no score": lambda: {"results": [{"index": 0}, {"index": 1}]},
    "text for a score": lambda: results((0, "high"), (1, 0.5)),
    "one missing": lambda: results((0, 0.5)),
    "one twice": lambda: results((0, 0.5), (0, 0.5)),
    "one too many": lambda: results((0, 0.5), (1, 0.5), (2, 0.5)),
    "an index beyond": lambda: results((0, 0.5), (2, 0.5)),
    "a negative index": lambda: results((0, 0.5), (-1, 0.5)),
    "an index as text": lambda: results((0, 0.5), ("1", 0.5)),
    "an index as truth": lambda: results((0, 0.5), (True, 0.5)),
    "logits": lambda: results((0, 7.5), (1, -3.0)),
    "no number": lambda: results((0, 0.5), (1, float("nan"))),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_an_error_that_names_the_endpoint(
    reranker: RemoteReranker, server: RerankServer, garbage: str
) -> None:
    server.failures = [(200, {}, GARBAGE[garbage]())]
    with pytest.raises(RerankError, match=server.url):
        reranker.rerank("a", ["a", "b"])


def test_no_url_is_the_operators() -> None:
    with pytest.raises(ConfigurationError, match="setting rerank_url must look like"):
        RemoteReranker("ftp://host/v1", "fake")


async def test_the_settings_lead_here(server: RerankServer) -> None:
    settings = Settings(rerank_url=server.url, reranker="fake", rerank_api_key=KEY)
    service = RerankService.from_settings(settings)
    assert await service.rerank("a b", ["b", "a b"]) == [0.5, 1.0], (
        "the first call is answered, not turned away"
    )
    assert server.keys == {f"Bearer {KEY}"}
    await service.close()
