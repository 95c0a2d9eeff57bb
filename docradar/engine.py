"""The model and the index, loaded in the background, then ready for as long as the process lives.

Importing the libraries and loading a model takes seconds to minutes. Meanwhile the service answers, accepts
uploads, and says what it is doing; whoever needs vectors gets a `ModelLoadingError` with the time to come back.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeVar

from docradar.catalog import Catalog
from docradar.documents import Generation
from docradar.embedding.protocol import Embedder, ModelProfile
from docradar.embedding.scheduler import EmbeddingScheduler
from docradar.errors import ConfigurationError, DocradarError, ModelLoadingError, UnavailableError
from docradar.index.client import PointsClient
from docradar.index.unit_index import UnitIndex
from docradar.settings import Settings

logger = logging.getLogger(__name__)

Loader = Callable[[Settings, Callable[[str], None]], Embedder]
"""Settings and somewhere to say what is being done → an embedder. Blocking."""

RETRY_AFTER_SECONDS = 2.0

StrongScoreOrigin = Literal["setting", "calibration", "model"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ReadyEngine:
    """What embeds and what finds, for one index generation."""

    profile: ModelProfile
    scheduler: EmbeddingScheduler
    index: UnitIndex
    strong_score: float
    strong_score_from: StrongScoreOrigin = "model"

    @property
    def keyword_bonus(self) -> float:
        """What a hit's words may add to its cosine for it to be strong; a threshold that was not measured with it knows none."""
        return self.profile.keyword_bonus if self.strong_score_from == "model" else 0.0


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """`seconds` counts from the start of loading to now, or to the end of loading."""

    state: Literal["loading", "ready", "failed"]
    stage: str
    seconds: float
    model: str | None
    error: str | None


class Engine:
    """Owns the model and the index of this process."""

    def __init__(self, settings: Settings, catalog: Catalog, load: Loader | None = None) -> None:
        """`load` stands in for the choice that the settings make."""
        self._load_embedder = load
        self._settings = settings
        self._catalog = catalog
        self._stage = "starting"
        self._started = time.monotonic()
        self._ended: float | None = None
        self._ready: ReadyEngine | None = None
        self._error: DocradarError | None = None
        self._loading: asyncio.Task[None] | None = None
        self.calibrating = asyncio.Lock()
        self._declaring = asyncio.Lock()  # so that the last to be declared is the last to be made

    def start(self) -> None:
        """Begins loading; returns at once."""
        self._started = time.monotonic()
        self._loading = asyncio.create_task(self._load(), name="engine-loading")

    @property
    def status(self) -> EngineStatus:
        state: Literal["loading", "ready", "failed"] = (
            "ready" if self._ready else "failed" if self._error else "loading"
        )
        return EngineStatus(
            state=state,
            stage=self._stage,
            seconds=(self._ended or time.monotonic()) - self._started,
            model=self._ready.profile.id if self._ready else None,
            error=str(self._error) if self._error else None,
        )

    def require(self) -> ReadyEngine:
        """The engine, or an error that says what it is doing.

        Raises:
            ModelLoadingError: Not yet.
            DocradarError: Loading failed; the reason.
        """
        if self._ready:
            return self._ready
        if self._error:
            raise self._error
        status = self.status
        raise ModelLoadingError(
            f"the search engine is loading ({status.stage}, {status.seconds:.0f} s so far); uploads are accepted "
            "meanwhile, try the search again in a moment",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )

    async def wait(self) -> ReadyEngine:
        """The engine, once it is loaded; raises what loading raised."""
        if self._loading:
            await asyncio.shield(self._loading)
        return self.require()

    async def declare_fields(self) -> None:
        """Has the index follow what the collections declare. While it is not open there is nothing to do: opening does it.

        Raises:
            UnavailableError: The catalog or Qdrant is away; repeat it.
        """
        async with self._declaring:
            if self._ready:
                declared = await asyncio.to_thread(self._catalog.declared_meta_fields)
                await self._ready.index.declare_fields(declared)

    async def refresh_strong_score(self) -> None:
        """Has search use the threshold that counts now: the setting's, else the calibration's, else the model's.

        Raises:
            UnavailableError: The catalog is away.
        """
        ready = self.require()
        score, origin = await self._strong_score(ready.profile, ready.index.generation.fingerprint)
        if self._ready is not None:  # it may have been closed meanwhile
            self._ready = replace(self._ready, strong_score=score, strong_score_from=origin)

    async def close(self) -> None:
        """Ends loading or serving; queued embeddings end in an error."""
        if self._loading and not self._loading.done():
            self._loading.cancel()
            await asyncio.gather(self._loading, return_exceptions=True)
        if self._ready:
            await self._ready.scheduler.close()
            await self._ready.index.close()
            self._ready = None

    async def _load(self) -> None:
        try:
            self._ready = await self._build()
            # Once more: what was declared while the index was being opened found no index to declare it to.
            await self._once_available(self.declare_fields)
            self._stage = "ready"
            logger.info(
                "ready: model %s, index of %d units", self._ready.profile.id, await self._ready.index.count()
            )
        except DocradarError as error:
            self._error = error
            logger.error("the search engine cannot start: %s", error)  # noqa: TRY400  (a reason, not a bug)
        except Exception as error:
            self._error = ConfigurationError(
                f"the search engine cannot start: {error!r}; the log has the whole error"
            )
            logger.exception("the search engine cannot start")
        finally:
            self._ended = time.monotonic()

    async def _build(self) -> ReadyEngine:
        from docradar.embedding.choice import keeping_model, load_embedder
        from docradar.embedding.profiles import fingerprint
        from docradar.index.client import open_client

        load = self._load_embedder or load_embedder
        recorded = await self._once_available(lambda: asyncio.to_thread(self._catalog.active_generation))
        settings = keeping_model(self._settings, recorded)
        embedder = await _on_daemon_thread(lambda: load(settings, self._set_stage))
        profile = embedder.profile
        self._set_stage("opening the index")
        client = await asyncio.to_thread(open_client, self._settings)
        index = await self._open_index(client, Generation.of(fingerprint(profile), profile.id, profile.dim))
        scheduler = EmbeddingScheduler(embedder, queue_length=self._settings.embedding_queue_length)
        strong_score, origin = await self._once_available(
            lambda: self._strong_score(profile, index.generation.fingerprint)
        )
        return ReadyEngine(profile, scheduler, index, strong_score, origin)

    async def _strong_score(self, profile: ModelProfile, fingerprint: str) -> tuple[float, StrongScoreOrigin]:
        if self._settings.strong_score:
            return self._settings.strong_score, "setting"
        calibration = await asyncio.to_thread(self._catalog.calibration, fingerprint)
        if calibration is not None:
            return calibration.strong_score, "calibration"
        return profile.strong_score, "model"

    async def _open_index(self, client: PointsClient, generation: Generation) -> UnitIndex:
        try:
            await self._once_available(
                lambda: asyncio.to_thread(self._catalog.require_generation, generation)
            )
            declared = await self._once_available(
                lambda: asyncio.to_thread(self._catalog.declared_meta_fields)
            )
            return await self._once_available(lambda: UnitIndex.open(client, generation, declared))
        except BaseException:
            await client.close()
            raise

    async def _once_available(self, call: Callable[[], Awaitable[T]]) -> T:
        """Waits for a server that is away: it may be starting, as we are."""
        while True:
            try:
                return await call()
            except UnavailableError as error:
                self._set_stage(f"waiting: {error}")
                await asyncio.sleep(RETRY_AFTER_SECONDS)

    def _set_stage(self, stage: str) -> None:
        if stage != self._stage:
            self._stage = stage
            logger.info("search engine: %s", stage)


async def _on_daemon_thread(function: Callable[[], T]) -> T:
    """Like `asyncio.to_thread`, but a process that is told to stop does not wait for it to end."""
    result: Future[T] = Future()

    def run() -> None:
        try:
            value = function()
        except BaseException as error:  # noqa: BLE001  handed to the awaiter
            outcome = partial(result.set_exception, error)
        else:
            outcome = partial(result.set_result, value)
        with suppress(InvalidStateError):  # nobody waits any more
            outcome()

    threading.Thread(target=run, name="engine-loading", daemon=True).start()
    return await asyncio.wrap_future(result)
