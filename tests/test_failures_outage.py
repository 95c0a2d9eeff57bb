"""What the service needs goes away: the database, the index, room on the disk. It says so, and comes back by itself."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.postgres import PostgresServer
from tests.processes import Audit, Cluster, Launcher, cluster, until

UNITS = 640
SLOWLY = {"test_embed_seconds": 0.006}
AWAY_SECONDS = 2.5  # longer than the lease, and than the retries of three attempts


def refused(response: httpx.Response, *words: str) -> None:
    """A clean answer that says what is away and when to come back."""
    assert response.status_code == 503, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) >= 1
    problem = response.json()
    assert problem["code"] == "unavailable"
    assert all(word in problem["detail"] for word in words), problem


def stays_away(running: Cluster, *words: str) -> None:
    """Every search is refused cleanly, for as long as the outage lasts; the process answers."""
    deadline = time.monotonic() + AWAY_SECONDS
    while time.monotonic() < deadline:
        refused(running.ask("radar entry"), *words)
        assert running.get("/health/live")["status"] == "live"


@contextmanager
def postgres_away(server: PostgresServer) -> Iterator[None]:
    server.stop(kill=True)
    try:
        yield
    finally:
        server.resume()


@pytest.mark.slow
def test_postgresql_restarted_in_the_middle_of_a_job(
    launcher: Launcher, tmp_path: Path, postgres_server: PostgresServer, postgres_url: str
) -> None:
    with cluster(launcher, tmp_path, postgres_url) as running:
        service = running.serve(**SLOWLY)
        job = running.put_lines(UNITS)
        running.under_way(job["id"])
        with postgres_away(postgres_server):
            stays_away(running, "catalog")
            refused(running.upload("b.txt", b"While the database is away."), "catalog")
        until(lambda: running.ask("radar entry").is_success, what="searches are answered again")
        assert running.succeeded(job["id"])["attempts"] <= 2
        running.succeeded(running.put("After the outage.", external_id="after")["id"])
        running.idle()
        assert service.stop() == 0
        assert "Traceback" not in service.output
        assert running.audit() == Audit(2, UNITS + 1, orphans=0, holes=0)


@pytest.mark.slow
def test_index_restarted_in_the_middle_of_a_job(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path, shared_index=True) as running:
        service = running.serve(embedded_worker=False)
        worker = running.work(**SLOWLY)
        job = running.put_lines(UNITS)
        running.under_way(job["id"])
        running.processes[0].kill()
        stays_away(running, "Qdrant server", "qdrant_url")
        waiting = until(lambda: running.job(job["id"])["error"], what="the job says what it waits for")
        assert "the Qdrant server does not answer" in waiting
        running.start_index()
        assert running.succeeded(job["id"])["max_attempts"] > 3
        assert len(running.search("radar entry", limit=50)) == 50
        assert [worker.stop(), service.stop()] == [0, 0]
        assert "Traceback" not in worker.output + service.output
        assert running.audit() == Audit(1, UNITS, orphans=0, holes=0)


def test_a_service_that_starts_before_its_index(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path, shared_index=True) as running:
        running.processes[0].kill()
        service = running.start_service()
        ready = until(
            lambda: (
                "waiting" in (found := httpx.get(f"{running.url}/health/ready").json())["stage"] and found
            ),
            what="the service waits",
        )
        assert (ready["status"], ready["error"]) == ("loading", None)
        assert "the Qdrant server does not answer" in ready["stage"]
        job = running.put("Accepted meanwhile.")
        running.start_index()
        running.ready(service)
        assert running.succeeded(job["id"])["attempts"] == 1


def test_a_service_that_starts_without_its_database_says_so(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path, "postgresql://nobody:secret@127.0.0.1:1/none") as running:
        service = running.start_service()
        assert service.ended() == 1
        assert "catalog" in service.output
        assert "secret" not in service.output
        assert "Traceback" not in service.output


def test_a_file_that_does_not_fit_on_the_disk(launcher: Launcher, tmp_path: Path) -> None:
    """The limit on a file's size stands in for the end of the disk."""
    with cluster(launcher, tmp_path, max_upload_bytes=200_000_000) as running:
        service = running.serve(test_file_bytes=40_000_000)
        before = running.put("Stored before.", external_id="before")
        running.succeeded(before["id"])
        refused(running.upload("large.txt", bytes(41_000_000)), "make room on its disk")
        assert not list((running.data_dir / "uploads").iterdir())
        assert not list((running.data_dir / "blobs").glob(".new-*"))
        assert [d["external_id"] for d in running.get("/v1/documents")["documents"]] == ["before"]
        running.succeeded(running.put("Stored after.", external_id="after")["id"])
        assert service.stop() == 0


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("making a small disk takes the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_the_disk_is_full(launcher: Launcher, tmp_path: Path) -> None:
    """The catalog, the blobs and the index share it. Whatever is refused, nothing is lost or half there."""
    with (
        small_disk(tmp_path / "disk", "96m") as disk,
        cluster(launcher, tmp_path, data_dir=disk / "data") as running,
    ):
        running.folder = tmp_path
        service = running.serve()
        before = running.put("Stored before.", external_id="before")
        running.succeeded(before["id"])
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            room = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            os.posix_fallocate(file.fileno(), 0, room - 4096)
        refused(running.upload("large.txt", b"x" * 2_000_000), "make room on its disk")
        assert not list((disk / "data" / "uploads").iterdir())
        assert running.search("stored before")[0]["text"] == "Stored before."
        ballast.unlink()
        after = until(
            lambda: (answer := running.upload("after.txt", b"Stored after.")).is_success and answer.json(),
            what="uploads are accepted again",
        )
        running.succeeded(after["jobs"][0]["id"])
        assert service.stop() == 0
        assert "Traceback" not in service.output
