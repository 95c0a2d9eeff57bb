"""Parameters that every listing takes."""

from typing import Annotated

from litestar.params import QueryParameter

Limit = Annotated[int, QueryParameter(ge=1, le=500, description="How many to return, 1 to 500.")]
