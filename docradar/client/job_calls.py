"""Jobs: what is being done, and waiting for its end."""

from functools import partial
from typing import Final

from docradar.client.errors import WaitTimeoutError
from docradar.client.exchange import Deadline, Exchange, Flow, Request, path_of, pauses
from docradar.client.listing import PAGE_SIZE, Listing
from docradar.client.types import Job, JobPage

LONGEST_PAUSE_SECONDS: Final = 1.0


class JobCalls(Exchange):
    """A job is named by its id or by itself."""

    def jobs(
        self,
        *,
        state: str | None = None,
        kind: str | None = None,
        document_id: str | None = None,
        parent_id: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Listing[Job]:
        """Jobs, the newest first. `parent_id`: those of a container's documents."""
        wanted = {"state": state, "kind": kind, "document_id": document_id, "parent_id": parent_id}
        return Listing(partial(self._page, JobPage, path_of("jobs"), wanted | {"limit": page_size}))

    def job(self, job: Job | str) -> Flow[Job]:
        """The job as it is now."""
        return self._ask(Request("GET", path_of("jobs", id_of(job))), Job)

    def wait(self, job: Job | str, *, timeout: float | None = None) -> Flow[Job]:
        """The job at its end, whether it succeeded, failed or was canceled. A container's waits for its documents.

        Raises:
            WaitTimeoutError: It has not ended within `timeout` seconds; it goes on.
        """
        if isinstance(job, Job) and job.ended:
            return job
        request = Request("GET", path_of("jobs", id_of(job)))
        deadline, between = Deadline(timeout), pauses(LONGEST_PAUSE_SECONDS)
        while True:
            current = yield from self._ask(request, Job)
            if current.ended:
                return current
            if deadline.passed:
                raise WaitTimeoutError(
                    f"job {current.id} is {current.state} ({current.done} of {current.total}) after {timeout:g} s; wait "
                    "for it again, or longer"
                )
            request = request.after(deadline.cut(next(between)))

    def cancel(self, job: Job | str) -> Flow[Job]:
        """Asks a job to stop; a running one ends within seconds."""
        return self._ask(Request("POST", path_of("jobs", id_of(job), "cancel")), Job)

    def retry(self, job: Job | str) -> Flow[Job]:
        """Gives a failed or canceled job all its attempts again."""
        return self._ask(Request("POST", path_of("jobs", id_of(job), "retry")), Job)


def id_of(job: Job | str) -> str:
    return job.id if isinstance(job, Job) else job
