"""Every error docradar raises on purpose.

    DocradarError
    ├── InvalidRequestError        the caller sent something wrong
    │   ├── InvalidFilterError
    │   └── TooLargeError
    ├── NotFoundError
    ├── ConflictError
    ├── UnavailableError           try again later; carries `retry_after_seconds`
    │   ├── ModelLoadingError
    │   └── OverloadedError
    ├── ReadError                  a document cannot be read; the document's own failure
    ├── ConfigurationError         the operator must change a setting
    │   ├── DataDirInUseError
    │   └── FingerprintMismatchError
    ├── EmbeddingError             the model, or the remote endpoint, failed
    ├── RerankError                the reranker, or its remote endpoint, failed
    ├── LeaseLostError             another worker owns the job now
    └── JobCanceledError

`code` is stable and part of the API. The message says what was wrong with which input, and what to do
about it. Nothing here knows about HTTP: `service/problems.py` maps the tree to responses.
"""


class DocradarError(Exception):
    """Base of the tree."""

    code: str = "internal_error"


class InvalidRequestError(DocradarError):
    """A value the caller sent cannot be used."""

    code = "invalid_request"


class InvalidFilterError(InvalidRequestError):
    """A filter names an unknown field, or a value of the wrong type."""

    code = "invalid_filter"


class TooLargeError(InvalidRequestError):
    """An upload or a field exceeds its published limit."""

    code = "too_large"


class NotFoundError(DocradarError):
    """No such document, job, collection or unit."""

    code = "not_found"


class ConflictError(DocradarError):
    """The resource is in a state that does not allow this."""

    code = "conflict"


class UnavailableError(DocradarError):
    """The service cannot answer now, but will."""

    code = "unavailable"

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ModelLoadingError(UnavailableError):
    """The embedding model, or the reranker, is still loading."""

    code = "model_loading"


class OverloadedError(UnavailableError):
    """A bounded queue is full."""

    code = "overloaded"


class ReadError(DocradarError):
    """A file cannot be turned into text.

    `retryable` is false where another attempt would meet the same bytes with the same limits.
    """

    code = "unreadable_document"

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class ConfigurationError(DocradarError):
    """A setting is wrong, or contradicts what is stored."""

    code = "configuration"


class DataDirInUseError(ConfigurationError):
    """Another process owns the data folder."""

    code = "data_dir_in_use"


class FingerprintMismatchError(ConfigurationError):
    """The index was built by another model or recipe than the one configured."""

    code = "fingerprint_mismatch"


class EmbeddingError(DocradarError):
    """The model failed on this input."""

    code = "embedding_failed"


class RerankError(DocradarError):
    """The reranker failed on this input."""

    code = "rerank_failed"


class LeaseLostError(DocradarError):
    """The job's fence has moved on: another worker owns it, or it has ended."""

    code = "lease_lost"


class JobCanceledError(DocradarError):
    """Somebody asked for this job to stop."""

    code = "job_canceled"
