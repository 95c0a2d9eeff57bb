"""`docradar status`: what an operator asks first."""

import json
from collections.abc import Iterator
from typing import Any

import click
import httpx
import msgspec

from docradar.documents import DocumentStatus, JobState
from docradar.settings import Settings
from service.connection import call, connect, readiness

NAMED_DOCUMENTS = 20


async def show_status(settings: Settings, url: str | None, *, as_json: bool) -> None:
    """Prints the engine, the collections, live jobs, failed documents, and those that were read with doubts."""
    async with connect(settings, url, load_engine=False) as client:
        status = {
            "engine": msgspec.to_builtins(await readiness(client)) if url else None,
            "collections": (await call(client, "GET", "/v1/collections"))["collections"],
            "jobs": [
                job
                for state in (JobState.RUNNING, JobState.QUEUED)
                for job in (await call(client, "GET", "/v1/jobs", params={"state": state, "limit": 500}))[
                    "jobs"
                ]
            ],
            "failed": await _documents(client, status=DocumentStatus.FAILED),
            "attention": await _documents(client, warned=True),
        }
    click.echo(json.dumps(status, ensure_ascii=False, indent=2) if as_json else "\n".join(_lines(status)))


async def _documents(client: httpx.AsyncClient, **wanted: Any) -> list[dict[str, Any]]:
    """The newest of the documents that are wanted."""
    page = await call(client, "GET", "/v1/documents", params={"limit": NAMED_DOCUMENTS, **wanted})
    documents: list[dict[str, Any]] = page["documents"]
    return documents


def _lines(status: dict[str, Any]) -> Iterator[str]:
    if engine := status["engine"]:
        yield f"engine       {engine['status']}: {engine['error'] or engine['model'] or engine['stage']}"
    for collection in status["collections"]:
        yield (
            f"collection   {collection['name']}: {collection['documents']} documents, {collection['units']} units, "
            f"sources {', '.join(collection['sources'])}"
        )
    if not status["collections"]:
        yield "collection   none yet; `docradar ingest FILE` makes one"
    live = {job["id"] for job in status["jobs"]}
    for job in status["jobs"]:
        if job["parent_id"] in live:
            continue  # its container's line counts it
        yield f"job          {job['id']} {job['kind']} {job['state']} {job['stage']} {job['done']}/{job['total']}"
    for document in status["failed"]:
        yield click.style(f"failed       {document['filename']}: {document['error']}", fg="red")
    for document in status["attention"]:
        if document["status"] == DocumentStatus.FAILED:
            continue
        warnings = "; ".join(document["report"]["warnings"])
        yield click.style(f"attention    {document['filename']}: {warnings}", fg="yellow")
