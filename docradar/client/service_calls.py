"""The service itself, its collections, and what no other call is for."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from docradar.client.errors import ConnectionFailedError, EngineFailedError, WaitTimeoutError
from docradar.client.exchange import Deadline, Exchange, Flow, Request, path_of, pauses
from docradar.client.options import given
from docradar.client.types import Collection, CollectionList, Health, Readiness

LONGEST_PAUSE_SECONDS: Final = 0.25
READY: Final = Request("GET", "/health/ready")


class ServiceCalls(Exchange):
    """What is said of the whole."""

    def health(self) -> Flow[Health]:
        """The process answers."""
        return self._ask(Request("GET", "/health/live"), Health)

    def ready(self) -> Flow[Readiness]:
        """What the service says of its engine, in whichever state that is."""
        return self._readiness(READY)

    def wait_until_ready(self, timeout: float | None = None) -> Flow[Readiness]:
        """Returns once searches are answered.

        With a `timeout`, a service that does not listen yet is waited for, too; without one it is an error at once.

        Raises:
            EngineFailedError: The engine failed to load; its reason.
            WaitTimeoutError: The engine is still loading after `timeout` seconds.
            ConnectionFailedError: Nobody answers, or, with a timeout, nobody has by then.
        """
        deadline, between = Deadline(timeout), pauses(LONGEST_PAUSE_SECONDS)
        request = READY
        while True:
            try:
                readiness = yield from self._readiness(request)
            except ConnectionFailedError:
                if timeout is None or deadline.passed:
                    raise
            else:
                if readiness.ready:
                    return readiness
                if readiness.status == "failed":
                    raise EngineFailedError(readiness.error or "the search engine cannot start")
                if deadline.passed:
                    raise WaitTimeoutError(
                        f"the engine is still loading after {timeout:g} s ({readiness.stage}); wait again, or longer"
                    )
            request = READY.after(deadline.cut(next(between)))

    def _readiness(self, request: Request) -> Flow[Readiness]:
        answer = yield from self._answer(request)
        try:
            readiness = msgspec.json.decode(answer.body, type=Readiness)
        except msgspec.DecodeError as error:
            raise self._stranger(request, answer) from error
        if answer.status != (200 if readiness.ready else 503):
            raise self._stranger(request, answer)
        return readiness

    def collections(self) -> Flow[list[Collection]]:
        """All collections with what they hold."""
        return (yield from self._ask(Request("GET", path_of("collections")), CollectionList)).collections

    def collection(self, name: str) -> Flow[Collection]:
        """One collection."""
        return self._ask(Request("GET", path_of("collections", name)), Collection)

    def put_collection(
        self, name: str, *, fields: Mapping[str, str] | None = None, instruction: str | None = None
    ) -> Flow[Collection]:
        """Declares the `meta` keys that filters may name, {"priority": "integer", "due": "datetime"}, and the instruction.

        It replaces what was declared before; a key that is left out can no longer be filtered by.
        """
        body = given({"fields": fields, "instruction": instruction})
        return self._ask(Request("PUT", path_of("collections", name), json=body), Collection)

    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: object = None
    ) -> Flow[Any]:
        """The decoded JSON of any route, with all that this client has no type for."""
        asked = Request(method.upper(), path, params or {}, json)
        return self._ask(asked, object)
