"""The remote embedder against a real HTTP server on loopback."""

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from docradar.documents import Passage, Span
from docradar.embedding.choice import load_embedder
from docradar.embedding.protocol import Recipe
from docradar.embedding.remote import Endpoint, RemoteEmbedder, shown_url
from docradar.errors import ConfigurationError, EmbeddingError, UnavailableError
from docradar.settings import Settings
from tests.fakes import FakeEmbedder

KEY = "sk-very-secret"
Reply = tuple[int, dict[str, str], Any]


@dataclass
class EmbeddingServer:
    """Answers as OpenAI does, after whatever is in `failures`. `requests` holds the bodies received."""

    model: FakeEmbedder = field(default_factory=FakeEmbedder)
    failures: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    takes_base64: bool = True
    url: str = ""

    def reply(self, path: str, body: dict[str, Any] | None) -> Reply:
        if path == "/v1/models":
            return 200, {}, {"data": [{"id": "fake-model"}]}
        if path != "/v1/embeddings" or body is None:
            return 404, {}, {"error": {"message": "no such route"}}
        self.requests.append(body)
        if self.failures:
            return self.failures.pop(0)
        if body["encoding_format"] == "base64" and not self.takes_base64:
            return 400, {}, {"error": {"message": "encoding_format is not supported"}}
        vectors = 3 * self.model.embed_queries(body["input"])  # not normalised, as some servers are
        entries = [
            {"index": i, "embedding": _encoded(v, body["encoding_format"])} for i, v in enumerate(vectors)
        ]
        return 200, {}, {"data": entries[::-1]}


def _encoded(vector: np.ndarray, encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(x) for x in vector]


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    state = EmbeddingServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self) -> None:
            self._answer(None)

        def _answer(self, body: dict[str, Any] | None) -> None:
            state.keys.add(self.headers.get("Authorization", ""))
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
def embedder(server: EmbeddingServer, waits: list[float]) -> Iterator[RemoteEmbedder]:
    """Connected, with its waits between attempts recorded instead of waited."""
    endpoint = Endpoint(server.url, KEY, sleep=waits.append)
    yield RemoteEmbedder(endpoint, "fake-model", dim=16)
    endpoint.close()


def test_connect_learns_model_and_dimension(server: EmbeddingServer) -> None:
    embedder = RemoteEmbedder.connect(server.url + "/", api_key=KEY)
    assert (embedder.profile.id, embedder.profile.dim) == ("fake-model", 16)
    assert embedder.profile.recipe is Recipe.PLAIN
    assert server.keys == {f"Bearer {KEY}"}
    embedder.close()


def test_vectors_are_the_endpoints_normalised_and_in_order(embedder: RemoteEmbedder) -> None:
    texts = [f"text number {i}" for i in range(70)]
    passages = [Passage.whole(text) for text in texts]
    expected = FakeEmbedder().embed_queries(texts)
    np.testing.assert_allclose(np.concatenate(embedder.embed_passages(passages)), expected, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_queries(texts), expected, atol=1e-5)
    assert embedder.embed_passages([]) == []
    assert embedder.embed_queries([]).shape == (0, 16)


def test_several_spans_are_texts_of_their_own(embedder: RemoteEmbedder, server: EmbeddingServer) -> None:
    passage = Passage("One. Two.", (Span(0, 4), Span(5, 9)))
    in_context = Passage("Heading\nThree.", (Span(8, 14),))
    assert [len(vectors) for vectors in embedder.embed_passages([passage, in_context])] == [2, 1]
    assert server.requests[-1]["input"] == ["One.", "Two.", "Heading\nThree."]


def test_requests_are_bounded(embedder: RemoteEmbedder, server: EmbeddingServer) -> None:
    embedder.embed_queries(["short"] * 70 + ["x" * 100_000] * 2)
    assert [len(body["input"]) for body in server.requests] == [32, 32, 7, 1]


def test_numbers_where_base64_is_refused(server: EmbeddingServer) -> None:
    server.takes_base64 = False
    embedder = RemoteEmbedder.connect(server.url)
    np.testing.assert_allclose(
        embedder.embed_queries(["a b"]), FakeEmbedder().embed_queries(["a b"]), atol=1e-5
    )
    assert [body["encoding_format"] for body in server.requests] == ["base64", "float", "float"]
    embedder.close()


def test_prompts_of_known_models_are_sent(server: EmbeddingServer) -> None:
    embedder = RemoteEmbedder.connect(server.url, model="intfloat/multilingual-e5-large")
    embedder.embed_queries(["timeout"])
    embedder.embed_passages([Passage.whole("timeout")])
    assert [body["input"] for body in server.requests[1:]] == [["query: timeout"], ["passage: timeout"]]
    embedder.close()


def test_truncate_dim(server: EmbeddingServer) -> None:
    embedder = RemoteEmbedder.connect(server.url, truncate_dim=4)
    vectors = embedder.embed_queries(["a", "b"])
    assert vectors.shape == (2, 4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    embedder.close()
    with pytest.raises(ConfigurationError, match="truncate_dim is 17"):
        RemoteEmbedder.connect(server.url, truncate_dim=17)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_pass_is_tried_again(
    embedder: RemoteEmbedder, server: EmbeddingServer, waits: list[float], status: int
) -> None:
    server.failures = [(status, {}, {"error": "busy"})]
    assert len(embedder.embed_passages([Passage.whole("a")])) == 1
    assert waits == [0.5]


@pytest.mark.parametrize(
    ("given", "waited", "handed_on"),
    [
        ("1", [1.0], 1.0),
        ("7", [], 7.0),
        ("9" * 400, [], 3600.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", [0.5], 0.5),
        ("soon", [0.5], 0.5),
    ],
)
def test_a_short_retry_after_is_waited_for_and_a_long_one_handed_on(
    embedder: RemoteEmbedder,
    server: EmbeddingServer,
    waits: list[float],
    given: str,
    waited: list[float],
    handed_on: float,
) -> None:
    server.failures = [(429, {"Retry-After": given}, {})] * 20
    with pytest.raises(UnavailableError) as failure:
        embedder.embed_passages([Passage.whole("a")])
    assert waits == waited
    assert failure.value.retry_after_seconds == handed_on
    assert len(server.requests) == len(waited) + 1


def test_an_outage_is_told_after_two_tries_and_says_where_without_the_key(
    embedder: RemoteEmbedder, server: EmbeddingServer, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    server.failures = [(500, {}, {"error": {"message": f"the key {KEY} is tired"}})] * 20
    with caplog.at_level(logging.DEBUG), pytest.raises(UnavailableError) as failure:
        embedder.embed_passages([Passage.whole("a")])
    assert len(server.requests) == 2
    assert server.url in str(failure.value)
    assert "is tired" in str(failure.value)
    assert KEY not in str(failure.value) + caplog.text


def test_an_endpoint_that_went_away_is_an_outage_for_queries_too(
    waits: list[float], unused_tcp_port: int
) -> None:
    endpoint = Endpoint(f"http://127.0.0.1:{unused_tcp_port}/v1", KEY, sleep=waits.append)
    embedder = RemoteEmbedder(endpoint, "fake-model", dim=16)
    with pytest.raises(UnavailableError, match="does not answer: ConnectError"):
        embedder.embed_queries(["a"])
    assert waits == [0.5]
    embedder.close()


def test_a_refusal_is_not_repeated(
    embedder: RemoteEmbedder, server: EmbeddingServer, waits: list[float]
) -> None:
    server.failures = [(400, {}, {"error": {"message": "input too long"}})]
    with pytest.raises(EmbeddingError, match=r"refused: HTTP 400 .*input too long"):
        embedder.embed_passages([Passage.whole("a")])
    assert waits == []


GARBAGE: dict[str, Callable[[], Any]] = {
    "no JSON": lambda: b"<html>hello</html>",
    "another object": lambda: {"answer": 42},
    "a list": lambda: [1, 2],
    "a vector missing": lambda: {"data": []},
    "another dimension": lambda: {"data": [{"index": 0, "embedding": [0.5] * 7}]},
    "bad base64": lambda: {"data": [{"index": 0, "embedding": "§§§"}]},
    "text for numbers": lambda: {"data": [{"index": 0, "embedding": ["a"] * 16}]},
    "zeros": lambda: {"data": [{"index": 0, "embedding": [0.0] * 16}]},
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_an_error_that_names_the_endpoint(
    embedder: RemoteEmbedder, server: EmbeddingServer, garbage: str
) -> None:
    server.failures = [(200, {}, GARBAGE[garbage]())]
    with pytest.raises(EmbeddingError, match=server.url):
        embedder.embed_passages([Passage.whole("a")])


def test_nobody_there_is_the_operators(unused_tcp_port: int) -> None:
    url = f"http://user:hidden@127.0.0.1:{unused_tcp_port}/v1"
    with pytest.raises(ConfigurationError, match="embedding_url") as failure:
        load_embedder(Settings(embedding_url=url, embedding_api_key=KEY), [].append)
    assert KEY not in str(failure.value)
    assert "hidden" not in str(failure.value)


@pytest.mark.parametrize(
    "url", ["http://host:port/v1", "localhost:8080/v1", "ftp://host/v1", "/v1", "http://"]
)
def test_no_url_is_the_operators(url: str) -> None:
    with pytest.raises(ConfigurationError, match="embedding_url"):
        Endpoint(url)


def test_the_settings_lead_here(server: EmbeddingServer) -> None:
    stages: list[str] = []
    embedder = load_embedder(Settings(embedding_url=server.url, model="other"), stages.append)
    assert embedder.profile.id == "other"
    assert stages == [f"asking {server.url} for its model"]
    assert isinstance(embedder, RemoteEmbedder)
    embedder.close()


def test_no_secret_of_the_url_is_told(server: EmbeddingServer) -> None:
    stages: list[str] = []
    secret = server.url.replace("http://", "http://user:hidden@")
    load_embedder(Settings(embedding_url=secret, model="other"), stages.append).close()
    assert stages == [f"asking {server.url} for its model"]
    assert shown_url("https://user:hidden@host/v1?key=hidden#hidden") == "https://host/v1"
