"""A real `docradar serve` process on a data folder, for measuring from outside."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.processes import free_port


class Served:
    """A running service, and what is asked of it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, started: float) -> None:
        self.process = process
        self.started = started
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600)

    def seconds_until(self, path: str) -> float:
        """Seconds from the process's start to the first successful answer of `path`."""
        while True:
            try:
                if self.client.get(path).is_success:
                    return time.perf_counter() - self.started
            except httpx.TransportError:
                pass
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended with {self.process.returncode}")
            time.sleep(0.01)

    def rss_bytes(self) -> int:
        """Resident memory of the service's own process, its reading children left out."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def put(self, text: str, **fields: Any) -> dict[str, Any]:
        response = self.client.post("/v1/documents", files={"file": ("text.txt", text.encode())}, data=fields)
        response.raise_for_status()
        return response.json()["jobs"][0]

    def wait(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended well."""
        while True:
            job = self.client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
            if job["state"] == "succeeded":
                return job
            if job["state"] in ("failed", "canceled"):
                raise RuntimeError(job["error"])
            time.sleep(0.02)

    def search(self, query: str, **fields: Any) -> dict[str, Any]:
        return self.client.post("/v1/search", json={"query": query} | fields).raise_for_status().json()


def latencies(service: Served, queries: list[str]) -> list[float]:
    """Milliseconds that each search takes, one after another."""
    spent = []
    for query in queries:
        started = time.perf_counter()
        service.search(query)
        spent.append((time.perf_counter() - started) * 1e3)
    return spent


@contextmanager
def served(data_dir: Path, **settings: Any) -> Iterator[Served]:
    """A service of its own; ended with the block."""
    port = free_port()
    variables = {f"DOCRADAR_{name.upper()}": str(value) for name, value in settings.items()}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--port", str(port), "--data-dir", str(data_dir)],
        env=os.environ | {"DOCRADAR_LOG_LEVEL": "warning"} | variables,
    )
    service = Served(process, port, started)
    try:
        yield service
    finally:
        service.client.close()
        process.terminate()
        process.wait(60)
