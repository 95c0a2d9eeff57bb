"""The worker's loops, in this process, over a real catalog and pipeline."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docradar.blobs import Blobs
from docradar.catalog import Catalog, Content, QueueOptions
from docradar.documents import DocumentFields, DocumentKey, DocumentStatus, Job, JobState, Split
from docradar.engine import Engine
from docradar.errors import UnavailableError
from docradar.filters import AnyOf
from docradar.keywords import SparseVector, document_keywords
from docradar.settings import Settings
from ingest.worker import Worker
from tests import files
from tests.catalogs import work_is_due
from tests.fakes import FakeEmbedder, fake_profile
from tests.processes import PATIENCE_SECONDS, lines

UNITS = 300


class Gate(FakeEmbedder):
    """Embeds nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()

    def embed_passages(self, passages):  # type: ignore[no-untyped-def]
        assert self.opened.wait(PATIENCE_SECONDS)
        return super().embed_passages(passages)


async def eventually(check: Callable[[], bool]) -> None:
    """Returns once `check` is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(check):  # noqa: ASYNC110  the catalog announces no states
            await asyncio.sleep(0.02)


class Room:
    """A worker with all that it works on."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.settings = Settings(
            data_dir=folder,
            database=database_url,
            lease_seconds=1.0,
            heartbeat_seconds=0.1,
            poll_seconds=0.05,
            retry_backoff_seconds=0.05,
        )
        self.catalog = Catalog.open(database_url, QueueOptions.from_settings(self.settings))
        self.blobs = Blobs.open(self.settings)
        self.embedder = Gate()
        self.engine = Engine(self.settings, self.catalog, lambda *_: self.embedder)

    def put(self, name: str = "a", text: str = "") -> Job:
        content = (text or lines(UNITS, name)).encode()
        blob = self.blobs.put_bytes(content)
        return self.catalog.put_document(
            DocumentKey("default", "test", name),
            DocumentFields(),
            Content(blob, len(content), "text/plain", f"{name}.txt", Split.LINES),
        ).job

    async def reaches(self, job: Job, state: JobState) -> Job:
        """The job, once it is in that state."""
        await eventually(lambda: self.catalog.get_job(job.id).state is state)
        return self.catalog.get_job(job.id)

    async def embedding(self, job: Job) -> None:
        """Waits until the job is at the gate."""
        await eventually(lambda: self.catalog.get_job(job.id).stage == "embedding")

    @asynccontextmanager
    async def worker(self, **settings: float) -> AsyncIterator[Worker]:
        made = Worker(replace(self.settings, **settings), self.catalog, self.blobs, self.engine)  # type: ignore[arg-type]
        running = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            made.drain()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await running


@pytest.fixture
async def room(tmp_path: Path, database_url: str) -> AsyncIterator[Room]:
    made = Room(tmp_path / "data", database_url)
    made.engine.start()
    await made.engine.wait()
    yield made
    made.embedder.opened.set()
    await made.engine.close()
    made.catalog.close()


async def test_the_engine_takes_the_model_that_the_index_was_made_with(
    tmp_path: Path, sqlite_url: str
) -> None:
    asked: list[Settings] = []

    def load(settings: Settings, _: Callable[[str], None]) -> FakeEmbedder:
        asked.append(settings)
        profile = replace(fake_profile(), id="intfloat/multilingual-e5-small")
        return FakeEmbedder(profile)

    settings = Settings(data_dir=tmp_path / "data", database=sqlite_url)
    with closing(Catalog.open(sqlite_url)) as catalog:
        for model in ("", "packaged"):
            engine = Engine(settings, catalog, load)
            engine.start()
            await engine.wait()
            await engine.close()
            assert asked[-1].model == model


async def test_it_works_off_what_was_queued_before_it_came(room: Room) -> None:
    room.embedder.opened.set()
    jobs = [room.put(name) for name in "abc"]
    async with room.worker():
        for job in jobs:
            assert (await room.reaches(job, JobState.SUCCEEDED)).attempts == 1
    assert await room.engine.require().index.count() == 3 * UNITS


async def test_it_waits_for_the_engine_and_uses_no_attempt_meanwhile(
    tmp_path: Path, database_url: str
) -> None:
    room = Room(tmp_path / "data", database_url)
    room.embedder.opened.set()
    job = room.put()
    async with room.worker():
        await asyncio.sleep(0.3)
        assert room.catalog.get_job(job.id).state is JobState.QUEUED
        room.engine.start()
        assert (await room.reaches(job, JobState.SUCCEEDED)).attempts == 1
    await room.engine.close()
    room.catalog.close()


async def test_a_stop_hands_running_jobs_back_with_their_attempts(room: Room) -> None:
    job = room.put()
    async with room.worker():
        await room.embedding(job)
    handed_back = room.catalog.get_job(job.id)
    assert (handed_back.state, handed_back.attempts) == (JobState.QUEUED, 0)
    room.embedder.opened.set()
    async with room.worker():
        assert (await room.reaches(job, JobState.SUCCEEDED)).attempts == 1


async def test_a_lease_is_kept_for_as_long_as_the_job_takes(room: Room) -> None:
    job = room.put()
    async with room.worker():
        await room.embedding(job)
        await asyncio.sleep(2.5 * room.settings.lease_seconds)
        room.embedder.opened.set()
        done = await room.reaches(job, JobState.SUCCEEDED)
    assert (done.attempts, done.fence) == (1, 1)


async def test_leases_are_kept_while_everything_else_waits_for_the_catalog(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = room.put()
    stuck = threading.Event()

    async with room.worker(reconcile_seconds=0.05):
        await room.embedding(job)
        for call in ("claim", "reap", "reconcile", "removable_blobs"):
            monkeypatch.setattr(room.catalog, call, lambda *_: stuck.wait(PATIENCE_SECONDS) and [])
        await asyncio.sleep(2 * room.settings.lease_seconds)
        with closing(Catalog.open(room.settings.database_url)) as other:
            assert other.reap() == 0
        stuck.set()
        room.embedder.opened.set()
        assert (await room.reaches(job, JobState.SUCCEEDED)).fence == 1


async def test_a_version_that_came_to_nothing_changes_no_point_of_the_active_one(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.embedder.opened.set()
    index, catalog = room.engine.require().index, room.catalog
    commit = catalog.commit_ingest

    def commit_canceled(job: Job, **values: Any) -> Job:
        catalog.cancel_job(job.id)
        return commit(job, **values)

    english = "This line is in both of the versions of the document."
    chinese = "\n".join(f"这一行只在新的版本里，它是第{i}行。" for i in range(20))
    async with room.worker():
        first = await room.reaches(room.put(text=english), JobState.SUCCEEDED)
        with monkeypatch.context() as patched:
            patched.setattr(catalog, "commit_ingest", commit_canceled)
            await room.reaches(room.put(text=f"{english}\n{chinese}"), JobState.CANCELED)
        await eventually(lambda: not work_is_due(catalog) and not catalog.counts().jobs.get(JobState.RUNNING))
        assert await index.count(AnyOf("language", ("en",))) == await index.count() == 1
        again = await room.reaches(room.put(text=f"{english}\n{chinese}\n"), JobState.SUCCEEDED)
        await eventually(lambda: not work_is_due(catalog) and not catalog.counts().jobs.get(JobState.RUNNING))
        assert await index.count(AnyOf("language", ("zh",))) == await index.count() == 21
    assert again.document_id == first.document_id


async def test_points_are_made_beside_the_event_loop(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[threading.Thread] = set()

    def noted(text: str, **context: Any) -> SparseVector:
        threads.add(threading.current_thread())
        return document_keywords(text, **context)

    monkeypatch.setattr("ingest.pipeline.document_keywords", noted)
    room.embedder.opened.set()
    async with room.worker():
        await room.reaches(room.put(), JobState.SUCCEEDED)
    assert threads
    assert threading.current_thread() not in threads


async def test_kept_units_get_their_new_place_after_the_commit(room: Room) -> None:
    room.embedder.opened.set()
    index = room.engine.require().index
    pages = [[f"This is what page {name} says about its subject."] for name in ("one", "two")]

    def put(content: bytes) -> Job:
        blob = room.blobs.put_bytes(content)
        stored = Content(blob, len(content), "application/pdf", "a.pdf")
        return room.catalog.put_document(DocumentKey("default", "test", "a"), DocumentFields(), stored).job

    async with room.worker():
        await room.reaches(put(files.pdf(pages)), JobState.SUCCEEDED)
        embedded = len(room.embedder.passages_seen)
        await room.reaches(put(files.pdf([["A page to begin with."], *pages])), JobState.SUCCEEDED)
        assert len(room.embedder.passages_seen) > embedded
        await eventually(
            lambda: not work_is_due(room.catalog) and not room.catalog.counts().jobs.get(JobState.RUNNING)
        )
        assert [await index.count(AnyOf("page", (page,))) for page in (1, 2, 3)] == [1, 1, 1]


async def test_blobs_that_nothing_refers_to_go_after_a_day(room: Room) -> None:
    room.embedder.opened.set()
    job = room.put(text="one line")
    orphan, young = room.blobs.put_bytes(b"orphan"), room.blobs.put_bytes(b"young")
    paths = {path.parent.name + path.name: path for path in room.settings.data_dir.glob("blobs/??/*")}
    for sha256 in set(paths) - {young}:
        os.utime(paths[sha256], (1, 1))
    async with room.worker():
        await room.reaches(job, JobState.SUCCEEDED)
        await eventually(lambda: not paths[orphan].exists())
    assert paths[young].exists()
    assert paths[room.catalog.get_document(job.document_id).blob].exists()


async def test_heartbeats_go_on_after_the_catalog_was_away(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = room.put()

    def away(*_: object) -> None:
        raise UnavailableError("the catalog is away")

    async with room.worker():
        await room.embedding(job)
        with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
            for call in ("renew", "claim", "reap", "reconcile"):
                patched.setattr(room.catalog, call, away)
            await asyncio.sleep(1.5 * room.settings.lease_seconds)
        assert "the catalog is away" in caplog.text
        room.embedder.opened.set()
        # Nobody took the job meanwhile, so it is still ours.
        assert (await room.reaches(job, JobState.SUCCEEDED)).attempts == 1


async def test_an_unexpected_error_ends_neither_the_worker_nor_the_queue(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.embedder.opened.set()
    claim, failures = room.catalog.claim, iter([ZeroDivisionError("a bug")])

    def claim_or_fail(worker: str, limit: int) -> list[Job]:
        for failure in failures:
            raise failure
        return claim(worker, limit)

    monkeypatch.setattr(room.catalog, "claim", claim_or_fail)
    job = room.put()
    async with room.worker():
        await room.reaches(job, JobState.SUCCEEDED)


async def test_an_outage_costs_no_attempt_and_is_told(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.embedder.opened.set()
    index = type(room.engine.require().index)
    upsert, outages = index.upsert, iter(range(5))

    async def upsert_or_fail(self, points) -> None:  # type: ignore[no-untyped-def]
        for _ in outages:
            raise UnavailableError("the index is away")
        await upsert(self, points)

    monkeypatch.setattr(index, "upsert", upsert_or_fail)
    job = room.put(text="one line")
    async with room.worker():
        done = await room.reaches(job, JobState.SUCCEEDED)
    assert (done.attempts, done.max_attempts) == (6, 8)
    assert any("the index is away" in event.message for event in room.catalog.job_events(job.id))


async def test_a_document_that_ends_every_attempt_fails_and_the_next_one_runs(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.embedder.opened.set()
    embed = type(room.engine.require().scheduler).embed_passages

    async def embed_or_fail(self, passages):  # type: ignore[no-untyped-def]
        if "poison" in passages[0].text:
            raise ZeroDivisionError
        return await embed(self, passages)

    monkeypatch.setattr(type(room.engine.require().scheduler), "embed_passages", embed_or_fail)
    poison, good = room.put("poison"), room.put("good")
    async with room.worker():
        await room.reaches(good, JobState.SUCCEEDED)
        failed = await room.reaches(poison, JobState.FAILED)
    assert failed.attempts == 3
    assert "unexpected ZeroDivisionError" in (failed.error or "")
    assert room.catalog.get_document(failed.document_id).status is DocumentStatus.FAILED


async def test_a_document_without_a_job_gets_one_when_a_worker_starts(room: Room) -> None:
    room.embedder.opened.set()
    job = room.put()
    [claimed] = room.catalog.claim("lost", 1)
    room.catalog.succeed(claimed)
    assert room.catalog.get_document(job.document_id).status is DocumentStatus.PROCESSING
    async with room.worker():
        await eventually(lambda: room.catalog.get_document(job.document_id).status is DocumentStatus.READY)
