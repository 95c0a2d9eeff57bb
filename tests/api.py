"""The service under test, in-process and over its real HTTP API, and what tests say to it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from litestar import Litestar

from docradar.embedding.protocol import Embedder
from docradar.engine import Loader
from docradar.settings import Settings
from service.app import create_app
from service.openapi import any_of
from tests.fakes import FakeEmbedder

PATIENCE_SECONDS = 30.0
NEVER_PUBLISHED = (500,)  # a bug is nobody's contract


@dataclass
class Api:
    """A client with the waiting that every test needs."""

    client: httpx.AsyncClient
    settings: Settings
    embedder: Any

    async def put(self, text: str, **fields: Any) -> dict[str, Any]:
        """Uploads a text and returns its job."""
        response = await self.client.post("/v1/documents", json={"text": text} | fields)
        assert response.status_code in (200, 202), response.text
        return response.json()["jobs"][0]

    async def upload(self, name: str, content: bytes, **fields: Any) -> httpx.Response:
        """Uploads one file."""
        return await self.client.post("/v1/documents", files={"file": (name, content)}, data=fields)

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended."""
        return await self.eventually(
            lambda job: job["state"] not in ("queued", "running"), f"/v1/jobs/{job_id}"
        )

    async def eventually(
        self,
        accept: Callable[[Any], bool],
        path: str,
        *,
        any_status: bool = False,
        seconds: float = PATIENCE_SECONDS,
    ) -> Any:
        """The first answer of `path` that is accepted; only successful ones count, unless told otherwise."""
        async with asyncio.timeout(seconds):
            while True:
                response = await self.client.get(path)
                if (any_status or response.is_success) and accept(response.json()):
                    return response.json()
                await asyncio.sleep(0.02)

    async def ingest(self, text: str, **fields: Any) -> dict[str, Any]:
        """Uploads a text and returns its document, ready."""
        job = await self.ended((await self.put(text, **fields))["id"])
        assert job["state"] == "succeeded", job
        return (await self.client.get(f"/v1/documents/{job['document_id']}")).json()

    async def search(self, query: str, **fields: Any) -> list[dict[str, Any]]:
        """The results of a search."""
        response = await self.client.post("/v1/search", json={"query": query} | fields)
        assert response.status_code == 200, response.text
        return response.json()["results"]

    async def texts(self, query: str, **fields: Any) -> list[str]:
        return [result["text"] for result in await self.search(query, **fields)]


@asynccontextmanager
async def running(
    data_dir: Path,
    *,
    embedder: Embedder | None = None,
    loader: Loader | None = None,
    wait: bool = True,
    **settings: Any,
) -> AsyncIterator[Api]:
    """A service on a data folder, ended at the end of the block; its embedder is the fake unless one is given."""
    embedder = embedder or FakeEmbedder()
    chosen = Settings(data_dir=data_dir, **({"poll_seconds": 0.05, "retry_backoff_seconds": 0.05} | settings))
    app = create_app(chosen, loader=loader or (lambda _settings, _say: embedder))
    async with (
        _alive(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client,
    ):
        api = Api(client, chosen, embedder)
        if wait:
            await api.eventually(lambda _: True, "/health/ready")
        yield api


@asynccontextmanager
async def _alive(app: Litestar) -> AsyncIterator[None]:
    """The app's lifespan, begun and ended in one task: a fixture's two halves run in two, which anyio refuses."""
    started, stop = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set_result(None)
            await stop.wait()

    life = asyncio.create_task(live())
    await asyncio.wait((life, started), return_when=asyncio.FIRST_COMPLETED)
    try:
        if started.done():
            yield
    finally:
        stop.set()
        await life


@cache
def openapi() -> dict[str, Any]:
    """What `/docs/openapi.json` serves."""
    schema: dict[str, Any] = any_of(create_app(Settings()).openapi_schema.to_schema())
    return schema


def published_responses(method: str, path: str) -> dict[str, Any] | None:
    """The responses of the route that takes this request, by status; None where there is no such route."""
    for template, operations in openapi()["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path) and method.lower() in operations:
            return operations[method.lower()]["responses"]
    return None


def assert_problem(response: httpx.Response, status: int, code: str, *words: str) -> dict[str, Any]:
    """The response is RFC 9457 problem details with this status, this code, and these words in its detail.

    A route's problems are among those that its OpenAPI publishes.
    """
    assert response.status_code == status, response.text
    published = published_responses(response.request.method, response.request.url.path)
    if published is not None and status not in NEVER_PUBLISHED:
        assert "application/problem+json" in published[str(status)]["content"]
    assert response.headers["content-type"].split(";")[0] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["code"] == code, problem
    assert problem["title"]
    assert problem["request_id"] == response.headers["x-request-id"]
    for word in words:
        assert word in problem["detail"], problem["detail"]
    return problem
