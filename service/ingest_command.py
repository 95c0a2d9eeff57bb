"""`docradar ingest`: upload files and folders, and watch until they are searchable."""

import asyncio
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import click
import httpx

from docradar.documents import JobState
from docradar.errors import InvalidRequestError
from docradar.settings import Settings
from service.connection import RequestFailedError, call, connect, wait_until_ready

POLL_SECONDS: Final = 0.2

Job = dict[str, Any]


async def ingest_paths(
    settings: Settings,
    url: str | None,
    paths: list[Path],
    fields: dict[str, Any],
    *,
    watch: bool,
    as_json: bool,
) -> None:
    """Uploads everything, then reports each document's end.

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
    failures |= {
        name: job["error"]
        for name, job in jobs.items()
        if job["state"] in (JobState.FAILED, JobState.CANCELED)
    }
    if as_json:
        click.echo(
            json.dumps({"jobs": list(jobs.values()), "failures": failures}, ensure_ascii=False, indent=2)
        )
    else:
        click.echo("\n".join(_summary(jobs, failures)))
    if failures:
        raise RequestFailedError(f"{len(failures)} of {len(files)} documents failed")


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
                    data=form | {"external_id": external_id},
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


def _summary(jobs: dict[str, Job], failures: dict[str, str]) -> Iterator[str]:
    succeeded = [job for job in jobs.values() if job["state"] == JobState.SUCCEEDED]
    waiting = [job for job in jobs.values() if not JobState(job["state"]).terminal]
    if succeeded:
        yield f"{len(succeeded)} documents, {sum(job['total'] for job in succeeded)} units are searchable"
    if waiting:
        yield f"{len(waiting)} documents are queued; `docradar status` shows how far they are"
    for name, reason in failures.items():
        yield click.style(f"{name}: {reason}", fg="red")
