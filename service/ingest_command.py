"""`docradar ingest`: upload files and folders, and watch until they are searchable."""

import asyncio
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import httpx

from docradar.documents import DocumentStatus, JobState
from docradar.errors import InvalidRequestError
from docradar.settings import Settings
from service.connection import RequestFailedError, call, connect, wait_until_ready

POLL_SECONDS: Final = 0.2
DOCUMENTS_PER_PAGE: Final = 500
CONTAINER_STAGE: Final = "documents"
"""The stage at which a container's job ends."""

Job = dict[str, Any]


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
    fields: dict[str, Any],
    *,
    watch: bool,
    as_json: bool,
) -> None:
    """Uploads everything, then reports each document's end, also of those that stand in archives and exports.

    Raises:
        InvalidRequestError: There is no file, or two of them would be one document; nothing was uploaded.
        RequestFailedError: At least one document failed; the others are in.
    """
    files = distinct(entry for path in paths for entry in files_of(path))
    if not files:
        raise InvalidRequestError(f"no file under {', '.join(map(str, paths))}")
    async with connect(settings, url) as client:
        jobs, failures = await upload_all(client, files, fields)
        if watch:
            await wait_until_ready(client)
            with progress_bar(len(jobs), hidden=as_json) as bar:
                jobs = await watch_jobs(client, jobs, bar)
        outcome = await outcome_of(client, jobs, failures)
    failures = outcome.failures
    if as_json:
        click.echo(
            json.dumps({"jobs": list(jobs.values()), "failures": failures}, ensure_ascii=False, indent=2)
        )
    else:
        click.echo("\n".join(_summary(outcome)))
    if failures:
        total = outcome.documents + outcome.waiting + len(failures)
        raise RequestFailedError(f"{len(failures)} of {total} documents failed")


def files_of(path: Path) -> Iterator[tuple[Path, str]]:
    """Files to upload with their external ids: a file's name, or its path below the folder. Hidden ones are left out."""
    if path.is_file():
        yield path, path.name
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                file = Path(folder) / name
                yield file, file.relative_to(path).as_posix()


def distinct(files: Iterable[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """The files, one that is named twice only once.

    Raises:
        InvalidRequestError: Two of them have the same external id, so that one would replace the other.
    """
    by_id: dict[str, Path] = {}
    for path, external_id in files:
        other = by_id.setdefault(external_id, path)
        if other.resolve() != path.resolve():
            raise InvalidRequestError(
                f"{other} and {path} would both be the document {external_id!r}, one replacing the other; ingest the "
                "folder they share, or each with a --source of its own"
            )
    return [(path, external_id) for external_id, path in by_id.items()]


async def upload_all(
    client: httpx.AsyncClient, files: list[tuple[Path, str]], fields: dict[str, Any]
) -> tuple[dict[str, Job], dict[str, str]]:
    jobs: dict[str, Job] = {}
    failures: dict[str, str] = {}
    form = {name: value for name, value in fields.items() if value}
    for path, external_id in files:
        try:
            with path.open("rb") as content:
                accepted = await call(
                    client,
                    "POST",
                    "/v1/documents",
                    # Left out where it is the name: what the file is may call for another.
                    data=form | ({"external_id": external_id} if external_id != path.name else {}),
                    files={"file": (path.name, content)},
                    timeout=None,
                )
            jobs[str(path)] = accepted["jobs"][0]
        except OSError as error:
            failures[str(path)] = f"cannot be opened: {error.strerror}"
        except RequestFailedError as error:
            failures[str(path)] = str(error)
    return jobs, failures


async def watch_jobs(client: httpx.AsyncClient, jobs: dict[str, Job], bar: Any) -> dict[str, Job]:
    """The jobs at their ends."""
    ended: dict[str, Job] = {}
    while len(ended) < len(jobs):
        for name, job in jobs.items():
            if name not in ended:
                fresh = await call(client, "GET", f"/v1/jobs/{job['id']}")
                if JobState(fresh["state"]).terminal:
                    ended[name] = fresh
                    bar.update(1)
        await asyncio.sleep(POLL_SECONDS)
    return ended


def progress_bar(length: int, *, hidden: bool) -> AbstractContextManager[Any]:
    return click.progressbar(length=length, label="documents", show_pos=True, hidden=hidden)


async def outcome_of(client: httpx.AsyncClient, jobs: dict[str, Job], failures: dict[str, str]) -> Outcome:
    """What the jobs came to; of a container, what became of its documents."""
    outcome = Outcome(failures=dict(failures))
    for name, job in jobs.items():
        state = JobState(job["state"])
        if not state.terminal:
            outcome.waiting += 1
        elif job["stage"] == CONTAINER_STAGE:
            await _add_members(client, name, job, outcome)
        elif state is JobState.SUCCEEDED:
            outcome.documents += 1
            outcome.units += job["total"]
        else:
            outcome.failures[name] = job["error"]
    return outcome


async def _add_members(client: httpx.AsyncClient, name: str, job: Job, outcome: Outcome) -> None:
    document_id = job["document_id"]
    report = (await call(client, "GET", f"/v1/documents/{document_id}"))["report"]
    failed = dict(report["documents_failed"]) if report else {}
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        wanted = {"container_id": document_id, "limit": DOCUMENTS_PER_PAGE}
        if page["next_cursor"]:
            wanted["cursor"] = page["next_cursor"]
        page = await call(client, "GET", "/v1/documents", params=wanted)
        for document in page["documents"]:
            if document["status"] == DocumentStatus.READY:
                outcome.documents += 1
                outcome.units += document["units"]
            elif document["error"]:
                failed[document["external_id"]] = document["error"]
    if job["state"] != JobState.SUCCEEDED and not failed:
        outcome.failures[name] = job["error"]
    outcome.failures.update({f"{name}: {member}": reason for member, reason in failed.items()})


def _summary(outcome: Outcome) -> Iterator[str]:
    if outcome.documents:
        yield f"{outcome.documents} documents, {outcome.units} units are searchable"
    if outcome.waiting:
        yield f"{outcome.waiting} documents are queued; `docradar status` shows how far they are"
    for name, reason in outcome.failures.items():
        yield click.style(f"{name}: {reason}", fg="red")
