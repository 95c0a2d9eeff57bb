"""The composition root of the HTTP service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from litestar import Litestar, MediaType, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.types import Message, Scope

from docradar.engine import Loader
from docradar.settings import Settings
from service.calibration import CalibrationController
from service.collections import CollectionController
from service.documents import DocumentController
from service.facets import FacetController
from service.health import VERSION, HealthController
from service.jobs import JobController
from service.openapi import AnyOfJsonPlugin
from service.pages import refuse_unstorable_parameters
from service.problems import EXCEPTION_HANDLERS, request_id
from service.rerank import RerankController
from service.runtime import Runtime
from service.search import SearchController

MAX_BODY_BYTES: Final = 1_000_000


def create_app(settings: Settings, *, load_engine: bool = True, loader: Loader | None = None) -> Litestar:
    """The service for these settings. Nothing is opened before it starts; without an engine it only tells."""
    runtime = Runtime(
        settings,
        command="docradar serve",
        url=f"http://{settings.host}:{settings.port}",
        load_engine=load_engine,
        loader=loader,
        worker=settings.embedded_worker and load_engine,
    )

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            await runtime.open()
            yield
        finally:
            await runtime.close()

    return Litestar(
        route_handlers=[
            index,
            DocumentController,
            SearchController,
            RerankController,
            JobController,
            CollectionController,
            FacetController,
            CalibrationController,
            HealthController,
        ],
        dependencies={"runtime": Provide(lambda: runtime, sync_to_thread=False)},
        lifespan=[lifespan],
        before_request=refuse_unstorable_parameters,
        before_send=[send_request_id],
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="docradar",
            version=VERSION,
            description="Semantic search over a team's documents. Errors are RFC 9457 problem details.",
            path="/docs",
            render_plugins=[AnyOfJsonPlugin()],
        ),
        # The root logger is configured by the command line; a library does not do it.
        logging_config=None,
        state=State({"runtime": runtime}),
    )


@asynccontextmanager
async def lifespan_of(app: Litestar) -> AsyncIterator[None]:
    """The application's life. Litestar puts an error in it into groups; out of here comes the error itself."""
    try:
        async with app.lifespan():
            yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from None


@get("/", media_type=MediaType.TEXT, include_in_schema=False)
async def index() -> str:
    """Where to go from here."""
    return f"docradar {VERSION}. The API is described at /docs/openapi.json; POST a question to /v1/search.\n"


async def send_request_id(message: Message, scope: Scope) -> None:
    """Puts the request's id, which is in its errors and log lines too, into `X-Request-ID`."""
    if message["type"] == "http.response.start":
        message["headers"] = [*message["headers"], (b"x-request-id", request_id(scope).encode())]
