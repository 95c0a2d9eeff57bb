"""`docradar ingest`: upload files and folders, and watch until they are searchable."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from docradar.client import AsyncClient, DocradarApiError, Job, UploadFields
from docradar.client.files import distinct, files_of
from docradar.documents import DocumentStatus, JobState
from docradar.errors import DocradarError, InvalidRequestError
from docradar.settings import Settings
from service.connection import connect

POLL_SECONDS: Final = 0.2
DOCUMENTS_PER_PAGE: Final = 500
CONTAINER_STAGE: Final = "documents"
"""The stage at which a container's job ends."""


class DocumentsFailedError(DocradarError):
    """Some of the documents are not in; the others are."""

    code = "documents_failed"


@dataclass(slots=True)
class Outcome:
    """What became of an upload; `failures` are reasons by file, or by file and document in it."""

    documents: int = 0
    units: int = 0
    waiting: int = 0
    failures: dict[str, str] = field(default_factory=dict)


async def ingest_paths(
    settings: Settings,
    url: str | None,
    paths: list[Path],
    fields: UploadFields,
    *,
    watch: bool,
    as_json: bool,
) -> None:
    """Uploads everything, then reports each document's end, also of those that stand in archives and exports.

    Raises:
        DuplicateDocumentError: Two of the files would be one document; nothing was uploaded.
        InvalidRequestError: There is no file.
        DocumentsFailedError: At least one document failed; the others are in.
    """
    files = distinct(entry for path in paths for entry in files_of(path))
    if not files:
        raise InvalidRequestError(f"no file under {', '.join(map(str, paths))}")
    async with connect(settings, url) as client:
        jobs, failures = await upload_all(client, files, fields)
        if watch:
            await client.wait_until_ready()
            with progress_bar(len(jobs), hidden=as_json) as bar:
                jobs = await watch_jobs(client, jobs, bar)
        outcome = await outcome_of(client, jobs, failures)
    failures = outcome.failures
    if as_json:
        told = msgspec.json.encode({"jobs": list(jobs.values()), "failures": failures})
        click.echo(msgspec.json.format(told, indent=2))
    else:
        click.echo("\n".join(_summary(outcome)))
    if failures:
        total = outcome.documents + outcome.waiting + len(failures)
        raise DocumentsFailedError(f"{len(failures)} of {total} documents failed")


async def upload_all(
    client: AsyncClient, files: list[tuple[Path, str]], fields: UploadFields
) -> tuple[dict[str, Job], dict[str, str]]:
    """The job of each file that the service took, and why it did not take the others."""
    jobs: dict[str, Job] = {}
    failures: dict[str, str] = {}
    for path, external_id in files:
        own: UploadFields = {**fields}
        if external_id != path.name:  # a name is left out: what the file is may call for another id
            own["external_id"] = external_id
        try:
            jobs[str(path)] = await client.upload(path, **own)
        except OSError as error:
            failures[str(path)] = f"cannot be opened: {error.strerror}"
        except DocradarApiError as error:
            failures[str(path)] = str(error)
    return jobs, failures


async def watch_jobs(client: AsyncClient, jobs: dict[str, Job], bar: Any) -> dict[str, Job]:
    """The jobs at their ends."""
    ended: dict[str, Job] = {}
    while len(ended) < len(jobs):
        for name, job in jobs.items():
            if name not in ended:
                fresh = await client.job(job)
                if fresh.ended:
                    ended[name] = fresh
                    bar.update(1)
        await asyncio.sleep(POLL_SECONDS)
    return ended


def progress_bar(length: int, *, hidden: bool) -> AbstractContextManager[Any]:
    return click.progressbar(length=length, label="documents", show_pos=True, hidden=hidden)


async def outcome_of(client: AsyncClient, jobs: dict[str, Job], failures: dict[str, str]) -> Outcome:
    """What the jobs came to; of a container, what became of its documents."""
    outcome = Outcome(failures=dict(failures))
    for name, job in jobs.items():
        if not job.ended:
            outcome.waiting += 1
        elif job.stage == CONTAINER_STAGE:
            await _add_members(client, name, job, outcome)
        elif job.state == JobState.SUCCEEDED:
            outcome.documents += 1
            outcome.units += job.total
        else:
            outcome.failures[name] = job.error or job.state
    return outcome


async def _add_members(client: AsyncClient, name: str, job: Job, outcome: Outcome) -> None:
    report = (await client.document(job.document_id)).report
    failed = dict(report.documents_failed) if report else {}
    members = client.documents(container_id=job.document_id, page_size=DOCUMENTS_PER_PAGE)
    async for document in members:
        if document.status == DocumentStatus.READY:
            outcome.documents += 1
            outcome.units += document.units
        elif document.error:
            failed[document.external_id] = document.error
    if job.state != JobState.SUCCEEDED and not failed:
        outcome.failures[name] = job.error or job.state
    outcome.failures.update({f"{name}: {member}": reason for member, reason in failed.items()})


def _summary(outcome: Outcome) -> Iterator[str]:
    if outcome.documents:
        yield f"{outcome.documents} documents, {outcome.units} units are searchable"
    if outcome.waiting:
        yield f"{outcome.waiting} documents are queued; `docradar status` shows how far they are"
    for name, reason in outcome.failures.items():
        yield click.style(f"{name}: {reason}", fg="red")
