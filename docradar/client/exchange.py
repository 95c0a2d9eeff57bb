"""Requests and answers as plain values, and what leads from one to the next, without a socket.

A `Flow` is a generator: it yields a request, is sent the answer, and so on until it returns what the caller wanted. `Client` and
`AsyncClient` drive the same flows; waiting, repeating, decoding and refusing are written once, here and in the `*_calls` modules.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from docradar.client.errors import (
    BY_STATUS,
    ConnectionFailedError,
    DocradarApiError,
    InvalidUrlError,
    UnexpectedAnswerError,
)
from docradar.client.types import Page, Problem

T = TypeVar("T")

REPEATABLE: Final = ("GET", "PUT", "PATCH", "DELETE")
TURNED_AWAY: Final = (429, 503)
LONGEST_RETRY_SECONDS: Final = 30.0
"""A service that asks for more patience than this is an error at once."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, read while it is sent, and the form fields before it."""

    path: Path
    fields: Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, `after_seconds` from now.

    `json` is encoded by msgspec; None is no body. A POST may be repeated only where `repeatable` says so. `patient`: the answer
    may take as long as it needs.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: object = None
    upload: Upload | None = None
    repeatable: bool = False
    patient: bool = False
    after_seconds: float = 0.0

    @property
    def may_repeat(self) -> bool:
        return self.repeatable or self.method in REPEATABLE

    def after(self, seconds: float) -> "Request":
        """The same, later."""
        return replace(self, after_seconds=seconds)

    @contextmanager
    def content(self) -> Iterator[dict[str, Any]]:
        """The arguments of `httpx` that carry parameters and body; a file is open within the block.

        Raises:
            OSError: The file cannot be opened.
        """
        params = {name: value for name, value in self.params.items() if value is not None}
        if self.upload is not None:
            with self.upload.path.open("rb") as file:
                yield {
                    "params": params,
                    "data": self.upload.fields,
                    "files": {"file": (self.upload.path.name, file)},
                }
        elif self.json is not None:
            headers = {"Content-Type": "application/json"}
            yield {"params": params, "content": msgspec.json.encode(self.json), "headers": headers}
        else:
            yield {"params": params}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, response: httpx.Response) -> "Answer":
        return cls(response.status_code, response.headers, response.content)

    @property
    def successful(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after_seconds(self) -> float | None:
        """What the service asks for, where it does so in seconds."""
        value = self.headers.get("Retry-After", "").strip()
        return float(value) if value.isdecimal() else None


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why nothing came back."""

    error: httpx.HTTPError


Flow = Generator[Request, Answer | NoAnswer, T]


class Exchange:
    """One service, as far as it can be known without talking to it: its URL, and how often to ask again."""

    def __init__(self, url: str, retries: int) -> None:
        self.url = checked_url(url)
        self._retries = retries

    def _ask(self, request: Request, answer: type[T]) -> Flow[T]:
        """The decoded body of a successful answer.

        Raises:
            DocradarApiError: The service refuses.
            ConnectionFailedError: Nobody answers.
            UnexpectedAnswerError: It is not docradar that answers, or not a version of it that this client knows.
        """
        success = yield from self._success(request)
        try:
            return msgspec.json.decode(success.body, type=answer)
        except msgspec.DecodeError as error:
            raise self._stranger(request, success) from error

    def _page(
        self, page: type[Page[T]], path: str, wanted: Mapping[str, Any], cursor: str | None
    ) -> Flow[Page[T]]:
        """The page of a listing at a cursor."""
        return self._ask(Request("GET", path, {**wanted, "cursor": cursor}), page)

    def _success(self, request: Request) -> Flow[Answer]:
        """A successful answer, whatever it holds; raises as `_ask` does."""
        answer = yield from self._answer(request)
        if not answer.successful:
            raise self._refusal(request, answer)
        return answer

    def _answer(self, request: Request) -> Flow[Answer]:
        """Any answer. A request that was turned away for the moment, and may be repeated, is made again."""
        attempts = self._retries if request.may_repeat else 0
        while True:
            answer = yield request
            if isinstance(answer, NoAnswer):
                raise self._no_answer(answer) from answer.error
            pause = answer.retry_after_seconds
            if attempts == 0 or answer.status not in TURNED_AWAY or pause is None:
                return answer
            if pause > LONGEST_RETRY_SECONDS:
                return answer
            attempts -= 1
            request = request.after(pause)

    def _refusal(self, request: Request, answer: Answer) -> DocradarApiError | UnexpectedAnswerError:
        try:
            problem = msgspec.json.decode(answer.body, type=Problem)
        except msgspec.DecodeError:
            return self._stranger(request, answer)
        return BY_STATUS.get(answer.status, DocradarApiError)(
            problem.detail,
            status=answer.status,
            code=problem.code,
            request_id=problem.request_id,
            retry_after_seconds=answer.retry_after_seconds,
            errors=problem.errors,
        )

    def _stranger(self, request: Request, answer: Answer) -> UnexpectedAnswerError:
        return UnexpectedAnswerError(
            f"{request.method} {request.path} was answered with {answer.status} and something that docradar does not say; is "
            f"{self.url} a docradar service?"
        )

    def _no_answer(self, answer: NoAnswer) -> ConnectionFailedError:
        reason = str(answer.error) or type(answer.error).__name__
        if isinstance(answer.error, httpx.TimeoutException):
            return ConnectionFailedError(
                f"no answer from {self.url} in time ({reason}); is it busy? Give a longer timeout"
            )
        return ConnectionFailedError(f"no answer from {self.url}: {reason}; is the service running there?")


def checked_url(url: str) -> str:
    """The URL without a slash at its end.

    Raises:
        InvalidUrlError: It has no scheme or host, or cannot be parsed.
    """
    try:
        parsed = httpx.URL(url)
        problem = "" if parsed.scheme in ("http", "https") and parsed.host else "it names no scheme and host"
    except httpx.InvalidURL as error:
        problem = str(error)
    if problem:
        raise InvalidUrlError(f"{url} is not a service's URL: {problem}; it must look like http://host:port")
    return url.rstrip("/")


def path_of(*parts: str) -> str:
    """A path under `/v1`, whatever characters its parts hold."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def pauses(longest_seconds: float) -> Iterator[float]:
    """Seconds between one look and the next: short at first, and longer the longer it takes."""
    pause = 0.05
    while True:
        yield pause
        pause = min(pause * 1.5, longest_seconds)


class Deadline:
    """The end of the time that a caller gives; None is no end."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._ends = None if seconds is None else time.monotonic() + seconds

    @property
    def passed(self) -> bool:
        return self._ends is not None and time.monotonic() >= self._ends

    def cut(self, pause: float) -> float:
        """The pause, or what is left of the time."""
        return pause if self._ends is None else max(0.0, min(pause, self._ends - time.monotonic()))
