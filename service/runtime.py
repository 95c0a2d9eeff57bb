"""What a docradar process is made of, put together once: catalog, blobs, engine, worker."""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from docradar.blobs import Blobs

from docradar.catalog import Catalog, QueueOptions
from docradar.datadir import DataDirLock
from docradar.engine import Engine, Loader
from docradar.settings import Settings

logger = logging.getLogger(__name__)


class Runtime:
    """The parts of one process. `open` makes them, `close` ends them in the reverse order."""

    catalog: Catalog
    blobs: Blobs
    engine: Engine

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
        if not settings.qdrant_url:
            lock = DataDirLock.acquire(settings.data_dir, self._command, self._url)
            self._stack.callback(lock.release)
            _clear(self.upload_dir, settings.data_dir / "scratch")
        self.catalog = await asyncio.to_thread(
            Catalog.open, settings.database_url, QueueOptions.from_settings(settings)
        )
        self._stack.callback(self.catalog.close)
        self.blobs = Blobs.open(settings)
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


def _clear(*folders: Path) -> None:
    """Removes what a killed process left half-done; nobody else can be using it while we hold the lock."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
