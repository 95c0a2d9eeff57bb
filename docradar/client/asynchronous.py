"""The client for programs that do other things meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from docradar.client.calls import Calls
from docradar.client.exchange import Answer, Flow, NoAnswer, Request
from docradar.client.listing import Listing
from docradar.client.signatures import shown
from docradar.client.transport import RETRIES, TIMEOUT_SECONDS, Wire

P = ParamSpec("P")
T = TypeVar("T")


def awaited(
    call: Callable[Concatenate[Calls, P], Flow[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    """The call as a coroutine method that returns what its flow comes to."""

    @wraps(call)
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(call(self._calls, *args, **kwargs))

    method.__signature__ = shown(call)  # type: ignore[attr-defined]
    return method


def listing(
    call: Callable[Concatenate[Calls, P], Listing[T]],
) -> Callable[Concatenate["AsyncClient", P], AsyncGenerator[T, None]]:
    """The call as a method that gives one after the other, asking for a page when it is needed."""

    @wraps(call)
    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T, None]:
        pages, cursor = call(self._calls, *args, **kwargs), None
        while True:
            page = await self._run(pages.page(cursor))
            for entry in page.entries:
                yield entry
            if (cursor := page.next_cursor) is None:
                return

    method.__signature__ = shown(call, AsyncIterator)  # type: ignore[attr-defined]
    return method


class AsyncClient:
    """Talks to the service at `url`; tasks of one event loop may share it.

    A request that the service turns away for the moment (429, 503 with Retry-After) is made up to `retries` times again where
    that changes nothing. `timeout` is how many seconds a single answer may take; uploads may take longer. `transport` and
    `http_client` stand in for what is made otherwise; an `http_client` stays open.

    Raises:
        InvalidUrlError: `url` cannot be a service's.
    """

    def __init__(
        self,
        url: str = "http://localhost:8000",
        *,
        api_key: str | None = None,
        timeout: float | None = TIMEOUT_SECONDS,
        retries: int = RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._calls = Calls(url, retries)
        self._wire = Wire(self._calls.url, api_key, timeout)
        self._owned = http_client is None
        self._http = http_client or httpx.AsyncClient(transport=transport)

    search = awaited(Calls.search)
    search_batch = awaited(Calls.search_batch)
    similar = awaited(Calls.similar)
    rerank = awaited(Calls.rerank)
    facets = awaited(Calls.facets)

    add = awaited(Calls.add)
    add_text = awaited(Calls.add_text)
    add_many = awaited(Calls.add_many)
    upload = awaited(Calls.upload)
    document = awaited(Calls.document)
    documents = listing(Calls.documents)
    update = awaited(Calls.update)
    delete = awaited(Calls.delete)
    content = awaited(Calls.content)
    text = awaited(Calls.text)
    units = listing(Calls.units)

    job = awaited(Calls.job)
    jobs = listing(Calls.jobs)
    wait = awaited(Calls.wait)
    cancel = awaited(Calls.cancel)
    retry = awaited(Calls.retry)

    collection = awaited(Calls.collection)
    collections = awaited(Calls.collections)
    put_collection = awaited(Calls.put_collection)

    health = awaited(Calls.health)
    ready = awaited(Calls.ready)
    wait_until_ready = awaited(Calls.wait_until_ready)
    request = awaited(Calls.request)

    @property
    def url(self) -> str:
        """The service's URL."""
        return self._calls.url

    async def close(self) -> None:
        """Closes the connections."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        try:
            request = next(flow)
            while True:
                request = flow.send(await self._answer(request))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _answer(self, request: Request) -> Answer | NoAnswer:
        if request.after_seconds:
            await asyncio.sleep(request.after_seconds)
        with self._wire.arguments(request) as arguments:
            try:
                return Answer.of(await self._http.request(**arguments))
            except httpx.HTTPError as error:
                return NoAnswer(error)
