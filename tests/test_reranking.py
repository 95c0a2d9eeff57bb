"""The queue in front of a reranker that can be held still, so that order is a fact and not a matter of timing."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from docradar.errors import (
    ConfigurationError,
    ModelLoadingError,
    OverloadedError,
    RerankError,
    UnavailableError,
)
from docradar.reranking import service as reranking
from docradar.reranking.protocol import Reranker
from docradar.reranking.service import RerankService
from docradar.settings import Settings
from tests.rerankers import WordReranker, loading_until

LONG = [f"text {i} " + "x" * 400 for i in range(40)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  (threads change it)
            await asyncio.sleep(0.005)


async def entered(model: WordReranker) -> None:
    """Returns when the model has been asked once more."""
    assert await asyncio.to_thread(model.entered.acquire, True, 10)


@pytest.fixture
def model() -> WordReranker:
    return WordReranker()


@pytest.fixture
async def service(model: WordReranker) -> AsyncIterator[RerankService]:
    service = RerankService(model.model, lambda: model, queue_length=3)
    yield service
    model.go.set()
    await service.close()


async def held(
    service: RerankService, model: WordReranker, query: str = "first"
) -> "asyncio.Task[list[float]]":
    """A call that the model is at, and stays at until `go` is set."""
    await service.rerank("warm", ["warm"])
    await entered(model)
    model.go.clear()
    task = asyncio.create_task(service.rerank(query, ["first"]))
    await entered(model)
    return task


async def test_scores_come_in_the_order_of_the_texts(service: RerankService) -> None:
    scores = await service.rerank("refund days", ["a much longer text: refund in days", "login", "days"])
    assert scores == [1.0, 0.0, 0.5]
    assert all(type(score) is float for score in scores)
    assert await service.rerank("refund", []) == []
    assert service.model == "words"


async def test_nothing_loads_before_the_first_call(model: WordReranker) -> None:
    loaded: list[bool] = []

    def load() -> Reranker:
        loaded.append(True)
        return model

    service = RerankService("words", load)
    assert await service.rerank("q", []) == []
    await asyncio.sleep(0.02)
    assert loaded == []
    await service.rerank("q", ["a"])
    await service.rerank("q", ["a"])
    assert loaded == [True]
    await service.close()
    assert model.closed


async def test_a_long_load_is_told_at_once(model: WordReranker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reranking, "_SOON_SECONDS", 0.01)
    go = threading.Event()
    service = RerankService("words", loading_until(go, model))
    for _ in range(2):
        with pytest.raises(ModelLoadingError, match="reranker words is loading") as failure:
            await service.rerank("q", ["a"])
        assert failure.value.retry_after_seconds > 0
    go.set()
    await until(lambda: service._state is reranking._State.READY)
    assert await service.rerank("a", ["a"]) == [1.0]
    await service.close()


async def test_a_failed_load_is_told_and_tried_again_after_a_pause(model: WordReranker) -> None:
    outcomes: list[Exception | Reranker] = [ConfigurationError("no such model"), OSError("disk"), model]
    tries = 0

    def load() -> Reranker:
        nonlocal tries
        outcome = outcomes[tries]
        tries += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    service = RerankService("words", load, failed_pause_seconds=60)
    for _ in range(3):
        with pytest.raises(ConfigurationError, match="no such model"):
            await service.rerank("q", ["a"])
    assert tries == 1
    service._failed_pause_seconds = 0
    with pytest.raises(ConfigurationError, match=r"words cannot be loaded: OSError\('disk'\)"):
        await service.rerank("q", ["a"])
    assert await service.rerank("a", ["a"]) == [1.0]
    await service.close()


async def test_a_short_call_does_not_wait_for_a_long_one(
    service: RerankService, model: WordReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranking, "_LONGEST_STEP_BYTES", 2_000)
    first = await held(service, model)
    long = asyncio.create_task(service.rerank("long", LONG))
    short = asyncio.create_task(service.rerank("short", ["short"]))
    await asyncio.sleep(0)
    await until(lambda: len(service._calls) == 2)
    model.go.set()
    assert await short == [1.0]
    assert await first == [1.0]
    assert await long == [0.0] * len(LONG)
    order = [query for query, _ in model.calls[2:]]
    assert order[:2] == ["long", "short"]
    assert order.count("long") > 10
    asked = sorted(text for query, texts in model.calls if query == "long" for text in texts)
    assert asked == sorted(LONG)


async def test_a_full_queue_refuses(service: RerankService, model: WordReranker) -> None:
    tasks = [await held(service, model)]
    tasks += [asyncio.create_task(service.rerank("next", ["next"])) for _ in range(3)]
    await until(lambda: len(service._calls) == 3)
    with pytest.raises(OverloadedError, match="rerank_queue_length") as failure:
        await service.rerank("q", ["a"])
    assert failure.value.retry_after_seconds >= 1
    model.go.set()
    assert await asyncio.gather(*tasks) == [[1.0]] * 4


async def test_a_cancelled_call_is_dropped(service: RerankService, model: WordReranker) -> None:
    first = await held(service, model)
    dropped = asyncio.create_task(service.rerank("dropped", ["a"]))
    await until(lambda: len(service._calls) == 1)
    dropped.cancel()
    await asyncio.gather(dropped, return_exceptions=True)
    first.cancel()  # while the model is at it
    await asyncio.gather(first, return_exceptions=True)
    model.go.set()
    assert await service.rerank("next", ["next"]) == [1.0]
    assert "dropped" not in [query for query, _ in model.calls]


async def test_a_failure_is_its_callers_alone(service: RerankService, model: WordReranker) -> None:
    first = await held(service, model)
    poisoned = asyncio.create_task(service.rerank("poison", ["a"]))
    after = asyncio.create_task(service.rerank("after", ["after"]))
    await until(lambda: len(service._calls) == 2)
    model.go.set()
    with pytest.raises(ValueError, match="poison"):
        await poisoned
    assert await asyncio.gather(first, after) == [[1.0], [1.0]]


@pytest.mark.parametrize("scores", [[0.5], [0.5, 1.5], [0.5, np.nan], [-0.1, 0.5]])
async def test_what_is_no_relevance_is_refused(
    service: RerankService, model: WordReranker, monkeypatch: pytest.MonkeyPatch, scores: list[float]
) -> None:
    monkeypatch.setattr(model, "rerank", lambda *_: np.array(scores, np.float32))
    with pytest.raises(RerankError, match="for 2 texts"):
        await service.rerank("q", ["a", "b"])


async def test_closing_ends_every_call(service: RerankService, model: WordReranker) -> None:
    running = await held(service, model)
    waiting = asyncio.create_task(service.rerank("next", ["next"]))
    await until(lambda: len(service._calls) == 1)
    closing = asyncio.create_task(service.close())
    await until(lambda: service._state is reranking._State.CLOSED)
    model.go.set()
    assert await running == [1.0]
    with pytest.raises(UnavailableError, match="shutting down"):
        await waiting
    await closing
    assert model.closed
    with pytest.raises(UnavailableError, match="shutting down"):
        await service.rerank("q", ["a"])


async def test_closing_does_not_wait_for_a_model_that_loads(
    model: WordReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reranking, "_SOON_SECONDS", 0.01)
    go = threading.Event()
    service = RerankService("words", loading_until(go, model))
    with pytest.raises(ModelLoadingError):
        await service.rerank("q", ["a"])
    async with asyncio.timeout(1):
        await service.close()
    assert not model.closed
    go.set()
    await until(lambda: model.closed)


def test_the_settings_name_it(tmp_path: Path) -> None:
    folder = tmp_path / "my-reranker"
    folder.mkdir()
    assert RerankService.from_settings(Settings()).model == "Qwen/Qwen3-Reranker-0.6B"
    assert RerankService.from_settings(Settings(reranker=str(folder))).model == "my-reranker"
    remote = Settings(reranker="jina-reranker", rerank_url="http://127.0.0.1:1/v1")
    assert RerankService.from_settings(remote).model == "jina-reranker"
    with pytest.raises(ConfigurationError, match="setting rerank_url must look like"):
        RerankService.from_settings(Settings(rerank_url="localhost:8000"))
