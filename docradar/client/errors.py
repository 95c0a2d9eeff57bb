"""What can go wrong between a program and a service.

DocradarError
├── DocradarApiError           the service refused: `status`, `code`, `detail`, `request_id`
│   ├── InvalidRequestError    400: what was sent cannot be used
│   │   └── TooLargeError      413
│   ├── UnauthorizedError      401, 403: the API key is missing or wrong
│   ├── NotFoundError          404
│   ├── ConflictError          409
│   └── UnavailableError       429, 503: later; `retry_after_seconds`
├── ConnectionFailedError      nobody answers at the URL
├── UnexpectedAnswerError      what answers there is not docradar, or not one that this client knows
├── InvalidUrlError            the URL is none; a ValueError, too
├── DuplicateDocumentError     two files of one upload would be one document; a ValueError, too
├── EngineFailedError          the service is there, and its model or index cannot be used
├── IngestFailedError          a document was taken, and could not be brought in; its `job`
└── WaitTimeoutError           what was waited for did not happen in time; a TimeoutError, too
"""

from collections.abc import Mapping, Sequence

from docradar import errors
from docradar.client.types import Job


class DocradarApiError(errors.DocradarError):
    """The service refused a request and said why, in RFC 9457 problem details.

    The message is `detail`: what was wrong, and what to do. `code` is stable. `request_id` is in the service's log.
    `errors` name single fields, each with a `field` and a `message`.
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int,
        code: str,
        request_id: str = "",
        retry_after_seconds: float | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        self.errors = tuple(errors)


class InvalidRequestError(DocradarApiError):
    """A value that was sent cannot be used."""


class TooLargeError(InvalidRequestError):
    """A file or a body exceeds its limit."""


class UnauthorizedError(DocradarApiError):
    """The API key is missing, unknown, or does not allow this."""


class NotFoundError(DocradarApiError):
    """There is no such thing, or not any more."""


class ConflictError(DocradarApiError):
    """Its state does not allow this."""


class UnavailableError(DocradarApiError):
    """Something that the service needs is away, loading, full or busy."""


class ConnectionFailedError(errors.UnavailableError):
    """Nobody answers at the URL, or not in time."""

    code = "connection_failed"


class UnexpectedAnswerError(errors.DocradarError):
    """An answer that docradar does not give."""

    code = "unexpected_answer"


class InvalidUrlError(errors.DocradarError, ValueError):
    """The service's URL cannot be one."""

    code = "invalid_url"


class DuplicateDocumentError(errors.DocradarError, ValueError):
    """Two files would be one document, one replacing the other."""

    code = "duplicate_document"


class EngineFailedError(errors.DocradarError):
    """The service's search engine failed to start; the message is its reason."""

    code = "engine_failed"


class IngestFailedError(errors.DocradarError):
    """A document could not be brought in; the message says which, and why."""

    code = "ingest_failed"

    def __init__(self, message: str, job: Job) -> None:
        super().__init__(message)
        self.job = job


class WaitTimeoutError(errors.DocradarError, TimeoutError):
    """The time given for waiting is over; what was waited for goes on."""

    code = "wait_timeout"


BY_STATUS: dict[int, type[DocradarApiError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: UnauthorizedError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    429: UnavailableError,
    503: UnavailableError,
}
