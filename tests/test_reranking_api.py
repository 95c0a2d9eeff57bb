"""`POST /v1/rerank` in-process, and over HTTP with docradar's own remote reranker as its client."""

import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from docradar.errors import ConfigurationError, RerankError
from docradar.reranking import service as reranking
from docradar.reranking.remote import RemoteReranker
from docradar.settings import Settings
from service.app import create_app
from tests.api import Api, assert_problem, running
from tests.rerankers import WordReranker, loading_until

DOCUMENTS = ["login error", "refund in days", "days"]


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> WordReranker:
    """The reranker of every service that starts in this test."""
    words = WordReranker()
    monkeypatch.setattr("docradar.reranking.choice.load_reranker", lambda _: words)
    return words


@pytest.fixture
async def api(tmp_path: Path, words: WordReranker) -> AsyncIterator[Api]:
    async with running(tmp_path, wait=False, embedded_worker=False, reranker="words") as api:
        yield api


async def asked(api: Api, **fields: Any) -> dict[str, Any]:
    body = {"query": "refund days", "documents": DOCUMENTS} | fields
    response = await api.client.post("/v1/rerank", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_the_best_come_first(api: Api) -> None:
    assert await asked(api) == {
        "model": "words",
        "results": [
            {"index": 1, "relevance_score": 1.0},
            {"index": 2, "relevance_score": 0.5},
            {"index": 0, "relevance_score": 0.0},
        ],
    }
    same = await asked(api, documents=["days", "days"])
    assert [result["index"] for result in same["results"]] == [0, 1]


async def test_top_n_and_documents(api: Api) -> None:
    answer = await asked(api, top_n=1, return_documents=True, model="words", instruction="Find the policy")
    assert answer["results"] == [{"index": 1, "relevance_score": 1.0, "document": "refund in days"}]
    empty = await asked(api, documents=["", "days"], return_documents=True, top_n=50)
    assert [result["document"] for result in empty["results"]] == ["days", ""]


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"query": ""}, ["query is empty"]),
    ({"query": " \u0000\u200b"}, ["query is empty", "nothing that can be seen"]),
    ({"query": "x" * 8001}, ["8,001", "8,000"]),
    ({"documents": []}, ["documents"]),
    ({"documents": [""] * 10_000}, ["documents", "1000"]),
    ({"documents": ["x" * 100_001]}, ["documents", "100000"]),
    ({"documents": [{"text": "x"}]}, ["documents"]),
    ({"top_n": 0}, ["top_n"]),
    ({"instruction": "x" * 1001}, ["instruction", "1000"]),
    ({"model": "gpt-4"}, ["'gpt-4'", "'words'"]),
    ({"return_document": True}, ["return_document"]),
]


async def test_what_cannot_be_used_is_told(api: Api) -> None:
    for fields, words in REFUSED:
        body = {"query": "refund days", "documents": DOCUMENTS} | fields
        response = await api.client.post("/v1/rerank", json=body)
        assert_problem(response, 400, "invalid_request", *words)


async def test_no_json_is_told(api: Api) -> None:
    header = {"Content-Type": "application/json"}
    lone_surrogates = (
        b'{"query": "\\ud800", "documents": ["a"]}',
        b'{"query": "a", "documents": ["\\ud800"]}',
    )
    for raw in (*lone_surrogates, b"[]", b"{", b""):
        response = await api.client.post("/v1/rerank", content=raw, headers=header)
        assert_problem(response, 400, "invalid_request")


async def test_a_body_beyond_the_limit_is_refused(api: Api) -> None:
    body = {"query": "refund", "documents": ["x" * 99_000] * 11}
    assert_problem(await api.client.post("/v1/rerank", json=body), 413, "too_large")


async def test_a_reranker_that_loads_says_when_to_come_back(
    tmp_path: Path, words: WordReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    monkeypatch.setattr(reranking, "_SOON_SECONDS", 0.01)
    load = loading_until(go, words)
    monkeypatch.setattr("docradar.reranking.choice.load_reranker", lambda _: load())
    async with running(tmp_path, wait=False, embedded_worker=False) as api:
        body = {"query": "refund", "documents": DOCUMENTS}
        response = await api.client.post("/v1/rerank", json=body)
        assert_problem(response, 503, "model_loading", "Qwen/Qwen3-Reranker-0.6B is loading")
        assert int(response.headers["Retry-After"]) >= 1
        go.set()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("no such model; set reranker"), "configuration"),
        (RerankError("nan"), "rerank_failed"),
    ],
)
async def test_a_failure_is_told(
    tmp_path: Path,
    words: WordReranker,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
) -> None:
    def fail(*_: object) -> WordReranker:
        raise error

    if code == "configuration":
        monkeypatch.setattr("docradar.reranking.choice.load_reranker", fail)
    else:
        monkeypatch.setattr(words, "rerank", fail)
    async with running(tmp_path, wait=False, embedded_worker=False) as api:
        response = await api.client.post("/v1/rerank", json={"query": "a", "documents": ["a"]})
        assert_problem(response, 503, code, str(error))


@pytest.fixture
def served(tmp_path: Path, words: WordReranker, unused_tcp_port: int) -> Iterator[str]:
    """The base URL of a service that only reranks, in a thread."""
    app = create_app(Settings(data_dir=tmp_path, reranker="words"), load_engine=False)
    server = uvicorn.Server(uvicorn.Config(app, port=unused_tcp_port, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{unused_tcp_port}/v1"
    server.should_exit = True
    thread.join()


def test_one_docradar_reranks_through_another(served: str, words: WordReranker) -> None:
    reranker = RemoteReranker(served, "words")
    scores = reranker.rerank("refund days", DOCUMENTS, "Find the policy")
    assert scores.tolist() == [0.0, 1.0, 0.5]
    reranker.close()
    other = RemoteReranker(served, "another")
    with pytest.raises(RerankError, match=r"refused: HTTP 400.*'another'.*'words'"):
        other.rerank("refund", ["a"])
    other.close()
