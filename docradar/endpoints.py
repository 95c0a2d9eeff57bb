"""JSON over HTTP to a server of somebody else's: embeddings, reranking."""

import email.utils
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import httpx

from docradar.errors import ConfigurationError, DocradarError, UnavailableError

logger = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 30.0  # after a pause an endpoint may have to load its model again
_RETRY_WITHIN_SECONDS: Final = 2.0
_USUAL_RETRY_SECONDS: Final = 0.5
_LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
_MESSAGE_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class EndpointKind:
    """`setting` holds the URL, and `error` is what a refusal, or an answer that is none, is raised as."""

    name: str
    setting: str
    error: type[DocradarError]


class JsonEndpoint:
    """Requests and retries. The API key appears in no message.

    What may pass (429, 5xx, a broken connection) is tried once more where that can begin within 2 s. Then it is an
    UnavailableError, with the endpoint's `Retry-After` if it gave one: whoever asked knows better how to wait than a
    thread that others share. `sleep` is what waits before the second attempt.
    """

    def __init__(
        self, kind: EndpointKind, url: str, api_key: str = "", *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._kind = kind
        self._api_key = api_key
        self._sleep = sleep
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        parsed = _checked(url, kind.setting)
        timeout = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        self._client = httpx.Client(base_url=parsed, headers=headers, timeout=timeout)
        self._shown_url = _shown(parsed)

    def __str__(self) -> str:
        return f"the {self._kind.name} endpoint {self._shown_url}"

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON, whatever it holds.

        Raises:
            UnavailableError: The endpoint may answer later.
            DocradarError: Of the kind's `error`: it refused, or answered with something else than JSON.
        """
        started = time.monotonic()
        try:
            return self._attempt(method, path, body)
        except UnavailableError as error:
            wait = error.retry_after_seconds
            if time.monotonic() - started + wait > _RETRY_WITHIN_SECONDS:
                raise
            logger.warning("%s; trying again in %.1f s", error, wait)
            self._sleep(wait)
        return self._attempt(method, path, body)

    def close(self) -> None:
        self._client.close()

    def _attempt(self, method: str, path: str, body: object) -> Any:
        try:
            response = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            reason = f"{type(error).__name__} {self._without_key(str(error))}".strip()
            raise UnavailableError(
                f"{self} does not answer: {reason}", retry_after_seconds=_USUAL_RETRY_SECONDS
            ) from error
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise UnavailableError(
                f"{self} cannot answer now: {self._described(response)}",
                retry_after_seconds=_retry_after_seconds(response),
            )
        if not response.is_success:
            raise self._kind.error(f"{self} refused: {self._described(response)}")
        try:
            return response.json()
        except ValueError as error:
            raise self._kind.error(f"{self} answered with something else than JSON: {error}") from error

    def _described(self, response: httpx.Response) -> str:
        text = " ".join(response.text[: 4 * _MESSAGE_CHARS].split())
        return f"HTTP {response.status_code} {self._without_key(text)[:_MESSAGE_CHARS]}".strip()

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "***") if self._api_key else text


def shown_url(url: str, setting: str) -> str:
    """The URL without what may be a secret in it.

    Raises:
        ConfigurationError: It is not one of an HTTP endpoint.
    """
    return _shown(_checked(url, setting))


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(username=None, password=None, query=None, fragment=None))


def _checked(url: str, setting: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"setting {setting} is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(f"setting {setting} must look like http://host:port/v1")
    return parsed


def _retry_after_seconds(response: httpx.Response) -> float:
    """RFC 9110: seconds, or a date."""
    value = response.headers.get("Retry-After", "")
    try:
        seconds = (
            float(value)
            if value.isascii() and value.isdigit()
            else email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        )
    except (TypeError, ValueError):
        return _USUAL_RETRY_SECONDS
    return min(max(seconds, _USUAL_RETRY_SECONDS), _LONGEST_RETRY_AFTER_SECONDS)
