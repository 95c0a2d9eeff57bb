"""The one place where errors become HTTP: RFC 9457 problem details with a stable `code` and the remedy.

A 500 reveals nothing and is logged whole. What the caller sent is never echoed at length.
"""

import logging
import math
import uuid
from http import HTTPStatus
from typing import Any, Final

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi.datastructures import ResponseSpec
from litestar.types import ExceptionHandlersMap, Scope

from docradar import errors
from service.schemas import Problem

logger = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

# The nearest ancestor in this table decides; see the tree in docradar/errors.py.
STATUS: Final[dict[type[errors.DocradarError], HTTPStatus]] = {
    errors.TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.InvalidRequestError: HTTPStatus.BAD_REQUEST,
    errors.NotFoundError: HTTPStatus.NOT_FOUND,
    errors.ConflictError: HTTPStatus.CONFLICT,
    errors.UnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.EmbeddingError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.RerankError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ConfigurationError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DocradarError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

CODES: Final = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


def request_id(scope: Scope) -> str:
    """The id of a request, made when first asked for: routing may fail before any middleware has run."""
    state = scope.setdefault("state", {})
    return str(state.setdefault("request_id", uuid.uuid4().hex))


def problem_of(error: Exception, scope: Scope) -> Problem:
    """What the caller of this request may know of an error; a bug is logged whole, and not told."""
    if isinstance(error, errors.DocradarError):
        status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
        if status is not HTTPStatus.INTERNAL_SERVER_ERROR:
            return _problem(scope, status, error.code, str(error))
    logger.error("request failed", exc_info=error, extra={"path": scope.get("path", "")})
    return _problem(
        scope,
        500,
        "internal_error",
        "something went wrong inside docradar; its log has the whole error under this request_id",
    )


def _problem(
    scope: Scope, status: int, code: str, detail: str, details: list[dict[str, str]] | None = None
) -> Problem:
    """Problem details; `detail` must be fit for the caller's eyes."""
    return Problem(
        type="about:blank",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id(scope),
        errors=details or [],
    )


def _response(problem: Problem, headers: dict[str, str] | None = None) -> Response[Problem]:
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers or {})


def _from_error(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    headers: dict[str, str] = {}
    if isinstance(error, errors.UnavailableError):
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    if isinstance(error, errors.TooLargeError):
        # The rest of the upload is not read: without this the server would drain it.
        headers["Connection"] = "close"
    return _response(problem_of(error, request.scope), headers)


def _from_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    status = error.status_code
    if status >= 500:
        return _from_error(request, error)
    code = CODES.get(status, "invalid_request")
    details = [
        {"field": str(entry.get("key", "")), "message": str(entry.get("message", ""))[:300]}
        for entry in (error.extra if isinstance(error.extra, list) else [])
        if isinstance(entry, dict)
    ]
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return _response(_problem(request.scope, status, code, _sentence(error, details), details), headers)


def _sentence(error: HTTPException, details: list[dict[str, str]]) -> str:
    if details:
        return "; ".join(
            f"{entry['field']}: {entry['message']}" if entry["field"] else entry["message"]
            for entry in details
        )
    match error.status_code:
        case 404:
            return "there is nothing at this path; /docs/openapi.json lists the paths that exist"
        case 405:
            return "this path does not take that method; /docs/openapi.json lists the methods it takes"
        case 413:
            return "the request body is larger than this path takes"
        case _:
            return error.detail.splitlines()[0][:300] if error.detail else "the request cannot be understood"


def _from_recursion(request: Request[Any, Any, Any], error: RecursionError) -> Response[Problem]:
    if "deserializing" not in str(error):
        return _from_error(request, error)
    return _response(_problem(request.scope, 400, "invalid_request", "the JSON body is nested too deeply"))


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    HTTPException: _from_framework,
    RecursionError: _from_recursion,
    Exception: _from_error,
}

DESCRIPTIONS: Final = {
    400: "A parameter, a field or the body cannot be used.",
    404: "There is no such thing, or not any more.",
    409: "Its state does not allow this.",
    413: "The body is larger than this path takes.",
    503: "Something that this needs is away, loading, full or busy; `Retry-After`, where given, says when to come back.",
}


def problem_spec(description: str) -> ResponseSpec:
    """How a problem appears in the published OpenAPI."""
    return ResponseSpec(
        data_container=Problem, description=description, media_type=MEDIA_TYPE, generate_examples=False
    )


def problem_specs(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems of a route, in the words that all routes share."""
    return {status: problem_spec(DESCRIPTIONS[status]) for status in statuses}
