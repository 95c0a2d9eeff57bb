"""Parameters: what every listing takes, and what no route does."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import QueryParameter

from docradar.catalog import refuse_unstorable

Limit = Annotated[int, QueryParameter(ge=1, le=500, description="How many to return, 1 to 500.")]


async def refuse_unstorable_parameters(request: Request[Any, Any, Any]) -> None:
    """Ends requests for what cannot exist: PostgreSQL answers even a query for it with an error.

    Raises:
        InvalidRequestError: A part of the path, or a query parameter, holds a NUL or half of a surrogate pair.
    """
    for name, value in (*request.path_params.items(), *request.query_params.multi_items()):
        refuse_unstorable({name: value})
