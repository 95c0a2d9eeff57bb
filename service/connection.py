"""How a command reaches docradar: a running service by URL, or one of its own on the data folder.

Both speak the same HTTP API, the second without a socket, so every command is written once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx

from docradar.errors import DocradarError, UnavailableError
from docradar.settings import Settings
from service.app import create_app, lifespan_of

TIMEOUT_SECONDS: Final = 60.0


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
    """
    if url is not None:
        async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS) as client:
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


async def call(client: httpx.AsyncClient, method: str, path: str, **arguments: Any) -> Any:
    """The decoded body of a successful answer.

    Raises:
        UnavailableError: Nobody answers at the URL.
        RequestFailedError: The service said no.
    """
    try:
        response = await client.request(method, path, **arguments)
    except httpx.HTTPError as error:
        raise UnavailableError(
            f"no answer from {client.base_url}: {error}; is the service running there?"
        ) from error
    if response.is_success:
        return response.json()
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"{method} {path} answered {response.status_code}; is {client.base_url} a docradar service?"
    raise RequestFailedError(detail)


async def wait_until_ready(client: httpx.AsyncClient) -> None:
    """Returns once the service answers searches.

    Raises:
        RequestFailedError: Its engine failed to load; the reason.
    """
    while True:
        try:
            response = await client.get("/health/ready")
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"no answer from {client.base_url}: {error}; is the service running there?"
            ) from error
        if response.is_success:
            return
        status = response.json()
        if status.get("status") == "failed":
            raise RequestFailedError(status["error"])
        await asyncio.sleep(0.1)
