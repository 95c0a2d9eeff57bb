"""Two threads own the model, one for queries and one for passages; whoever needs vectors waits here."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence, Sized
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from docradar.documents import Passage
from docradar.embedding.protocol import Embedder, ModelProfile, Vectors
from docradar.errors import EmbeddingError, OverloadedError, UnavailableError

T = TypeVar("T")

_QUERIES_A_BATCH: Final = 32
_BUSY_STEP_SECONDS: Final = 0.02
_IDLE_STEP_SECONDS: Final = 0.5
_QUERY_MEMORY_SECONDS: Final = 3.0
"""How long after a query bulk steps stay short."""
_SHORT_STEP_BYTES: Final = 1_000
"""256 tokens, as many as a passage has. The most while queries are about: a speed measured over long steps promises too
much of short ones."""
_LONGEST_STEP_BYTES: Final = 1_000_000
_SMOOTHING: Final = 0.2


@dataclass(slots=True)
class _Query:
    text: str
    instruction: str | None
    future: Future[Vectors] = field(default_factory=Future)


@dataclass(slots=True)
class _Bulk:
    """Passages of one caller, and the vectors of those that are through."""

    passages: Sequence[Passage]
    future: Future[list[Vectors]] = field(default_factory=Future)
    vectors: list[Vectors] = field(default_factory=list)


class EmbeddingScheduler:
    """Queues in front of one embedder, which runs on two threads of its own.

    Queries have a lane to themselves, and those that wait together share a batch. Bulk work is cut into steps: short
    ones while there are queries about, so that it leaves them their share of the processor, longer ones else, which
    use all of it. Bulk callers take turns, a step each. Every call ends in its result or an exception; one whose
    awaiter was cancelled is dropped at the next step.
    """

    def __init__(self, embedder: Embedder, *, queue_length: int = 256) -> None:
        self._embedder = embedder
        self._queue_length = queue_length
        self._queries: deque[_Query] = deque()
        self._bulk: deque[_Bulk] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._last_query = -math.inf
        self._query_seconds = 0.02
        self._bytes_per_second = 0.0
        self._threads = [
            threading.Thread(target=self._serve, args=lane, name=name, daemon=True)
            for name, lane in (
                ("queries", (self._queries, self._answer_some)),
                ("passages", (self._bulk, self._step)),
            )
        ]
        for thread in self._threads:
            thread.start()

    @property
    def profile(self) -> ModelProfile:
        return self._embedder.profile

    async def embed_query(self, text: str, instruction: str | None = None) -> Vectors:
        """float32 (dim,), L2-normalised; raises what `embed_queries` raises."""
        [vector] = await self.embed_queries([(text, instruction)])
        return vector

    async def embed_queries(self, queries: Sequence[tuple[str, str | None]]) -> list[Vectors]:
        """One float32 (dim,) for each text and its instruction, L2-normalised. Those of one instruction share a batch.

        Raises:
            OverloadedError: `queue_length` queries are waiting already.
            UnavailableError: The scheduler is closed, or the model's endpoint is away.
            EmbeddingError: The model failed on this batch.
        """
        if not queries:
            return []
        follows = self._embedder.profile.takes_instruction
        asked = [_Query(text, instruction if follows else None) for text, instruction in queries]
        with self._changed:
            self._require_open()
            if len(self._queries) >= self._queue_length:
                raise self._overloaded()
            self._queries.extend(asked)
            self._last_query = time.monotonic()
            self._changed.notify_all()
        return await asyncio.gather(*(asyncio.wrap_future(query.future) for query in asked))

    async def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        """One float32 (spans, dim) a passage, L2-normalised, in the order given.

        Any number of callers may wait: unlike queries, they are ours, and each bounds what it has in flight.

        Raises:
            UnavailableError: The scheduler is closed, or the model's endpoint is away.
            EmbeddingError: The model failed on one of these passages.
        """
        if not passages:
            return []
        bulk = _Bulk(passages)
        with self._changed:
            self._require_open()
            self._bulk.append(bulk)
            self._changed.notify_all()
        return await asyncio.wrap_future(bulk.future)

    async def close(self) -> None:
        """Fails what still waits, and returns when the running step has ended and the embedder is closed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._embedder.close()

    def _require_open(self) -> None:
        if self._closed:
            raise UnavailableError("the service is shutting down; send the request again in a moment")

    def _overloaded(self) -> OverloadedError:
        seconds = max(1.0, len(self._queries) * self._query_seconds)
        return OverloadedError(
            f"{len(self._queries)} queries are waiting for the embedding model, which is the limit "
            "(setting embedding_queue_length)",
            retry_after_seconds=math.ceil(seconds),
        )

    # Everything below runs on the two threads.

    def _serve(self, lane: "deque[Any]", work: Callable[[], None]) -> None:
        try:
            while self._wait_for(lane):
                work()
        finally:
            self._fail_all()

    def _wait_for(self, lane: "deque[Any]") -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or lane)
            return not self._closed

    def _answer_some(self) -> None:
        if queries := self._take_queries():
            self._answer(queries)

    def _take_queries(self) -> list[_Query]:
        """The oldest query, and those behind it that can share its batch."""
        with self._changed:
            taken: list[_Query] = []
            while (
                self._queries
                and len(taken) < _QUERIES_A_BATCH
                and (not taken or self._queries[0].instruction == taken[0].instruction)
            ):
                query = self._queries.popleft()
                if not query.future.cancelled():
                    taken.append(query)
            return taken

    def _answer(self, queries: list[_Query]) -> None:
        started = time.perf_counter()
        try:
            vectors = self._embedder.embed_queries([query.text for query in queries], queries[0].instruction)
            _check_count(vectors, len(queries))
        except Exception as error:  # noqa: BLE001  handed to the callers
            _fail((query.future for query in queries), error)
            return
        for query, vector in zip(queries, vectors, strict=True):
            _resolve(query.future, vector)
        seconds = (time.perf_counter() - started) / len(queries)
        self._query_seconds += _SMOOTHING * (seconds - self._query_seconds)

    def _take_bulk(self) -> _Bulk | None:
        with self._changed:
            bulk = self._bulk.popleft() if self._bulk else None
        return None if bulk is None or bulk.future.cancelled() else bulk

    def _step(self) -> None:
        if (bulk := self._take_bulk()) is None:
            return
        start = len(bulk.vectors)
        step = _first_within(bulk.passages[start:], self._step_bytes())
        started = time.perf_counter()
        try:
            vectors = self._embedder.embed_passages(step)
            _check_count(vectors, len(step))
        except Exception as error:  # noqa: BLE001  handed to the caller
            _fail([bulk.future], error)
            return
        bulk.vectors.extend(vectors)
        self._measure(sum(map(_size_bytes, step)), time.perf_counter() - started)
        if len(bulk.vectors) == len(bulk.passages):
            _resolve(bulk.future, bulk.vectors)
        else:
            with self._changed:
                self._bulk.append(bulk)

    def _step_bytes(self) -> int:
        """How much text the model takes in the time a step may last, by its measured speed.

        In bytes of UTF-8, of which a token has about four in English and in Chinese alike.
        """
        if not self._bytes_per_second:
            return _SHORT_STEP_BYTES
        queries_about = time.monotonic() - self._last_query < _QUERY_MEMORY_SECONDS
        seconds, most = (
            (_BUSY_STEP_SECONDS, _SHORT_STEP_BYTES)
            if queries_about
            else (_IDLE_STEP_SECONDS, _LONGEST_STEP_BYTES)
        )
        return min(int(seconds * self._bytes_per_second), most)

    def _measure(self, size_bytes: int, seconds: float) -> None:
        speed = size_bytes / max(seconds, 1e-6)
        known = self._bytes_per_second or speed
        self._bytes_per_second = known + _SMOOTHING * (speed - known)

    def _fail_all(self) -> None:
        with self._changed:
            self._closed = True
            waiting: list[Future[Any]] = [query.future for query in self._queries]
            waiting += [bulk.future for bulk in self._bulk]
            self._queries.clear()
            self._bulk.clear()
        _fail(waiting, UnavailableError("the service is shutting down; send the request again in a moment"))


def _first_within(passages: Sequence[Passage], size_bytes: int) -> Sequence[Passage]:
    """As many passages from the front as the size allows, at least one."""
    total = 0
    for count, passage in enumerate(passages):
        total += _size_bytes(passage)
        if total > size_bytes and count:
            return passages[:count]
    return passages


def _check_count(vectors: Sized, wanted: int) -> None:
    if len(vectors) != wanted:
        raise EmbeddingError(
            f"the model gave {len(vectors)} results for {wanted} texts; this is a fault of the model's"
        )


def _size_bytes(passage: Passage) -> int:
    return len(passage.text.encode(errors="replace"))


def _resolve(future: Future[T], result: T) -> None:
    with suppress(InvalidStateError):  # its awaiter was cancelled meanwhile
        future.set_result(result)


def _fail(futures: Iterable[Future[Any]], error: Exception) -> None:
    for future in futures:
        with suppress(InvalidStateError):
            future.set_exception(error)
