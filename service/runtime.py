"""What a docradar process is made of, put together once: catalog, blobs, engine, worker."""

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

from docradar.blobs import Blobs
from docradar.catalog import Catalog, QueueOptions
from docradar.datadir import DataDirLock
from docradar.engine import Engine, Loader
from docradar.index.client import UPDATES_PER_FLUSH
from docradar.reranking.service import RerankService
from docradar.settings import Settings

logger = logging.getLogger(__name__)

ABANDONED_SECONDS: Final = 24 * 3600.0
"""Files of unfinished uploads and jobs are nobody's after this time, where several processes share the folder."""


class Runtime:
    """The parts of one process. `open` makes them, `close` ends them in the reverse order."""

    catalog: Catalog
    blobs: Blobs
    engine: Engine
    reranking: RerankService

    def __init__(
        self,
        settings: Settings,
        *,
        command: str,
        url: str = "",
        worker: bool,
        load_engine: bool = True,
        loader: Loader | None = None,
    ) -> None:
        self.settings = settings
        self._command = command
        self._url = url
        self._with_worker = worker
        self._with_engine = load_engine
        self._loader = loader
        self._stack = AsyncExitStack()

    @property
    def upload_dir(self) -> Path:
        """Where uploads grow before they become blobs; the same file system, so that they are moved, not copied."""
        return self.settings.data_dir / "uploads"

    async def open(self) -> None:
        """Opens everything but the model, which loads in the background.

        Raises:
            ConfigurationError: A setting is wrong, or another process owns the data folder.
        """
        settings = self.settings
        lock: DataDirLock | None = None
        if not settings.qdrant_url:
            lock = DataDirLock.acquire(settings.data_dir, self._command, self._url)
            self._stack.callback(lock.release)
        # Nobody else can be using them while we hold the lock.
        abandoned_seconds = 0.0 if lock else ABANDONED_SECONDS
        await asyncio.to_thread(
            _clear, self.upload_dir, settings.data_dir / "scratch", abandoned_seconds=abandoned_seconds
        )
        self.catalog = await asyncio.to_thread(
            Catalog.open, settings.database_url, QueueOptions.from_settings(settings)
        )
        self._stack.callback(self.catalog.close)
        if lock and self._with_worker:
            await asyncio.to_thread(_take_over, self.catalog, unclean=lock.unclean)
            lock.mark_clean()
        self.blobs = Blobs.open(settings)
        self.reranking = RerankService.from_settings(settings)
        self._stack.push_async_callback(self.reranking.close)
        self.engine = Engine(settings, self.catalog, self._loader)
        if self._with_engine:
            self.engine.start()
            self._stack.push_async_callback(self.engine.close)
        if self._with_worker:
            self._stack.push_async_callback(self._start_worker())

    def _start_worker(self) -> Callable[[], Awaitable[None]]:
        """Starts the embedded worker and returns what stops it."""
        from ingest.worker import Worker

        worker = Worker(self.settings, self.catalog, self.blobs, self.engine)
        running = asyncio.create_task(worker.run(), name="worker")

        async def stop() -> None:
            worker.drain()
            await asyncio.gather(running, return_exceptions=True)

        return stop

    async def close(self) -> None:
        """Drains the worker, then closes the rest."""
        await self._stack.aclose()


def _clear(*folders: Path, abandoned_seconds: float) -> None:
    """Removes what killed processes left half-done, as far as it is older than `abandoned_seconds`."""
    for folder in folders:
        for entry in folder.iterdir() if folder.is_dir() else ():
            with suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime < abandoned_seconds:
                    continue
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()


def _take_over(catalog: Catalog, *, unclean: bool) -> None:
    """Continues where the last owner of the data folder stopped; there is no other worker than the one to come."""
    if taken := catalog.reap(all_workers=True):
        logger.warning("%d jobs were interrupted by the end of the last process; they are tried again", taken)
    if unclean:
        # After a power cut the catalog may know of points that the embedded index has lost: each job made at least
        # one update. A sweep compares, and has the document brought in again where points are missing.
        for document_id in catalog.latest_documents(UPDATES_PER_FLUSH):
            catalog.request_sweep(document_id)
