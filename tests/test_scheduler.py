"""The scheduler in front of fakes that can be held still, so that order is a fact and not a matter of timing."""

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from docradar.documents import Passage
from docradar.embedding.protocol import Vectors
from docradar.embedding.scheduler import EmbeddingScheduler
from docradar.errors import EmbeddingError, OverloadedError, UnavailableError
from tests.fakes import FakeEmbedder


@dataclass
class HeldEmbedder(FakeEmbedder):
    """Stops at every call until `go` is set. `calls` is what it was asked for, in order."""

    go: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    calls: list[list[str]] = field(default_factory=list)

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        self._enter([passage.text for passage in passages])
        return super().embed_passages(passages)

    def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
        self._enter(list(queries))
        return super().embed_queries(queries, instruction)

    def _enter(self, texts: list[str]) -> None:
        self.calls.append(texts)
        self.entered.release()
        self.go.wait()
        for text in texts:
            if text.startswith("poison"):
                raise EmbeddingError(f"cannot embed {text}")

    async def wait_until_entered(self) -> None:
        await asyncio.to_thread(self.entered.acquire)


@pytest.fixture
def embedder() -> HeldEmbedder:
    return HeldEmbedder()


@pytest.fixture
async def scheduler(embedder: HeldEmbedder) -> AsyncIterator[EmbeddingScheduler]:
    scheduler = EmbeddingScheduler(embedder, queue_length=4)
    yield scheduler
    embedder.go.set()
    await scheduler.close()


def passages(*texts: str) -> list[Passage]:
    return [Passage.whole(text) for text in texts]


def long_passages(name: str, count: int) -> list[Passage]:
    """Each fills a step by itself."""
    return passages(*(f"{name}{i} " + "x" * 3_000_000 for i in range(count)))


async def begun(*calls: Callable[[], object]) -> list[asyncio.Task[object]]:
    """Each call started in order, and queued by the time this returns."""
    tasks = []
    for call in calls:
        tasks.append(asyncio.ensure_future(call()))  # type: ignore[arg-type]
        await asyncio.sleep(0)
    return tasks


async def test_results_are_those_of_the_embedder(
    embedder: HeldEmbedder, scheduler: EmbeddingScheduler
) -> None:
    embedder.go.set()
    plain = FakeEmbedder()
    np.testing.assert_array_equal(await scheduler.embed_query("a b"), plain.embed_queries(["a b"])[0])
    texts = passages(*(f"text number {i}" for i in range(300)))
    for one, other in zip(await scheduler.embed_passages(texts), plain.embed_passages(texts), strict=True):
        np.testing.assert_array_equal(one, other)
    assert await scheduler.embed_passages([]) == []
    assert scheduler.profile == plain.profile


async def test_queries_do_not_wait_for_bulk_work(
    scheduler: EmbeddingScheduler, embedder: HeldEmbedder
) -> None:
    [bulk] = await begun(lambda: scheduler.embed_passages(long_passages("a", 3)))
    await embedder.wait_until_entered()
    [query] = await begun(lambda: scheduler.embed_query("q"))
    await embedder.wait_until_entered()
    # The first step is still under way, and the query is with the model already.
    assert [call[0][:2] for call in embedder.calls] == ["a0", "q"]
    embedder.go.set()
    await asyncio.gather(bulk, query)


async def test_queries_that_wait_together_share_a_batch(
    embedder: HeldEmbedder, scheduler: EmbeddingScheduler
) -> None:
    tasks = await begun(lambda: scheduler.embed_query("first"))
    await embedder.wait_until_entered()
    tasks += await begun(*(lambda name=name: scheduler.embed_query(name) for name in "abc"))
    embedder.go.set()
    vectors = await asyncio.gather(*tasks)
    assert embedder.calls == [["first"], ["a", "b", "c"]]
    np.testing.assert_array_equal(vectors[2], FakeEmbedder().embed_queries(["b"])[0])


async def test_queries_of_different_instructions_do_not_share(
    embedder: HeldEmbedder, scheduler: EmbeddingScheduler
) -> None:
    embedder.profile = replace(embedder.profile, takes_instruction=True)
    tasks = await begun(lambda: scheduler.embed_query("first"))
    await embedder.wait_until_entered()
    tasks += await begun(
        lambda: scheduler.embed_query("a"),
        lambda: scheduler.embed_query("b", "Find code"),
        lambda: scheduler.embed_query("c", "Find code"),
    )
    embedder.go.set()
    await asyncio.gather(*tasks)
    assert embedder.calls == [["first"], ["a"], ["b", "c"]]


async def test_bulk_callers_take_turns(embedder: HeldEmbedder, scheduler: EmbeddingScheduler) -> None:
    tasks = await begun(
        lambda: scheduler.embed_passages(long_passages("a", 3)),
        lambda: scheduler.embed_passages(long_passages("b", 1)),
    )
    embedder.go.set()
    await asyncio.gather(*tasks)
    assert [call[0][:2] for call in embedder.calls] == ["a0", "b0", "a1", "a2"]


async def test_full_queue_is_refused_with_a_time_to_come_back(
    embedder: HeldEmbedder, scheduler: EmbeddingScheduler
) -> None:
    tasks = await begun(lambda: scheduler.embed_query("running"))
    await embedder.wait_until_entered()
    tasks += await begun(*(lambda: scheduler.embed_query("waiting") for _ in range(4)))
    with pytest.raises(OverloadedError, match="embedding_queue_length") as refused:
        await scheduler.embed_query("one too many")
    assert refused.value.retry_after_seconds >= 1
    embedder.go.set()
    assert len(await asyncio.gather(*tasks)) == 5


async def test_failure_reaches_only_its_own_callers(
    embedder: HeldEmbedder, scheduler: EmbeddingScheduler
) -> None:
    tasks = await begun(
        lambda: scheduler.embed_passages(passages("good")),
        lambda: scheduler.embed_passages(passages("poison passage")),
        lambda: scheduler.embed_passages(passages("good too")),
    )
    embedder.go.set()
    good, bad, good_too = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(bad, EmbeddingError)
    assert isinstance(good, list)
    assert isinstance(good_too, list)
    with pytest.raises(EmbeddingError, match="poison query"):
        await scheduler.embed_query("poison query")
    assert (await scheduler.embed_query("after")).shape == (16,)


async def test_a_wrong_count_of_vectors_fails_its_call_and_not_the_thread() -> None:
    class Miscounting(FakeEmbedder):
        def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
            vectors = super().embed_passages(passages)
            return vectors if passages[0].text == "right" else [*vectors, vectors[0]]

        def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
            return super().embed_queries(queries if queries[0] == "right" else [], instruction)

    scheduler = EmbeddingScheduler(Miscounting())
    with pytest.raises(EmbeddingError, match="0 results for 1 texts"):
        await scheduler.embed_query("wrong")
    with pytest.raises(EmbeddingError, match="2 results for 1 texts"):
        await scheduler.embed_passages(passages("wrong"))
    assert (await scheduler.embed_query("right")).shape == (16,)
    assert len(await scheduler.embed_passages(passages("right"))) == 1
    await scheduler.close()


async def test_steps_are_short_while_queries_are_about_however_fast_the_model_seems(
    embedder: HeldEmbedder, scheduler: EmbeddingScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docradar.embedding.scheduler._QUERY_MEMORY_SECONDS", math.inf)
    embedder.go.set()
    short = passages(*("x" * 300 for _ in range(60)))
    await scheduler.embed_passages(long_passages("p", 1) + short)
    assert max(map(len, embedder.calls)) == 60
    await scheduler.embed_query("somebody is here")
    embedder.calls.clear()
    await scheduler.embed_passages(short + passages("y" * 1_500, "x"))
    assert [len(call) for call in embedder.calls] == [3] * 20 + [1, 1]


async def test_cancelled_bulk_work_stops_at_the_next_step(
    embedder: HeldEmbedder, scheduler: EmbeddingScheduler
) -> None:
    [task] = await begun(lambda: scheduler.embed_passages(long_passages("p", 3)))
    await embedder.wait_until_entered()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    embedder.go.set()
    await scheduler.embed_query("after")
    await scheduler.embed_passages(passages("after"))
    assert [call[0][:5] for call in embedder.calls] == ["p0 xx", "after", "after"]


async def test_cancelled_query_is_never_embedded(
    embedder: HeldEmbedder, scheduler: EmbeddingScheduler
) -> None:
    tasks = await begun(lambda: scheduler.embed_query("first"))
    await embedder.wait_until_entered()
    [cancelled, kept] = await begun(lambda: scheduler.embed_query("x"), lambda: scheduler.embed_query("y"))
    cancelled.cancel()
    await asyncio.sleep(0)
    embedder.go.set()
    await asyncio.gather(*tasks, kept)
    assert embedder.calls == [["first"], ["y"]]


async def test_close_fails_what_waits_and_ends_the_threads(embedder: HeldEmbedder) -> None:
    scheduler = EmbeddingScheduler(embedder)
    running = await begun(
        lambda: scheduler.embed_query("running"), lambda: scheduler.embed_passages(passages("running"))
    )
    await embedder.wait_until_entered()
    await embedder.wait_until_entered()
    waiting = await begun(
        lambda: scheduler.embed_query("waiting"), lambda: scheduler.embed_passages(passages("waiting"))
    )
    [closing] = await begun(scheduler.close)
    embedder.go.set()
    await closing
    await asyncio.gather(*running)
    for task in waiting:
        with pytest.raises(UnavailableError):
            await task
    for call in (scheduler.embed_query("late"), scheduler.embed_passages(passages("late"))):
        with pytest.raises(UnavailableError):
            await call
    assert {"queries", "passages"}.isdisjoint(thread.name for thread in threading.enumerate())


async def test_many_clients_at_once_all_get_their_own(embedder: HeldEmbedder) -> None:
    embedder.go.set()
    scheduler = EmbeddingScheduler(embedder)
    plain = FakeEmbedder()

    async def client(number: int) -> None:
        for i in range(20):
            vector = await scheduler.embed_query(f"client {number} query {i}")
            np.testing.assert_array_equal(vector, plain.embed_queries([f"client {number} query {i}"])[0])
            [vectors] = await scheduler.embed_passages(passages(f"client {number} text {i}"))
            np.testing.assert_array_equal(vectors, plain.embed_queries([f"client {number} text {i}"]))

    await asyncio.gather(*(client(number) for number in range(20)))
    await scheduler.close()
