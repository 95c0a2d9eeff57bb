"""Is the process alive, and can it answer?"""

from importlib.metadata import version
from typing import Final

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from docradar.engine import RETRY_AFTER_SECONDS
from service.runtime import Runtime
from service.schemas import Live, Readiness

VERSION: Final = version("docradar")


class HealthController(Controller):
    """For load balancers, and for people who wait."""

    path = "/health"
    tags = ("health",)

    @get("/live")
    async def live(self) -> Live:
        """The process answers."""
        return Live("live", VERSION)

    @get(
        "/ready",
        responses={
            503: ResponseSpec(
                data_container=Readiness, description="Loading, or failed.", generate_examples=False
            )
        },
    )
    async def ready(self, runtime: NamedDependency[Runtime]) -> Response[Readiness]:
        """200 when searches are answered; 503 with the stage and the seconds so far while the model loads."""
        status = runtime.engine.status
        body = Readiness(
            status=status.state,
            stage=status.stage,
            seconds=round(status.seconds, 1),
            model=status.model,
            error=status.error,
        )
        if status.state == "ready":
            return Response(body)
        return Response(body, status_code=503, headers={"Retry-After": str(int(RETRY_AFTER_SECONDS))})
