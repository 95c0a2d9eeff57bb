"""How a command reaches docradar: a running service by URL, or one of its own on the data folder.

Both speak the same HTTP API, the second without a socket, so every command is written once, over `AsyncClient`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from docradar.client import AsyncClient
from docradar.settings import Settings
from service.app import create_app, lifespan_of


@asynccontextmanager
async def connect(
    settings: Settings, url: str | None, *, load_engine: bool = True
) -> AsyncIterator[AsyncClient]:
    """A client of the service at `url`, or of one that lives as long as this block.

    Raises:
        DataDirInUseError: No URL was given and another process owns the data folder.
        InvalidUrlError: The URL is none.
        ConnectionFailedError: Nobody answers at the URL.
        UnexpectedAnswerError: What answers there is not docradar.
    """
    if url is not None:
        async with AsyncClient(url) as client:
            await client.ready()
            yield client
        return
    app = create_app(settings, load_engine=load_engine)
    async with (
        lifespan_of(app),
        AsyncClient(
            "http://docradar",
            transport=httpx.ASGITransport(app),  # type: ignore[arg-type]
        ) as client,
    ):
        yield client
