"""Claims jobs, keeps their leases alive, and sees each to an end.

Loops run side by side: one claims, one renews leases, one takes those of vanished workers, one ends containers whose
documents have all come in, one looks for documents that nothing is working on, one clears up behind killed processes. None waits for another, nor for a job: what touches a
file runs in a child process, what computes runs in threads. Renewing has a thread of its own.
"""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, ParamSpec, TypeVar

from docradar.blobs import Blobs
from docradar.catalog import Catalog
from docradar.documents import Job, JobKind
from docradar.engine import Engine
from docradar.errors import DocradarError, JobCanceledError, LeaseLostError, ReadError, UnavailableError
from docradar.settings import Settings
from ingest.pipeline import Pipeline, remove_blobs, remove_orphaned_blobs
from ingest.sandbox import Sandbox

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
ENGINE_POLL_SECONDS: Final = 0.2
SETTLE_SECONDS: Final = 1.0
SETTLE_REST_SECONDS: Final = 0.2  # between two looks, however many jobs end meanwhile
DAY_SECONDS: Final = 24 * 3600.0

P = ParamSpec("P")
R = TypeVar("R")


class _Stop(Enum):
    """Why a running job was interrupted."""

    CANCELED = auto()
    LEASE_LOST = auto()
    DRAINING = auto()


@dataclass(slots=True)
class _Running:
    job: Job
    task: "asyncio.Task[None]"
    stop: _Stop | None = None

    def interrupt(self, reason: _Stop) -> None:
        if self.stop is None:
            self.stop = reason
            self.task.cancel()


class Worker:
    """Runs up to `settings.worker_concurrency` jobs at a time until it is told to drain."""

    def __init__(self, settings: Settings, catalog: Catalog, blobs: Blobs, engine: Engine) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._settings = settings
        self._catalog = catalog
        self._blobs = blobs
        self._engine = engine
        # By job and fence: a job whose lease was lost may come back while its last run is still ending.
        self._running: dict[tuple[str, int], _Running] = {}
        self._slot_freed = asyncio.Event()
        self._job_ended = asyncio.Event()
        self._draining = asyncio.Event()
        self._renewing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lease")
        self._control = ThreadPoolExecutor(max_workers=3, thread_name_prefix="worker")

    async def run(self) -> None:
        """Works until `drain`; then every job has ended or was handed back with its attempt."""
        sandbox = Sandbox()
        heartbeat, reconcile = self._settings.heartbeat_seconds, self._settings.reconcile_seconds
        loops = [
            asyncio.create_task(self._every(heartbeat, self._renew), name="renew"),
            asyncio.create_task(self._every(heartbeat, self._reap), name="reap"),
            asyncio.create_task(self._every(SETTLE_REST_SECONDS, self._settle), name="settle"),
            asyncio.create_task(self._every(reconcile, self._reconcile), name="reconcile"),
            asyncio.create_task(self._every(DAY_SECONDS, self._clear_up), name="clear-up"),
        ]
        try:
            await self._claim_loop(sandbox)
            await self._finish_or_hand_back()
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await sandbox.close()
            self._renewing.shutdown()
            self._control.shutdown()

    def drain(self) -> None:
        """Stops claiming; `run` returns once the running jobs have ended or were handed back."""
        self._draining.set()
        self._slot_freed.set()
        self._catalog.wake()

    async def _claim_loop(self, sandbox: Sandbox) -> None:
        while not self._draining.is_set():
            try:
                await self._claim_some(sandbox)
            except DocradarError as error:
                logger.warning("cannot claim jobs: %s", error)
                await self._wait_for(self._draining, RETRY_SECONDS)
            except Exception:
                # Whatever it was, a service without a worker would leave every document waiting for ever.
                logger.exception("cannot claim jobs")
                await self._wait_for(self._draining, RETRY_SECONDS)

    async def _claim_some(self, sandbox: Sandbox) -> None:
        """Begins what is due and there is room for, or waits until there may be some."""
        pipeline = self._pipeline(sandbox)
        free = self._settings.worker_concurrency - len(self._running)
        if pipeline is None:
            await self._wait_for(self._draining, ENGINE_POLL_SECONDS)
        elif free <= 0:
            await self._wait_for(self._slot_freed, None)
        elif jobs := await self._in_control(self._catalog.claim, self.name, free):
            for job in jobs:
                self._begin(pipeline, job)
        else:
            await asyncio.to_thread(self._catalog.wait_for_work, self._settings.poll_seconds)

    def _pipeline(self, sandbox: Sandbox) -> Pipeline | None:
        """A pipeline once the engine is ready; while it loads, jobs stay in the queue and lose nothing."""
        if self._engine.status.state != "ready":
            return None
        return Pipeline(self._settings, self._catalog, self._blobs, sandbox, self._engine.require())

    def _begin(self, pipeline: Pipeline, job: Job) -> None:
        task = asyncio.create_task(self._see_through(pipeline, job), name=f"job-{job.id}")
        self._running[job.id, job.fence] = _Running(job, task)
        task.add_done_callback(lambda _: self._ended(job))

    def _ended(self, job: Job) -> None:
        del self._running[job.id, job.fence]
        self._slot_freed.set()
        self._job_ended.set()

    async def _see_through(self, pipeline: Pipeline, job: Job) -> None:
        """Runs a job to an end that the catalog knows of, whatever happens in it."""
        # A sweep follows every other job; its coming and going is nobody's news.
        level = logging.DEBUG if job.kind is JobKind.SWEEP else logging.INFO
        logger.log(
            level, "job %s: %s of document %s, attempt %d", job.id, job.kind, job.document_id, job.attempts
        )
        try:
            outcome = await pipeline.run(job)
            logger.log(level, "job %s: %s", job.id, outcome)
        except asyncio.CancelledError:
            await self._record(job, self._stopped(job))
        except LeaseLostError as error:
            logger.warning("job %s: %s", job.id, error)
            await self._record(job, self._lost(job))
        except JobCanceledError:
            await self._record(job, lambda: self._catalog.finish_canceled(job))
        except UnavailableError as error:
            logger.warning("job %s: %s", job.id, error)
            await self._fail(job, str(error), retryable=True, outage=True)
        except DocradarError as error:
            logger.warning("job %s: %s", job.id, error)
            await self._fail(job, str(error), retryable=not isinstance(error, ReadError) or error.retryable)
        except Exception as error:
            logger.exception("job %s failed", job.id)
            await self._fail(
                job,
                f"unexpected {type(error).__name__} while working on this document; the log has the whole error",
                retryable=True,
            )

    async def _fail(self, job: Job, error: str, *, retryable: bool, outage: bool = False) -> None:
        await self._record(job, lambda: self._catalog.fail(job, error, retryable=retryable, outage=outage))

    def _stopped(self, job: Job) -> Callable[[], object]:
        match self._running[job.id, job.fence].stop:
            case _Stop.CANCELED:
                return lambda: self._catalog.finish_canceled(job)
            case _Stop.LEASE_LOST:
                return self._lost(job)
            case _:
                return lambda: self._catalog.release(job)

    def _lost(self, job: Job) -> Callable[[], object]:
        """What was upserted since the lease ran out may be nobody's, and later than the sweeps of who took over."""
        return lambda: self._catalog.request_sweep(job.document_id)

    async def _record(self, job: Job, write: Callable[[], object]) -> None:
        """Writes a job's end; where that fails, the lease runs out and the reaper decides."""
        try:
            await self._in_control(write)
        except LeaseLostError as error:
            logger.info("job %s had ended already, or went to another worker: %s", job.id, error)
        except DocradarError as error:
            logger.warning("job %s: its end could not be recorded, its lease will run out: %s", job.id, error)

    async def _renew(self) -> None:
        held = list(self._running)
        if not held:
            return
        leases = await asyncio.get_running_loop().run_in_executor(
            self._renewing, self._catalog.renew, self.name, held
        )
        for key, lease in leases.items():
            if running := self._running.get(key):
                if not lease.owned:
                    logger.warning("job %s: its lease ran out and was taken; this run of it ends", key[0])
                    running.interrupt(_Stop.LEASE_LOST)
                elif lease.cancel_requested:
                    running.interrupt(_Stop.CANCELED)

    async def _reap(self) -> None:
        """Renews ours before it takes away those of others, or a pause of this whole machine would cost us ours."""
        await self._renew()
        await self._in_control(self._catalog.reap)

    async def _settle(self) -> None:
        """Ends the jobs of containers, as soon as those of their documents have ended."""
        if not await self._in_control(self._catalog.settle):
            await self._wait_for(self._job_ended, SETTLE_SECONDS)

    async def _reconcile(self) -> None:
        removable = await self._in_control(self._catalog.removable_blobs)
        await self._in_control(remove_blobs, self._catalog, self._blobs, removable)
        if found := await self._in_control(self._catalog.reconcile):
            logger.warning("reconciler: %d documents had no live job; each has one now", found)

    async def _clear_up(self) -> None:
        await self._in_control(self._catalog.prune_jobs)
        await self._in_control(remove_orphaned_blobs, self._catalog, self._blobs)

    async def _finish_or_hand_back(self) -> None:
        """Interrupts what runs, and waits until all of it was handed back."""
        await asyncio.sleep(0)  # a task that is cancelled before its first step would hand nothing back
        for running in list(self._running.values()):
            running.interrupt(_Stop.DRAINING)
        tasks = [running.task for running in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.drain_seconds)

    async def _every(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        """Repeats `action` for ever; an error is logged, never the end."""
        while True:
            try:
                await action()
            except DocradarError as error:
                logger.warning("%s: %s", action.__name__.strip("_"), error)
            except Exception:
                logger.exception("%s failed", action.__name__.strip("_"))
            await asyncio.sleep(seconds)

    async def _in_control(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.get_running_loop().run_in_executor(
            self._control, lambda: function(*args, **kwargs)
        )

    async def _wait_for(self, event: asyncio.Event, timeout: float | None) -> None:
        try:
            # Not `asyncio.wait_for`: before Python 3.12 it loses a cancellation that comes together with the event.
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return
        finally:
            if event is not self._draining:
                event.clear()
