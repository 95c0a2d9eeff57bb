"""Jobs: what is being done, how far, and the story of each."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.response import Stream

from docradar.documents import JobKind, JobState
from docradar.errors import InvalidRequestError
from service.pages import Limit
from service.runtime import Runtime
from service.schemas import JobEventOut, JobList, JobOut

POLL_SECONDS: Final = 0.25
HEARTBEAT_SECONDS: Final = 15.0
EVENTS_PER_READ: Final = 200


class JobController(Controller):
    """A job is made by an upload, a change or a deletion."""

    path = "/v1/jobs"
    tags = ("jobs",)

    @get(sync_to_thread=True)
    def list_jobs(
        self,
        runtime: NamedDependency[Runtime],
        job_state: Annotated[JobState | None, QueryParameter(name="state")] = None,
        kind: FromQuery[JobKind | None] = None,
        document_id: FromQuery[str | None] = None,
        limit: Limit = 50,
        cursor: FromQuery[str | None] = None,
    ) -> JobList:
        """Jobs, the newest first. Sweeps, which tidy up behind the others, are shown when asked for by kind."""
        jobs, next_cursor = runtime.catalog.list_jobs(
            state=job_state, kind=kind, document_id=document_id, limit=limit, cursor=cursor
        )
        return JobList([JobOut.of(job) for job in jobs], next_cursor)

    @get("/{job_id:str}", sync_to_thread=True)
    def get_job(self, runtime: NamedDependency[Runtime], job_id: FromPath[str]) -> JobOut:
        """One job."""
        return JobOut.of(runtime.catalog.get_job(job_id))

    @post("/{job_id:str}/cancel", status_code=202, sync_to_thread=True)
    def cancel_job(self, runtime: NamedDependency[Runtime], job_id: FromPath[str]) -> JobOut:
        """Asks a job to stop. A queued one ends at once, a running one within seconds."""
        return JobOut.of(runtime.catalog.cancel_job(job_id))

    @post("/{job_id:str}/retry", status_code=202, sync_to_thread=True)
    def retry_job(self, runtime: NamedDependency[Runtime], job_id: FromPath[str]) -> JobOut:
        """Gives a failed or canceled job all its attempts again."""
        return JobOut.of(runtime.catalog.retry_job(job_id))

    @get("/{job_id:str}/events", media_type="text/event-stream")
    async def job_events(
        self,
        runtime: NamedDependency[Runtime],
        job_id: FromPath[str],
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Stream:
        """The job's story as server-sent events, from the start or after `Last-Event-ID`, until it ends."""
        await asyncio.to_thread(runtime.catalog.get_job, job_id)
        if last_event_id is not None and not last_event_id.isdecimal():
            raise InvalidRequestError(
                f"Last-Event-ID is {last_event_id[:50]!r}; it must be a number from this stream"
            )
        return Stream(
            _story(runtime, job_id, int(last_event_id or 0)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


async def _story(runtime: Runtime, job_id: str, after: int) -> AsyncIterator[str]:
    silent = 0.0
    while True:
        # The state is read before the events: whatever ends the job has written its event by then.
        job = await asyncio.to_thread(runtime.catalog.get_job, job_id)
        events = await asyncio.to_thread(runtime.catalog.job_events, job_id, after, EVENTS_PER_READ)
        for event in events:
            after = event.seq
            silent = 0.0
            yield f"id: {event.seq}\nevent: progress\ndata: {msgspec.json.encode(JobEventOut.of(event)).decode()}\n\n"
        if events:
            continue
        if job.state.terminal:
            yield f"event: end\ndata: {msgspec.json.encode(JobOut.of(job)).decode()}\n\n"
            return
        await asyncio.sleep(POLL_SECONDS)
        silent += POLL_SECONDS
        if silent >= HEARTBEAT_SECONDS:
            silent = 0.0
            yield ": still here\n\n"
