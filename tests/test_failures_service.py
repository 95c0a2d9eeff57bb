"""The service killed, stopped, and started twice."""

import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import LIVE, Audit, Cluster, Launcher, cluster, lines, until

UNITS = 640
SLOWLY = {"test_embed_seconds": 0.006}  # a unit; about four seconds for such a document
SOON_SECONDS = 10


class Uploader(threading.Thread):
    """Uploads documents one after the other, each until it is accepted; every tenth cannot be read."""

    def __init__(self, running: Cluster, documents: int, prefix: str = "d") -> None:
        super().__init__(name="uploader")
        self.jobs: dict[str, str] = {}
        self._running = running
        self._documents = documents
        self._prefix = prefix

    def run(self) -> None:
        for number in range(self._documents):
            name = f"{self._prefix}{number}"
            content = b"\x7fELF\x02\x01" if number % 10 == 9 else lines(20, name).encode()
            self.jobs[name] = until(lambda: self._accepted(name, content), seconds=120)  # noqa: B023

    def _accepted(self, name: str, content: bytes) -> str | None:
        response = self._running.upload(f"{name}.txt", content, external_id=name, split="lines")
        return response.json()["jobs"][0]["id"] if response.status_code in (200, 202) else None


@pytest.mark.slow
def test_killed_again_and_again_throughout_an_upload_loop(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    chance = random.Random(7)
    with cluster(launcher, tmp_path, database_url, test_embed_seconds=0.003) as running:
        uploader = Uploader(running, 30)
        uploader.start()
        for _ in range(4):
            service = running.serve()
            time.sleep(chance.uniform(0.1, 0.8))
            service.kill()
        last = running.serve()
        uploader.join(120)
        assert len(uploader.jobs) == 30
        found = 0
        for name, job_id in uploader.jobs.items():
            job = running.ended(job_id)
            if job["state"] == "succeeded":
                hit = running.search(lines(1, name), limit=1)[0]
                assert (hit["document"]["external_id"], hit["text"]) == (name, lines(1, name))
                found += 1
            else:
                assert job["error"]
        assert found >= 20
        running.idle()
        assert last.stop() == 0
        assert running.audit() == Audit(found, 20 * found, orphans=0, holes=0)
        for leftovers in ("uploads", "scratch"):
            assert not list((running.data_dir / leftovers).iterdir())


@pytest.mark.parametrize("role", ["service", "worker"])
def test_sigterm_in_the_middle_of_a_job_hands_it_back(
    launcher: Launcher, tmp_path: Path, database_url: str, role: str
) -> None:
    alone = role == "service"
    with cluster(launcher, tmp_path, database_url, shared_index=not alone) as running:
        service = running.serve(embedded_worker=alone, **SLOWLY)
        stopped = service if alone else running.work(**SLOWLY)
        job = running.put_lines(UNITS)
        running.under_way(job["id"])
        assert stopped.stop(seconds=SOON_SECONDS) == 0, stopped.output
        assert any(line.startswith("handed back") for line in running.story(job["id"]))
        if alone:
            stopped = running.serve()
        else:
            running.work()
        assert running.succeeded(job["id"])["attempts"] == 1
        if alone:
            assert stopped.stop() == 0
        assert running.audit() == Audit(1, UNITS, orphans=0, holes=0)


def test_sigterm_while_the_model_loads(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path, test_load_seconds=300) as running:
        service = running.start_service()
        until(lambda: httpx.get(f"{running.url}/health/live").is_success, what="the service lives")
        response = httpx.get(f"{running.url}/health/ready")
        assert (response.status_code, response.json()["status"]) == (503, "loading")
        job = running.put("Accepted while the model loads.")
        assert service.stop(seconds=SOON_SECONDS) == 0, service.output
        running.serve(test_load_seconds=0)
        assert running.succeeded(job["id"])["attempts"] == 1


def test_sigterm_before_the_service_listens(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path) as running:
        service = running.start_service()
        until(lambda: (running.data_dir / "lock").exists(), what="the service has begun to start")
        assert service.stop(seconds=SOON_SECONDS) == 0, service.output


def test_a_model_that_cannot_load_leaves_jobs_queued_and_says_why(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path) as running:
        service = running.start_service(test_load_error="the model folder is empty; set model to another")
        until(
            lambda: httpx.get(f"{running.url}/health/ready").json()["status"] == "failed",
            what="the failure shows",
        )
        ready = httpx.get(f"{running.url}/health/ready")
        assert ready.status_code == 503
        assert ready.json()["error"] == "the model folder is empty; set model to another"
        answer = running.ask("anything")
        assert (answer.status_code, answer.json()["detail"]) == (503, ready.json()["error"])
        job = running.put("Waits for better times.")
        assert running.job(job["id"])["state"] == "queued"
        status = running.start("service.cli", "status", "--url", running.url)
        assert status.ended() == 0
        assert "the model folder is empty" in status.output
        assert job["id"] in status.output
        assert service.stop() == 0
        running.serve()
        running.succeeded(job["id"])


def test_a_worker_whose_model_cannot_load_ends_with_the_reason(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path) as running:
        worker = running.work(test_load_error="no such model")
        assert worker.ended() == 1
        assert "no such model" in worker.output
        assert "Traceback" not in worker.output


@pytest.mark.parametrize("command", [("serve",), ("search", "anything"), ("worker",), ("status",)])
def test_a_second_process_on_the_data_folder_names_the_first(
    launcher: Launcher, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with cluster(launcher, tmp_path) as running:
        first = running.serve()
        second = running.start("service.cli", *command)
        assert second.ended() == 1
        [line] = second.output.splitlines()
        assert line.startswith("Error: data folder ")
        assert f"process {first.pid}" in line
        assert running.url in line
        assert running.get("/health/ready")["status"] == "ready"


def test_a_port_that_is_taken_is_one_line(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path / "a") as running, cluster(launcher, tmp_path / "b") as other:
        first = running.serve()
        assert f"docradar listens on {running.url}" in first.output
        other.port = running.port
        second = other.start_service()
        assert second.ended() == 1
        assert "listens on" not in second.output
        assert f"cannot listen on 127.0.0.1:{running.port}" in second.output.splitlines()[-1]
        assert "Traceback" not in second.output


@pytest.mark.slow
def test_three_uploaders_and_two_workers_on_one_database(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    with cluster(launcher, tmp_path, database_url, shared_index=True) as running:
        # Three services, since it is they who write; each has a port of its own.
        services = [running]
        services += [
            Cluster(launcher, tmp_path / str(number), database_url, running.qdrant_port)
            for number in range(2)
        ]
        try:
            for service in services:
                service.folder.mkdir(exist_ok=True)
                service.settings = {"embedded_worker": False, "blobs": ""}
            running.settings["data_dir"] = tmp_path / "data"
            for service in services[1:]:
                service.settings["data_dir"] = tmp_path / "data"
            for service in services:
                service.serve()
            workers = [running.work() for _ in range(2)]
            uploaders = [Uploader(service, 10, f"s{n}-") for n, service in enumerate(services)]
            for uploader in uploaders:
                uploader.start()
            for uploader in uploaders:
                uploader.join(60)
            ended: list[dict[str, Any]] = [
                running.ended(job) for uploader in uploaders for job in uploader.jobs.values()
            ]
            assert [job["attempts"] for job in ended] == [1] * 30
            assert sorted(job["state"] for job in ended) == ["failed"] * 3 + ["succeeded"] * 27
            running.idle()
            assert running.audit() == Audit(27, 27 * 20, orphans=0, holes=0)
            for service in services:
                for process in service.processes:
                    assert "locked" not in process.output
                    assert "Traceback" not in process.output
            assert [worker.stop() for worker in workers] == [0, 0]
            assert all("succeeded" in worker.output for worker in workers)
        finally:
            for service in services[1:]:
                service.close()


def test_nothing_is_live_after_a_drain(launcher: Launcher, tmp_path: Path) -> None:
    """Jobs claimed at the very moment of the stop are handed back too."""
    with cluster(launcher, tmp_path, lease_seconds=600, heartbeat_seconds=60) as running:
        for _ in range(3):
            service = running.serve()
            jobs = [running.put_lines(3, f"d{n}", f"d{n}") for n in range(5)]
            service.signal(signal.SIGTERM)
            assert service.ended(seconds=SOON_SECONDS) == 0
        running.serve()
        for job in jobs:
            assert running.ended(job["id"])["state"] not in LIVE
