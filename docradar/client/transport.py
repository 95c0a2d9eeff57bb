"""A request as `httpx` takes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from docradar.client.exchange import Request

TIMEOUT_SECONDS: Final = 60.0
RETRIES: Final = 3


class Wire:
    """What all requests to one service share."""

    def __init__(self, url: str, api_key: str | None, timeout: float | None) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = httpx.Timeout(timeout)
        self._patient = httpx.Timeout(timeout, read=None)

    @contextmanager
    def arguments(self, request: Request) -> Iterator[dict[str, Any]]:
        """The arguments of `httpx.Client.request`; a file that is sent is open within the block.

        Raises:
            OSError: The file cannot be opened.
        """
        with request.content() as content:
            yield content | {
                "method": request.method,
                "url": self._url + request.path,
                "headers": self._headers | content.get("headers", {}),
                "timeout": self._patient if request.patient else self._timeout,
            }
