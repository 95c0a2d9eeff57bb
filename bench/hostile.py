"""Searches while files are read that mean harm: two cores, two jobs at a time, each file up to its limits."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench.figures import Figure, percentile
from bench.served import Served, latencies, served
from bench.texts import sentences

QUERIES = 60
CPU_SECONDS = 20


def run() -> Iterator[Figure]:
    # The tests' fixtures import each other by their bare names, as pytest has it.
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from tests.hostile_files import HOSTILE

    slowest = (
        "pdf: shared giant streams",
        "pdf: 300,000 operators",
        "xml: 200 MB of text",
        "html: 300,000 siblings",
    )
    queries = [line[:60] for line in sentences(QUERIES, seed=7)]
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "data", reader_cpu_seconds=CPU_SECONDS, job_attempts=1) as service,
    ):
        service.seconds_until("/health/ready")
        service.wait(service.put("\n".join(sentences(2000)), split="lines")["id"])
        for query in queries[:20]:
            service.search(query)
        idle = latencies(service, [f"{query} a" for query in queries])
        jobs = [_upload(service, HOSTILE[name].filename, HOSTILE[name].make()) for name in slowest]
        busy = list(_while_they_run(service, jobs, queries))
    yield Figure("idle: whole request, p50", median(idle), "ms")
    yield Figure("idle: whole request, p95", percentile(idle, 0.95), "ms")
    yield Figure("while hostile files are read: searches answered", len(busy), "")
    yield Figure("while hostile files are read: whole request, p50", median(busy), "ms")
    yield Figure("while hostile files are read: whole request, p95", percentile(busy, 0.95), "ms")
    yield Figure(
        "p95 while hostile files are read / idle",
        percentile(busy, 0.95) / percentile(idle, 0.95),
        "",
        "≤ 2.5",
    )


def _upload(service: Served, filename: str, content: bytes) -> dict[str, Any]:
    response = service.client.post("/v1/documents", files={"file": (filename, content)})
    job: dict[str, Any] = response.raise_for_status().json()["jobs"][0]
    return job


def _while_they_run(service: Served, jobs: list[dict[str, Any]], queries: list[str]) -> Iterator[float]:
    number = 0
    while any(_is_read(service, job) for job in jobs):
        number += 1
        yield from latencies(service, [f"{queries[number % len(queries)]} {number}"])


def _is_read(service: Served, job: dict[str, Any]) -> bool:
    """Whether a file waits to be read, or is being read."""
    now = service.client.get(f"/v1/jobs/{job['id']}").json()
    return now["state"] in ("queued", "running") and now["stage"] in ("", "reading")
