"""Jobs: what is being done, how far, and the story of each."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any, Final

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.response import Stream
from litestar.types import Scope
from msgspec import Struct

from docradar.catalog import Catalog
from docradar.documents import Job, JobKind, JobState
from docradar.errors import InvalidRequestError, NotFoundError
from service.pages import Limit
from service.problems import problem_of, problem_specs
from service.runtime import Runtime
from service.schemas import JobEventOut, JobList, JobOut

POLL_SECONDS: Final = 0.25
HEARTBEAT_SECONDS: Final = 15.0
EVENTS_PER_READ: Final = 200
MAX_EVENT_DIGITS: Final = 9


class JobController(Controller):
    """A job is made by an upload, a change or a deletion."""

    path = "/v1/jobs"
    tags = ("jobs",)

    @get(sync_to_thread=True, responses=problem_specs(400, 503))
    def list_jobs(
        self,
        runtime: NamedDependency[Runtime],
        job_state: Annotated[JobState | None, QueryParameter(name="state")] = None,
        kind: FromQuery[JobKind | None] = None,
        document_id: FromQuery[str | None] = None,
        parent_id: FromQuery[str | None] = None,
        limit: Limit = 50,
        cursor: FromQuery[str | None] = None,
    ) -> JobList:
        """Jobs, the newest first. Sweeps, which tidy up behind the others, are shown when asked for by kind.

        `parent_id` names the job of a container: its children are the jobs of the documents that were taken out of it.
        """
        jobs, next_cursor = runtime.catalog.list_jobs(
            state=job_state,
            kind=kind,
            document_id=document_id,
            parent_id=parent_id,
            limit=limit,
            cursor=cursor,
        )
        return JobList([JobOut.of(job) for job in jobs], next_cursor)

    @get("/{job_id:str}", sync_to_thread=True, responses=problem_specs(400, 404, 503))
    def get_job(self, runtime: NamedDependency[Runtime], job_id: FromPath[str]) -> JobOut:
        """One job."""
        return JobOut.of(runtime.catalog.get_job(job_id))

    @post(
        "/{job_id:str}/cancel",
        status_code=202,
        sync_to_thread=True,
        responses=problem_specs(400, 404, 409, 503),
    )
    def cancel_job(self, runtime: NamedDependency[Runtime], job_id: FromPath[str]) -> JobOut:
        """Asks a job to stop. A queued one ends at once, a running one within seconds.

        With a container's job those of its documents are canceled; documents that have come in already stay.
        """
        return JobOut.of(runtime.catalog.cancel_job(job_id))

    @post(
        "/{job_id:str}/retry",
        status_code=202,
        sync_to_thread=True,
        responses=problem_specs(400, 404, 409, 503),
    )
    def retry_job(self, runtime: NamedDependency[Runtime], job_id: FromPath[str]) -> JobOut:
        """Gives a failed or canceled job all its attempts again. A container is unpacked anew."""
        return JobOut.of(runtime.catalog.retry_job(job_id))

    @get(
        "/{job_id:str}/events",
        media_type="text/event-stream",
        responses=problem_specs(400, 404, 503),
    )
    async def job_events(
        self,
        request: Request[Any, Any, Any],
        runtime: NamedDependency[Runtime],
        job_id: FromPath[str],
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Stream:
        """The job's story as server-sent events, from the start or after `Last-Event-ID`, until it ends.

        Events are `progress`, each with an id, then one `end` with the job, or `error` with a problem: come back later.
        """
        after = _event_number(last_event_id)
        job = await asyncio.to_thread(runtime.catalog.get_job, job_id)
        return Stream(
            story(runtime.catalog, job, after, request.scope),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


def _event_number(last_event_id: str | None) -> int:
    if last_event_id is None:
        return 0
    if not last_event_id.isdecimal() or len(last_event_id) > MAX_EVENT_DIGITS:
        raise InvalidRequestError(
            f"Last-Event-ID is {last_event_id[:50]!r}; it must be a number from this stream"
        )
    return int(last_event_id)


async def story(catalog: Catalog, job: Job, after: int, scope: Scope) -> AsyncIterator[str]:
    """What is sent of a job's story after event `after`. It has begun by then, so errors are events too."""
    try:
        async for event in _events(catalog, job, after):
            yield event
    except Exception as error:  # noqa: BLE001  told to the caller, and logged where it is a bug
        yield _event("error", problem_of(error, scope))


async def _events(catalog: Catalog, job: Job, after: int) -> AsyncIterator[str]:
    silent = 0.0
    while True:
        # The state is read before the events: whatever ends the job has written its event by then.
        job = await asyncio.to_thread(_current, catalog, job)
        events = await asyncio.to_thread(catalog.job_events, job.id, after, EVENTS_PER_READ)
        for event in events:
            after = event.seq
            silent = 0.0
            yield f"id: {event.seq}\n" + _event("progress", JobEventOut.of(event))
        if events:
            continue
        if job.state.terminal:
            yield _event("end", JobOut.of(job))
            return
        await asyncio.sleep(POLL_SECONDS)
        silent += POLL_SECONDS
        if silent >= HEARTBEAT_SECONDS:
            silent = 0.0
            yield ": still here\n\n"


def _current(catalog: Catalog, job: Job) -> Job:
    """The job as it is now. A sweep is gone once it has succeeded."""
    try:
        return catalog.get_job(job.id)
    except NotFoundError:
        if job.kind is not JobKind.SWEEP:
            raise
        return replace(job, state=JobState.SUCCEEDED)


def _event(name: str, content: Struct) -> str:
    return f"event: {name}\ndata: {msgspec.json.encode(content).decode()}\n\n"
