"""What people do while a job runs: upload again, delete, cancel."""

import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.processes import Audit, Cluster, Launcher, cluster, lines, until

UNITS = 640
SLOWLY = {"test_embed_seconds": 0.006}  # a unit; about four seconds for such a document
SOON_SECONDS = 10


def stopped_exact(running: Cluster, *, documents: int, units: int) -> None:
    """Ends the service once all is done, and compares what it left."""
    running.idle()
    assert running.processes[-1].stop() == 0
    assert running.audit() == Audit(documents, units, orphans=0, holes=0)


@pytest.mark.slow
def test_version_two_while_version_one_runs(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        running.serve(**SLOWLY)
        first = running.put_lines(UNITS)
        running.under_way(first["id"])
        second = running.put_lines(30, word="other")
        assert (second["document_id"], second["version"]) == (first["document_id"], 2)
        superseded = running.ended(first["id"], seconds=SOON_SECONDS)
        assert (superseded["state"], superseded["error"]) == ("canceled", "superseded by version 2")
        running.succeeded(second["id"])
        assert {hit["text"].split()[0] for hit in running.search("radar entry", limit=50)} == {"other"}
        stopped_exact(running, documents=1, units=30)


@pytest.mark.slow
def test_deleted_while_it_runs(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        running.serve(**SLOWLY)
        job = running.put_lines(UNITS)
        running.under_way(job["id"])
        deletion = running.delete(job["document_id"])
        assert running.search("radar entry") == []
        running.succeeded(deletion["id"], seconds=SOON_SECONDS)
        assert running.ended(job["id"])["state"] == "canceled"
        assert httpx.get(f"{running.url}/v1/documents/{job['document_id']}").status_code == 404
        stopped_exact(running, documents=0, units=0)


def test_the_same_upload_twice_at_once_is_one_job(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        running.serve()
        together = threading.Barrier(2)
        answers: list[httpx.Response] = []

        def upload() -> None:
            together.wait()
            answers.append(running.upload("a.txt", lines(40).encode(), split="lines"))

        for _ in range(5):
            clients = [threading.Thread(target=upload) for _ in range(2)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        jobs: list[dict[str, Any]] = [answer.json()["jobs"][0] for answer in answers]
        assert len({job["id"] for job in jobs}) == 1
        assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
        assert running.succeeded(jobs[0]["id"])["version"] == 1
        stopped_exact(running, documents=1, units=40)


@pytest.mark.slow
def test_cancel_then_retry(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    with cluster(launcher, tmp_path, database_url, worker_concurrency=1) as running:
        service = running.serve(**SLOWLY)
        job = running.put_lines(UNITS)
        waiting = running.put_lines(20, "b", "waiting")
        running.under_way(job["id"])

        assert running.post(f"/v1/jobs/{waiting['id']}/cancel")["state"] == "canceled"
        assert running.post(f"/v1/jobs/{job['id']}/cancel")["cancel_requested"]
        canceled = running.ended(job["id"], seconds=SOON_SECONDS)
        assert (canceled["state"], canceled["error"]) == ("canceled", "canceled on request")
        assert {d["status"] for d in running.get("/v1/documents")["documents"]} == {"canceled"}
        assert running.search("radar entry") == []
        running.idle()
        assert service.stop() == 0
        assert running.audit() == Audit(0, 0, orphans=0, holes=0)

        running.serve()
        for canceled in (job, waiting):
            running.post(f"/v1/jobs/{canceled['id']}/retry")
            assert running.succeeded(canceled["id"])["attempts"] == 1
        stopped_exact(running, documents=2, units=UNITS + 20)


def test_a_job_that_is_new_begins_at_once(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path, poll_seconds=60) as running:
        running.serve()
        running.succeeded(running.put("First.")["id"])
        # The worker has found nothing and waits; only the upload can wake it.
        running.succeeded(running.put("Second.")["id"], seconds=SOON_SECONDS)


def test_a_stopped_job_does_not_keep_others_waiting(launcher: Launcher, tmp_path: Path) -> None:
    with cluster(launcher, tmp_path, worker_concurrency=1, poll_seconds=60) as running:
        running.serve(**SLOWLY)
        job = running.put_lines(UNITS)
        running.under_way(job["id"])
        behind = running.put("Behind.", external_id="behind")
        running.post(f"/v1/jobs/{job['id']}/cancel")
        until(lambda: running.job(behind["id"])["state"] == "succeeded", seconds=SOON_SECONDS)
