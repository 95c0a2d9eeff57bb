"""Real processes for the failure tests: services, workers and the index they share, each to be killed at will."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from docradar.catalog import Catalog
from docradar.documents import Generation, JobState
from docradar.embedding.profiles import fingerprint
from docradar.index.client import open_client
from docradar.index.unit_index import UnitIndex
from docradar.settings import Settings
from tests.catalogs import work_is_due
from tests.fakes import fake_profile

PATIENCE_SECONDS = 30.0
LIVE = ("queued", "running")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(check: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS, what: str = "") -> Any:
    """The first true value of `check`, asked again and again; errors of the network count as not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if value := check():
                return value
        except httpx.HTTPError:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what or check}")
        time.sleep(0.03)


def lines(count: int, word: str = "radar") -> str:
    """A text of so many lines, each of its own words; put with `split="lines"` it gives one unit a line."""
    return "\n".join(f"{word} entry {number} says {number * 7919}" for number in range(count))


class Launcher:
    """The other end of `tests.launcher`; one serves a whole session."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.launcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._lock = threading.Lock()
        assert self._answers.readline() == b"ready\n"

    def ask(self, **request: Any) -> dict[str, Any]:
        with self._lock:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            answer: dict[str, Any] = json.loads(self._answers.readline())
            return answer

    def close(self) -> None:
        self._requests.close()
        self._process.wait(PATIENCE_SECONDS)
        self._answers.close()


@dataclass
class Process:
    """A process in a session of its own, with its output in `log`."""

    launcher: Launcher
    pid: int
    log: Path

    @property
    def code(self) -> int | None:
        """The exit code, minus the signal that ended it, or None while it runs."""
        code: int | None = self.launcher.ask(poll=self.pid)["code"]
        return code

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`, and no more."""
        if self.code is None:
            self.signal(signal.SIGKILL)
            self.ended()

    def stop(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """SIGTERM; the exit code."""
        self.signal(signal.SIGTERM)
        return self.ended(seconds=seconds)

    def ended(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """The exit code, once it has ended by itself."""
        until(lambda: self.code is not None, seconds=seconds, what=f"process {self.pid} ends")
        code = self.code
        assert code is not None
        return code

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True)
class Audit:
    """The index compared with the catalog, both ways. `points` counts all there are."""

    documents: int
    points: int
    orphans: int
    holes: int


@dataclass
class Cluster:
    """One data folder, one catalog, one index; processes come and go."""

    launcher: Launcher
    folder: Path
    database: str
    qdrant_port: int = 0
    port: int = field(default_factory=free_port)
    settings: dict[str, Any] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    @property
    def qdrant_url(self) -> str:
        return f"http://127.0.0.1:{self.qdrant_port}" if self.qdrant_port else ""

    @property
    def environment(self) -> dict[str, str]:
        shared = {"qdrant_url": self.qdrant_url, "qdrant_prefer_grpc": False} if self.qdrant_port else {}
        return {"PATH": os.environ["PATH"]} | _variables(
            {
                "data_dir": self.data_dir,
                "port": self.port,
                "poll_seconds": 0.1,
                "retry_backoff_seconds": 0.2,
                "lease_seconds": 1.5,
                "heartbeat_seconds": 0.3,
                "test_embedded": self.folder / "embedded",
            }
            | ({"database": self.database} if self.database else {})
            | shared
            | self.settings
        )

    def start(self, module: str, *arguments: str, **settings: Any) -> Process:
        """Starts `python -m module`; keyword arguments become DOCRADAR_* variables."""
        log = self.folder / f"{len(self.processes)}.log"
        log.touch()
        answer = self.launcher.ask(
            module=module,
            arguments=arguments,
            environment=self.environment | _variables(settings),
            log=str(log),
        )
        process = Process(self.launcher, answer["pid"], log)
        self.processes.append(process)
        return process

    def start_index(self) -> Process:
        """The shared index; the same port and folder again after a kill."""
        self.qdrant_port = self.qdrant_port or free_port()
        process = self.start("tests.qdrant_gateway", str(self.folder / "index"), str(self.qdrant_port))
        until(lambda: httpx.get(f"{self.qdrant_url}/collections/x/exists"), what="the index answers")
        return process

    def start_service(self, **settings: Any) -> Process:
        """A service, whatever it is doing."""
        return self.start("tests.fake_process", "serve", **settings)

    def serve(self, **settings: Any) -> Process:
        """A service that answers searches."""
        process = self.start_service(**settings)
        self.ready(process)
        return process

    def ready(self, process: Process) -> None:
        """Waits until the service answers searches."""

        def answers() -> bool:
            assert process.code is None, process.output
            return httpx.get(f"{self.url}/health/ready").status_code == 200

        until(answers, what="the service is ready")

    def work(self, **settings: Any) -> Process:
        return self.start("tests.fake_process", "worker", **settings)

    def put(self, text: str, **fields: Any) -> dict[str, Any]:
        """Uploads a text; its job."""
        response = httpx.post(
            f"{self.url}/v1/documents", json={"text": text} | fields, timeout=PATIENCE_SECONDS
        )
        assert response.status_code in (200, 202), response.text
        job: dict[str, Any] = response.json()["jobs"][0]
        return job

    def put_lines(self, count: int, name: str = "a", word: str = "radar", **fields: Any) -> dict[str, Any]:
        """Uploads a text of so many units; its job."""
        return self.put(lines(count, word), external_id=name, split="lines", **fields)

    def upload(self, name: str, content: bytes, **fields: Any) -> httpx.Response:
        """Uploads a file; the answer, whatever it is."""
        return httpx.post(
            f"{self.url}/v1/documents", files={"file": (name, content)}, data=fields, timeout=PATIENCE_SECONDS
        )

    def get(self, path: str, **parameters: Any) -> Any:
        response = httpx.get(f"{self.url}{path}", params=parameters, timeout=PATIENCE_SECONDS)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str) -> Any:
        response = httpx.post(f"{self.url}{path}", timeout=PATIENCE_SECONDS)
        assert response.is_success, response.text
        return response.json()

    def delete(self, document_id: str) -> dict[str, Any]:
        """Deletes a document; the job."""
        response = httpx.delete(f"{self.url}/v1/documents/{document_id}", timeout=PATIENCE_SECONDS)
        assert response.status_code == 202, response.text
        job: dict[str, Any] = response.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.get(f"/v1/jobs/{job_id}")
        return job

    def under_way(self, job_id: str) -> dict[str, Any]:
        """The job, once some of its units are in the index and before all are."""
        until(lambda: self.job(job_id)["done"] > 0, what=f"job {job_id} is under way")
        job = self.job(job_id)
        assert job["state"] == "running", job
        return job

    def ended(self, job_id: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The job, once it has ended."""
        until(lambda: self.job(job_id)["state"] not in LIVE, seconds=seconds, what=f"job {job_id} ends")
        return self.job(job_id)

    def succeeded(self, job_id: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The job, once it has ended well."""
        job = self.ended(job_id, seconds=seconds)
        assert job["state"] == "succeeded", job
        return job

    def story(self, job_id: str) -> list[str]:
        """What the catalog tells of a job, line by line."""
        catalog = Catalog.open(self.database_url)
        try:
            return [event.message for event in catalog.job_events(job_id)]
        finally:
            catalog.close()

    def ask(self, query: str, **fields: Any) -> httpx.Response:
        """A search's answer, whatever it is."""
        return httpx.post(f"{self.url}/v1/search", json={"query": query} | fields, timeout=PATIENCE_SECONDS)

    def search(self, query: str, **fields: Any) -> list[dict[str, Any]]:
        response = self.ask(query, **fields)
        assert response.status_code == 200, response.text
        results: list[dict[str, Any]] = response.json()["results"]
        return results

    @property
    def embedded(self) -> Counter[str]:
        """How often each unit's text went through the model."""
        path = self.folder / "embedded"
        return Counter(path.read_text(encoding="utf-8").splitlines() if path.exists() else [])

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data_dir / 'catalog.sqlite3'}"

    def idle(self) -> None:
        """Waits until no job is running or due; late sweeps may be waiting."""
        catalog = Catalog.open(self.database_url)
        try:
            until(
                lambda: not catalog.counts().jobs.get(JobState.RUNNING) and not work_is_due(catalog),
                what="no job is due",
            )
        finally:
            catalog.close()

    def settled(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until no job is left to do, late sweeps included."""
        catalog = Catalog.open(self.database_url)
        try:
            until(lambda: not catalog.counts().jobs, seconds=seconds, what="the queue is empty")
        finally:
            catalog.close()

    def audit(self) -> Audit:
        """Compares index and catalog. An embedded index can be read once its service has ended."""
        return asyncio.run(self._audit())

    async def _audit(self) -> Audit:
        index = await self._open_index()
        catalog = Catalog.open(self.database_url)
        try:
            documents = [d for d in catalog.list_documents(limit=10_000)[0] if d.active_version is not None]
            holes = kept = 0
            for document in documents:
                wanted = set(catalog.unit_ids(document.id, document.active_version or 0))
                stored = await index.document_unit_ids(document.id)
                assert len(wanted) == document.units
                holes += len(wanted - stored)
                kept += len(wanted & stored)
            points = await index.count()
            return Audit(len(documents), points, orphans=points - kept, holes=holes)
        finally:
            catalog.close()
            await index.close()

    def delete_points(self, document_id: str, count: int) -> None:
        """Takes points out of the index behind the catalog's back, as a power cut may."""
        asyncio.run(self._delete_points(document_id, count))

    async def _delete_points(self, document_id: str, count: int) -> None:
        index = await self._open_index()
        await index.delete(sorted(await index.document_unit_ids(document_id))[:count])
        await index.close()

    async def _open_index(self) -> UnitIndex:
        settings = Settings(data_dir=self.data_dir, qdrant_url=self.qdrant_url, qdrant_prefer_grpc=False)
        profile = fake_profile()
        generation = Generation.of(fingerprint(profile), profile.id, profile.dim)
        return await UnitIndex.open(open_client(settings), generation)

    def close(self) -> None:
        """Ends what is left; a stopped process too."""
        for process in self.processes:
            process.kill()


def _variables(settings: dict[str, Any]) -> dict[str, str]:
    return {f"DOCRADAR_{name.upper()}": str(value) for name, value in settings.items()}


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    started = Launcher()
    yield started
    started.close()


@contextmanager
def cluster(
    launcher: Launcher, folder: Path, database: str = "", *, shared_index: bool = False, **settings: Any
) -> Iterator[Cluster]:
    """A cluster whose processes end with the block. `settings` are those of every process."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Cluster(launcher, folder, database, settings=settings)
    try:
        if shared_index:
            made.start_index()
        yield made
    except BaseException:
        for process in made.processes:
            print(f"--- {process.log.name}\n{process.output[-4000:]}")
        raise
    finally:
        made.close()
