"""`docradar status`: what an operator asks first."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Final, TypeVar

import click
import msgspec
from msgspec import Struct

from docradar.client import Collection, Document, Job, Readiness
from docradar.documents import DocumentStatus, JobState
from docradar.settings import Settings
from service.connection import connect

T = TypeVar("T")

SHOWN_JOBS: Final = 500
NAMED_DOCUMENTS: Final = 20


class Status(Struct):
    """What is there, what is being done, and what went wrong; `engine` is None where there is no service to ask."""

    engine: Readiness | None
    collections: list[Collection]
    jobs: list[Job]
    failed: list[Document]
    attention: list[Document]


async def show_status(settings: Settings, url: str | None, *, as_json: bool) -> None:
    """Prints the engine, the collections, live jobs, failed documents, and those that were read with doubts."""
    async with connect(settings, url, load_engine=False) as client:
        status = Status(
            engine=await client.ready() if url else None,
            collections=await client.collections(),
            jobs=[
                job
                for state in (JobState.RUNNING, JobState.QUEUED)
                for job in await _first(SHOWN_JOBS, client.jobs(state=state, page_size=SHOWN_JOBS))
            ],
            failed=await _first(
                NAMED_DOCUMENTS, client.documents(status=DocumentStatus.FAILED, page_size=NAMED_DOCUMENTS)
            ),
            attention=await _first(NAMED_DOCUMENTS, client.documents(warned=True, page_size=NAMED_DOCUMENTS)),
        )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(status), indent=2))
    else:
        click.echo("\n".join(_lines(status)))


async def _first(count: int, listing: AsyncGenerator[T, None]) -> list[T]:
    """As many as `count`; with pages of that size no more is asked for than the first."""
    first: list[T] = []
    async with aclosing(listing):
        async for entry in listing:
            first.append(entry)
            if len(first) == count:
                break
    return first


def _lines(status: Status) -> Iterator[str]:
    if engine := status.engine:
        yield f"engine       {engine.status}: {engine.error or engine.model or engine.stage}"
    for collection in status.collections:
        yield (
            f"collection   {collection.name}: {collection.documents} documents, {collection.units} units, "
            f"sources {', '.join(collection.sources)}"
        )
    if not status.collections:
        yield "collection   none yet; `docradar ingest FILE` makes one"
    live = {job.id for job in status.jobs}
    for job in status.jobs:
        if job.parent_id in live:
            continue  # its container's line counts it
        yield f"job          {job.id} {job.kind} {job.state} {job.stage} {job.done}/{job.total}"
    for document in status.failed:
        yield click.style(f"failed       {document.filename}: {document.error}", fg="red")
    for document in status.attention:
        if document.status == DocumentStatus.FAILED or document.report is None:
            continue
        warnings = "; ".join(document.report.warnings)
        yield click.style(f"attention    {document.filename}: {warnings}", fg="yellow")
