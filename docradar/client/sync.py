"""The client for programs that wait."""

import time
from collections.abc import Callable, Iterator
from functools import wraps
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx

from docradar.client.calls import Calls
from docradar.client.exchange import Answer, Flow, NoAnswer, Request
from docradar.client.listing import Listing
from docradar.client.signatures import shown
from docradar.client.transport import RETRIES, TIMEOUT_SECONDS, Wire

P = ParamSpec("P")
T = TypeVar("T")


def blocking(call: Callable[Concatenate[Calls, P], Flow[T]]) -> Callable[Concatenate["Client", P], T]:
    """The call as a method that returns what its flow comes to."""

    @wraps(call)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(call(self._calls, *args, **kwargs))

    method.__signature__ = shown(call)  # type: ignore[attr-defined]
    return method


def listing(
    call: Callable[Concatenate[Calls, P], Listing[T]],
) -> Callable[Concatenate["Client", P], Iterator[T]]:
    """The call as a method that gives one after the other, asking for a page when it is needed."""

    @wraps(call)
    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        pages, cursor = call(self._calls, *args, **kwargs), None
        while True:
            page = self._run(pages.page(cursor))
            yield from page.entries
            if (cursor := page.next_cursor) is None:
                return

    method.__signature__ = shown(call, Iterator)  # type: ignore[attr-defined]
    return method


class Client:
    """Talks to the service at `url`; threads may share it.

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
        transport: httpx.BaseTransport | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        self._calls = Calls(url, retries)
        self._wire = Wire(self._calls.url, api_key, timeout)
        self._owned = http_client is None
        self._http = http_client or httpx.Client(transport=transport)

    search = blocking(Calls.search)
    search_batch = blocking(Calls.search_batch)
    similar = blocking(Calls.similar)
    rerank = blocking(Calls.rerank)
    facets = blocking(Calls.facets)

    add = blocking(Calls.add)
    add_text = blocking(Calls.add_text)
    add_many = blocking(Calls.add_many)
    upload = blocking(Calls.upload)
    document = blocking(Calls.document)
    documents = listing(Calls.documents)
    update = blocking(Calls.update)
    delete = blocking(Calls.delete)
    content = blocking(Calls.content)
    text = blocking(Calls.text)
    units = listing(Calls.units)

    job = blocking(Calls.job)
    jobs = listing(Calls.jobs)
    wait = blocking(Calls.wait)
    cancel = blocking(Calls.cancel)
    retry = blocking(Calls.retry)

    collection = blocking(Calls.collection)
    collections = blocking(Calls.collections)
    put_collection = blocking(Calls.put_collection)

    health = blocking(Calls.health)
    ready = blocking(Calls.ready)
    wait_until_ready = blocking(Calls.wait_until_ready)
    request = blocking(Calls.request)

    @property
    def url(self) -> str:
        """The service's URL."""
        return self._calls.url

    def close(self) -> None:
        """Closes the connections."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        try:
            request = next(flow)
            while True:
                request = flow.send(self._answer(request))
        except StopIteration as end:
            result: T = end.value
            return result

    def _answer(self, request: Request) -> Answer | NoAnswer:
        if request.after_seconds:
            time.sleep(request.after_seconds)
        with self._wire.arguments(request) as arguments:
            try:
                return Answer.of(self._http.request(**arguments))
            except httpx.HTTPError as error:
                return NoAnswer(error)
