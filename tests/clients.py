"""Both clients under one face, for tests that hold for each."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from docradar.client import AsyncClient, Client


class Either:
    """A client whose every method is awaited; listings come as lists."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self.client, name)

        async def call(*arguments: Any, **options: Any) -> Any:
            if isinstance(self.client, AsyncClient):
                result = method(*arguments, **options)
                if hasattr(result, "__aiter__"):
                    return [entry async for entry in result]
                return await result

            def blocking() -> Any:
                result = method(*arguments, **options)
                return list(result) if hasattr(result, "__next__") else result

            return await asyncio.to_thread(blocking)

        return call
