"""How a command reaches docradar: a running service by URL, or one of its own on the data folder.

Both speak the same HTTP API, the second without a socket, so every command is written once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import msgspec

from docradar.errors import DocradarError, InvalidRequestError, UnavailableError
from docradar.settings import Settings
from service.app import create_app, lifespan_of
from service.schemas import Readiness

TIMEOUT_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1


class RequestFailedError(DocradarError):
    """The service refused a request; the message is its `detail`."""

    code = "request_failed"


@asynccontextmanager
async def connect(
    settings: Settings, url: str | None, *, load_engine: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service at `url`, or of one that lives as long as this block.

    Raises:
        DataDirInUseError: No URL was given and another process owns the data folder.
        UnavailableError: Nobody answers at the URL.
        RequestFailedError: What answers there is not docradar.
    """
    if url is not None:
        async with _client_of(url) as client:
            await readiness(client)
            yield client
        return
    app = create_app(settings, load_engine=load_engine)
    async with (
        lifespan_of(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),  # type: ignore[arg-type]
            base_url="http://docradar",
            timeout=TIMEOUT_SECONDS,
        ) as client,
    ):
        yield client


def _client_of(url: str) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS)
    except httpx.InvalidURL as error:
        raise InvalidRequestError(
            f"{url} is not a URL: {error}; it must look like http://host:port"
        ) from error


async def call(client: httpx.AsyncClient, method: str, path: str, **arguments: Any) -> Any:
    """The decoded body of a successful answer.

    Raises:
        UnavailableError: Nobody answers at the URL.
        RequestFailedError: The service said no, or it is not docradar that answers.
    """
    response = await _send(client, method, path, **arguments)
    try:
        if response.is_success:
            return response.json()
        detail = str(response.json()["detail"])
    except (ValueError, KeyError, TypeError) as error:
        raise _stranger(client, response) from error
    raise RequestFailedError(detail)


async def readiness(client: httpx.AsyncClient) -> Readiness:
    """What the service says of its engine, in whichever state that is.

    Raises:
        UnavailableError: Nobody answers at the URL.
        RequestFailedError: What answers there is not docradar.
    """
    response = await _send(client, "GET", "/health/ready")
    try:
        answer = msgspec.json.decode(response.content, type=Readiness)
    except msgspec.DecodeError as error:
        raise _stranger(client, response) from error
    if response.status_code != (200 if answer.status == "ready" else 503):
        raise _stranger(client, response)
    return answer


async def wait_until_ready(client: httpx.AsyncClient) -> None:
    """Returns once the service answers searches.

    Raises:
        RequestFailedError: Its engine failed to load; the reason.
    """
    while (answer := await readiness(client)).status != "ready":
        if answer.status == "failed":
            raise RequestFailedError(answer.error or "the search engine cannot start")
        await asyncio.sleep(POLL_SECONDS)


async def _send(client: httpx.AsyncClient, method: str, path: str, **arguments: Any) -> httpx.Response:
    """Any answer; none is an error in words."""
    try:
        return await client.request(method, path, **arguments)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise UnavailableError(
            f"no answer from {client.base_url}: {reason}; is the service running there?"
        ) from error


def _stranger(client: httpx.AsyncClient, response: httpx.Response) -> RequestFailedError:
    request = f"{response.request.method} {response.request.url.path}"
    return RequestFailedError(
        f"{request} was answered with {response.status_code} and something that docradar does not say; is "
        f"{client.base_url} a docradar service?"
    )
