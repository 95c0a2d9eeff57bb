"""Qdrant's failures → docradar's errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from json import JSONDecodeError

import grpc  # type: ignore[import-untyped]
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from docradar.errors import ConfigurationError, UnavailableError

_REFUSED = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}


@contextmanager
def translated_failures() -> Iterator[None]:
    """Raises docradar's errors for those of `qdrant_client` and its transports.

    Raises:
        UnavailableError: The server cannot be reached, is too slow, overloaded, or answers what it should not.
        ConfigurationError: The server refuses the API key.
    """
    try:
        yield
    except ResourceExhaustedResponse as error:
        raise UnavailableError(
            f"the Qdrant server is overloaded: {error}", retry_after_seconds=error.retry_after_s
        ) from error
    except UnexpectedResponse as error:
        if error.status_code in (401, 403):
            raise _refused() from error
        raise UnavailableError(f"the Qdrant server failed: {error}") from error
    except JSONDecodeError as error:
        raise _unreachable("what answers is not Qdrant") from error
    except ResponseHandlingException as error:
        raise _unreachable(str(error.source) or type(error.source).__name__) from error
    except grpc.aio.AioRpcError as error:
        if error.code() in _REFUSED:
            raise _refused() from error
        raise _unreachable(f"{error.code().name}: {error.details()}") from error


def _unreachable(reason: str) -> UnavailableError:
    return UnavailableError(
        f"the Qdrant server does not answer ({reason}); check that it runs, and the setting qdrant_url",
        retry_after_seconds=2.0,
    )


def _refused() -> ConfigurationError:
    return ConfigurationError("the Qdrant server refuses the API key; check the setting qdrant_api_key")
