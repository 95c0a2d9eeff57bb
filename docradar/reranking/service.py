"""The reranker of a process: loaded when first used, on a thread of its own, with a queue in front."""

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, TypeVar

import numpy as np

from docradar.errors import (
    ConfigurationError,
    ModelLoadingError,
    OverloadedError,
    RerankError,
    UnavailableError,
)
from docradar.reranking.protocol import Relevance, Reranker
from docradar.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

_STEP_SECONDS: Final = 0.5
_FIRST_STEP_BYTES: Final = 2_000
_LONGEST_STEP_BYTES: Final = 200_000
_LEAST_PAIR_BYTES: Final = 100
"""A pair costs its prompt too, however short it is."""
_SMOOTHING: Final = 0.2
_LOADING_RETRY_SECONDS: Final = 5.0
_SOON_SECONDS: Final = 1.0
FAILED_PAUSE_SECONDS: Final = 30.0
"""How long a failed load is told before it is tried again: each try may go through a hub's time limits."""


class _State(Enum):
    IDLE = auto()
    LOADING = auto()
    READY = auto()
    CLOSED = auto()


@dataclass(slots=True, eq=False)
class _Call:
    """One caller's texts, shortest last. `rows` are those without a score."""

    query: str
    texts: Sequence[str]
    instruction: str | None
    rows: list[int]
    scores: Relevance
    future: Future[list[float]] = field(default_factory=Future)


class RerankService:
    """Queue in front of one reranker; queries of the embedder never wait behind it.

    Calls are cut into steps of half a second by the model's measured speed, and take turns, a step each. Every call
    ends in its result or an exception; one whose awaiter was cancelled is dropped at the next step.
    """

    def __init__(
        self,
        model: str,
        load: Callable[[], Reranker],
        *,
        queue_length: int = 64,
        failed_pause_seconds: float = FAILED_PAUSE_SECONDS,
    ) -> None:
        """`load` blocks, and runs when the first call comes; `model` is what the reranker will be called."""
        self.model: Final = model
        self._load = load
        self._queue_length = queue_length
        self._failed_pause_seconds = failed_pause_seconds
        self._calls: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._state = _State.IDLE
        self._thread: threading.Thread | None = None
        self._started = 0.0
        self._loading: Future[None] = Future()
        self._failure: ConfigurationError | None = None
        self._failed_at = -math.inf
        self._bytes_per_second = 0.0
        self._call_seconds = 0.5

    @classmethod
    def from_settings(cls, settings: Settings) -> "RerankService":
        """The reranker that the settings name.

        Raises:
            ConfigurationError: `rerank_url` is not one of an HTTP endpoint.
        """
        from docradar.endpoints import shown_url
        from docradar.reranking.choice import load_reranker, reranker_name

        if settings.rerank_url:
            shown_url(settings.rerank_url, "rerank_url")
        return cls(
            reranker_name(settings),
            lambda: load_reranker(settings),
            queue_length=settings.rerank_queue_length,
        )

    async def rerank(self, query: str, texts: Sequence[str], instruction: str | None = None) -> list[float]:
        """How relevant each text is to the query, 0 to 1, in the order given.

        Raises:
            ModelLoadingError: The model is loading, since this call or an earlier one.
            ConfigurationError: It could not be loaded; tried again by the first call after a pause.
            OverloadedError: `queue_length` calls are waiting already.
            UnavailableError: The service is shutting down, or the model's endpoint is away.
            RerankError: The model failed on these texts.
        """
        if not texts:
            return []
        rows = sorted(range(len(texts)), key=lambda row: -len(texts[row]))
        call = _Call(query, texts, instruction, rows, np.zeros(len(texts), np.float32))
        await self._quickly_loaded()
        with self._changed:
            self._require_ready()
            if len(self._calls) >= self._queue_length:
                raise self._overloaded()
            self._calls.append(call)
            self._changed.notify_all()
        return await asyncio.wrap_future(call.future)

    async def close(self) -> None:
        """Fails what still waits, and returns when the running step has ended. Does not wait for a model that loads."""
        with self._changed:
            serving = self._thread if self._state is _State.READY else None
            self._state = _State.CLOSED
            self._changed.notify_all()
        if serving:
            await asyncio.to_thread(serving.join)

    async def _quickly_loaded(self) -> None:
        """Starts loading where it is time for it, and waits for its end if that comes soon, as an endpoint's does."""
        with self._changed:
            paused = time.monotonic() - self._failed_at < self._failed_pause_seconds
            if self._state is _State.IDLE and not paused:
                self._state, self._started = _State.LOADING, time.monotonic()
                self._loading = Future()
                self._thread = threading.Thread(
                    target=self._run, args=(self._loading,), name="reranker", daemon=True
                )
                self._thread.start()
            if self._state is not _State.LOADING:
                return
            loading, seconds = self._loading, self._started + _SOON_SECONDS - time.monotonic()
        if seconds > 0:
            await asyncio.wait({asyncio.wrap_future(loading)}, timeout=seconds)

    def _require_ready(self) -> None:
        if self._state is _State.READY:
            return
        if self._state is _State.CLOSED:
            raise _shutting_down()
        if self._state is _State.IDLE and self._failure:
            raise ConfigurationError(str(self._failure))
        raise ModelLoadingError(
            f"the reranker {self.model} is loading ({time.monotonic() - self._started:.0f} s so far), which at first "
            "includes its download; try again in a moment, or search without rerank",
            retry_after_seconds=_LOADING_RETRY_SECONDS,
        )

    def _overloaded(self) -> OverloadedError:
        return OverloadedError(
            f"{len(self._calls)} requests are waiting for the reranker, which is the limit (setting rerank_queue_length)",
            retry_after_seconds=math.ceil(max(1.0, len(self._calls) * self._call_seconds)),
        )

    # Everything below runs on the thread.

    def _run(self, loading: Future[None]) -> None:
        reranker = self._loaded()
        _resolve(loading, None)
        if reranker is None:
            return
        try:
            while call := self._next_call():
                self._step(reranker, call)
        finally:
            self._end(reranker)

    def _loaded(self) -> Reranker | None:
        """The reranker, ready to be used; None where that failed or nobody wants it any more."""
        try:
            reranker = self._load()
        except Exception as error:
            failure = error if isinstance(error, ConfigurationError) else None
            if failure:
                logger.error("the reranker cannot be loaded: %s", failure)  # noqa: TRY400  (a reason, not a bug)
            else:
                logger.exception("the reranker %s cannot be loaded", self.model)
            with self._changed:
                self._failure = failure or ConfigurationError(
                    f"the reranker {self.model} cannot be loaded: {error!r}; the log has the whole error"
                )
                self._failed_at = time.monotonic()
                if self._state is _State.LOADING:
                    self._state = _State.IDLE
            return None
        with self._changed:
            wanted = self._state is _State.LOADING
            if wanted:
                self._state, self._failure = _State.READY, None
        if not wanted:
            reranker.close()
            return None
        logger.info("reranker %s is ready after %.1f s", self.model, time.monotonic() - self._started)
        return reranker

    def _next_call(self) -> _Call | None:
        """The call whose turn it is, out of the queue; None when the service is closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._state is _State.CLOSED or self._calls)
                if self._state is _State.CLOSED:
                    return None
                call = self._calls.popleft()
                if not call.future.cancelled():
                    return call

    def _step(self, reranker: Reranker, call: _Call) -> None:
        rows, size_bytes = self._take_rows(call)
        started = time.perf_counter()
        try:
            scores = reranker.rerank(call.query, [call.texts[row] for row in rows], call.instruction)
            _check(scores, len(rows))
        except Exception as error:  # noqa: BLE001  handed to the caller
            _fail([call], error)
            return
        call.scores[rows] = scores
        self._measure(size_bytes, time.perf_counter() - started, size_bytes_left=_size_bytes(call, call.rows))
        if call.rows:
            with self._changed:
                self._calls.append(call)
            return
        _resolve(call.future, [float(score) for score in call.scores])

    def _take_rows(self, call: _Call) -> tuple[list[int], int]:
        """The shortest texts left, as many as the model takes in a step, at least one; and their size."""
        most_bytes = min(self._bytes_per_second * _STEP_SECONDS or _FIRST_STEP_BYTES, _LONGEST_STEP_BYTES)
        rows = [call.rows.pop()]
        total_bytes = _size_bytes(call, rows)
        while call.rows:
            size_bytes = _size_bytes(call, call.rows[-1:])
            if total_bytes + size_bytes > most_bytes:
                break
            total_bytes += size_bytes
            rows.append(call.rows.pop())
        return rows, total_bytes

    def _measure(self, size_bytes: int, seconds: float, *, size_bytes_left: int) -> None:
        speed = size_bytes / max(seconds, 1e-6)
        known = self._bytes_per_second or speed
        self._bytes_per_second = known + _SMOOTHING * (speed - known)
        whole_seconds = (size_bytes + size_bytes_left) / self._bytes_per_second
        self._call_seconds += _SMOOTHING * (whole_seconds - self._call_seconds)

    def _end(self, reranker: Reranker) -> None:
        with self._changed:
            self._state = _State.CLOSED
            waiting = list(self._calls)
            self._calls.clear()
        _fail(waiting, _shutting_down())
        reranker.close()


def _shutting_down() -> UnavailableError:
    return UnavailableError("the service is shutting down; send the request again in a moment")


def _check(scores: Relevance, wanted: int) -> None:
    if scores.shape != (wanted,) or not ((scores >= 0) & (scores <= 1)).all():
        raise RerankError(
            f"the reranker gave {len(scores)} scores for {wanted} texts, or scores outside 0 to 1; "
            "this is a fault of the model's"
        )


def _size_bytes(call: _Call, rows: Sequence[int]) -> int:
    """In bytes of UTF-8, of which a token has about four in English and in Chinese alike."""
    query_bytes = len(call.query.encode(errors="replace")) + _LEAST_PAIR_BYTES
    return sum(query_bytes + len(call.texts[row].encode(errors="replace")) for row in rows)


def _resolve(future: Future[T], result: T) -> None:
    with suppress(InvalidStateError):  # its awaiter was cancelled meanwhile
        future.set_result(result)


def _fail(calls: Iterable[_Call], error: Exception) -> None:
    for call in calls:
        with suppress(InvalidStateError):
            call.future.set_exception(error)
