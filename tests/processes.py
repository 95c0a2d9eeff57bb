"""Real processes for the failure tests: services, workers and the index they share, each to be killed at will."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PATIENCE_SECONDS = 30.0


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
        time.sleep(0.05)


@dataclass
class Process:
    """A child of ours, in a process group of its own."""

    popen: "subprocess.Popen[bytes]"
    log: Path

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and no more."""
        self.popen.kill()
        self.popen.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.popen.terminate()
        return self.popen.wait(PATIENCE_SECONDS)

    def died(self) -> int:
        """The exit code, once it has ended by itself."""
        return self.popen.wait(PATIENCE_SECONDS)


@dataclass
class Cluster:
    """One data folder, one catalog, one shared index; processes come and go."""

    folder: Path
    database: str
    qdrant_port: int = 0
    port: int = field(default_factory=free_port)
    processes: list[Process] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        shared = {
            "DOCRADAR_QDRANT_URL": f"http://127.0.0.1:{self.qdrant_port}",
            "DOCRADAR_QDRANT_PREFER_GRPC": "false",
        }
        return {
            "PATH": os.environ["PATH"],
            "DOCRADAR_DATA_DIR": str(self.folder / "data"),
            "DOCRADAR_DATABASE": self.database,
            "DOCRADAR_PORT": str(self.port),
            "DOCRADAR_POLL_SECONDS": "0.1",
            "DOCRADAR_RETRY_BACKOFF_SECONDS": "0.2",
        } | (shared if self.qdrant_port else {})

    def start(self, *command: str, **settings: Any) -> Process:
        """Starts `python -m …`; keyword arguments become DOCRADAR_* variables."""
        variables = {f"DOCRADAR_{name.upper()}": str(value) for name, value in settings.items()}
        log = self.folder / f"{len(self.processes)}.log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", *command],
                env=self.environment | variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(popen, log)
        self.processes.append(process)
        return process

    def start_index(self) -> Process:
        """The shared index; the same port and folder again after a kill."""
        self.qdrant_port = self.qdrant_port or free_port()
        process = self.start("tests.qdrant_gateway", str(self.folder / "index"), str(self.qdrant_port))
        until(
            lambda: httpx.get(f"http://127.0.0.1:{self.qdrant_port}/collections/x/exists"),
            what="the index answers",
        )
        return process

    def serve(self, **settings: Any) -> Process:
        """A service that is ready."""
        process = self.start("tests.fake_process", "serve", **settings)
        until(
            lambda: httpx.get(f"{self.url}/health/ready").status_code == 200,
            what=f"ready; see {process.log.read_text()}",
        )
        return process

    def work(self, **settings: Any) -> Process:
        return self.start("tests.fake_process", "worker", **settings)

    def put(self, text: str, **fields: Any) -> dict[str, Any]:
        """Uploads a text; its job."""
        response = httpx.post(
            f"{self.url}/v1/documents", json={"text": text} | fields, timeout=PATIENCE_SECONDS
        )
        assert response.status_code in (200, 202), response.text
        return response.json()["jobs"][0]

    def get(self, path: str, **parameters: Any) -> Any:
        response = httpx.get(f"{self.url}{path}", params=parameters, timeout=PATIENCE_SECONDS)
        assert response.status_code == 200, response.text
        return response.json()

    def job(self, job_id: str) -> dict[str, Any]:
        return self.get(f"/v1/jobs/{job_id}")

    def ended(self, job_id: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, Any]:
        """The job, once it has ended."""
        until(
            lambda: self.job(job_id)["state"] not in ("queued", "running"),
            seconds=seconds,
            what=f"job {job_id} ends",
        )
        return self.job(job_id)

    def search(self, query: str, **fields: Any) -> list[dict[str, Any]]:
        response = httpx.post(
            f"{self.url}/v1/search", json={"query": query} | fields, timeout=PATIENCE_SECONDS
        )
        assert response.status_code == 200, response.text
        return response.json()["results"]

    def close(self) -> None:
        """Ends what is left; a stopped process too."""
        for process in self.processes:
            if process.popen.poll() is None:
                process.signal(signal.SIGCONT)
                process.kill()


@contextmanager
def cluster(folder: Path, database: str = "", *, shared_index: bool = False) -> Iterator[Cluster]:
    """A cluster whose processes end with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Cluster(folder, database)
    try:
        if shared_index:
            made.start_index()
        yield made
    finally:
        made.close()
