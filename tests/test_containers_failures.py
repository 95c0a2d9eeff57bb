"""Containers and the death of whoever works on them: real processes, killed at every step."""

import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.archives import zipped
from tests.processes import LIVE, Audit, Cluster, Launcher, Process, cluster, until

MEMBERS = 12
SLOWLY = {"test_embed_seconds": 0.3}  # a unit: each member has one


def pages(count: int = MEMBERS, word: str = "radar") -> dict[str, str]:
    return {
        f"page-{number}.txt": f"The {word} of page {number} says {number * 7919}." for number in range(count)
    }


def put(running: Cluster, files: dict[str, str], **fields: Any) -> dict[str, Any]:
    """Uploads an archive; its job."""
    response = running.upload("guide.zip", zipped(files), **fields)
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()["jobs"][0]
    return job


def waits(running: Cluster, job: dict[str, Any]) -> None:
    """Returns once the job waits for its documents."""
    until(lambda: running.job(job["id"])["stage"] == "documents", what="the container waits")


def worker(running: Cluster, **settings: Any) -> Process:
    """A worker that is ready."""
    process = running.work(**settings)
    until(lambda: "worker ready" in process.output, what="the worker is ready")
    return process


def searchable(running: Cluster, **filters: Any) -> dict[str, str]:
    """External ids and states of the documents that are no containers."""
    found = running.get("/v1/documents", limit=500, **filters)["documents"]
    return {document["external_id"]: document["status"] for document in found if not document["container"]}


def whole(running: Cluster, members: int = MEMBERS) -> None:
    """Every member is searchable, once."""
    assert list(searchable(running).values()) == ["ready"] * members
    assert len(running.search("page", limit=100)) == members


@pytest.mark.parametrize(
    "failpoint",
    [
        pytest.param("after_member:1", marks=pytest.mark.slow),
        "after_member:5",
        pytest.param("after_members", marks=pytest.mark.slow),
        "after_wait",
    ],
)
def test_killed_at_a_step_of_unpacking(
    launcher: Launcher, tmp_path: Path, database_url: str, failpoint: str
) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        doomed = running.serve(test_failpoint=failpoint)
        job = put(running, pages())
        assert doomed.ended() == -signal.SIGKILL
        heir = running.serve()
        done = running.succeeded(job["id"])
        assert (done["done"], done["total"]) == (MEMBERS, MEMBERS)
        assert done["attempts"] == (1 if failpoint == "after_wait" else 2)
        whole(running)
        jobs = running.get("/v1/jobs", parent_id=job["id"])["jobs"]
        assert len(jobs) == MEMBERS  # none was delivered twice
        running.idle()
        assert heir.stop() == 0
        assert running.audit() == Audit(MEMBERS + 1, MEMBERS, orphans=0, holes=0)
        assert sum(running.embedded.values()) <= MEMBERS + 2


@pytest.mark.slow
def test_killed_while_it_waits(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        doomed = running.serve(**SLOWLY)
        job = put(running, pages())
        waits(running, job)
        until(lambda: "ready" in searchable(running).values(), what="a document is in")
        doomed.kill()
        heir = running.serve()
        done = running.succeeded(job["id"])
        assert done["attempts"] == 1
        whole(running)
        running.idle()
        assert heir.stop() == 0
        assert running.audit() == Audit(MEMBERS + 1, MEMBERS, orphans=0, holes=0)


def test_a_clean_stop_leaves_it_waiting(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        first = running.serve(**SLOWLY)
        job = put(running, pages())
        waits(running, job)
        assert first.stop() == 0
        second = running.serve()
        assert running.succeeded(job["id"])["attempts"] == 1
        whole(running)
        assert second.stop() == 0


@pytest.mark.slow
def test_two_workers_share_it_and_one_is_killed(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    with cluster(launcher, tmp_path, database_url, shared_index=True) as running:
        running.serve(embedded_worker=False)
        doomed = worker(running, **SLOWLY)
        worker(running, **SLOWLY)
        job = put(running, pages())
        waits(running, job)
        until(lambda: "ready" in searchable(running).values(), what="a document is in")
        doomed.kill()
        assert running.succeeded(job["id"])["done"] == MEMBERS
        whole(running)
        told = [line for line in running.story(job["id"]) if line.startswith("succeeded")]
        assert told == [f"succeeded: {MEMBERS} of {MEMBERS} documents are searchable"]
        running.idle()
        assert running.audit() == Audit(MEMBERS + 1, MEMBERS, orphans=0, holes=0)


@pytest.mark.slow
def test_a_worker_that_was_stopped_while_it_unpacked_delivers_nothing_when_it_wakes(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    many = 60
    with cluster(launcher, tmp_path, database_url, shared_index=True) as running:
        running.serve(embedded_worker=False)
        # Stopped between two transactions: within one, it would keep everybody else waiting as long as it sleeps.
        sleeper = worker(running, worker_concurrency=1, test_failpoint="after_member:20:stop")
        job = put(running, pages(many))
        until(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED, what="it is stopped")
        worker(running)
        waits(running, job)
        before = len(running.get("/v1/jobs", parent_id=job["id"], limit=500)["jobs"])
        sleeper.signal(signal.SIGCONT)
        until(lambda: "lease" in sleeper.output, what="the sleeper notices")
        assert len(running.get("/v1/jobs", parent_id=job["id"], limit=500)["jobs"]) == before == many
        assert running.succeeded(job["id"], seconds=60)["done"] == many
        whole_count = len(searchable(running))
        assert whole_count == many


def test_canceled_while_it_waits(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        service = running.serve(**SLOWLY)
        job = put(running, pages())
        waits(running, job)
        running.post(f"/v1/jobs/{job['id']}/cancel")
        began = time.monotonic()
        assert running.ended(job["id"])["state"] == "canceled"
        assert time.monotonic() - began < 10
        jobs = running.get("/v1/jobs", parent_id=job["id"])["jobs"]
        assert not [child for child in jobs if child["state"] in LIVE]
        ready = list(searchable(running).values()).count("ready")
        running.idle()
        assert service.stop() == 0
        assert running.audit() == Audit(ready, ready, orphans=0, holes=0)


@pytest.mark.slow
def test_a_newer_export_takes_over_from_one_that_waits(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        service = running.serve(**SLOWLY)
        old = put(running, pages())
        waits(running, old)
        newer = pages(MEMBERS - 2) | {"page-0.txt": "The radar of page 0 was edited."}
        new = put(running, newer, prune="true")
        ended = running.ended(old["id"])
        assert (ended["state"], ended["error"]) == ("canceled", "superseded by version 2")
        running.succeeded(new["id"])
        running.idle()
        whole(running, MEMBERS - 2)
        assert "The radar of page 0 was edited." in [
            hit["text"] for hit in running.search("page 0", limit=50)
        ]
        assert service.stop() == 0
        assert running.audit() == Audit(MEMBERS - 1, MEMBERS - 2, orphans=0, holes=0)


@pytest.mark.slow
def test_killed_while_it_deletes_what_has_vanished(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        doomed = running.serve(test_failpoint="after_prune:3")
        running.succeeded(put(running, pages())["id"])
        job = put(running, pages(MEMBERS - 6), prune="true")
        assert doomed.ended() == -signal.SIGKILL
        heir = running.serve()
        assert running.succeeded(job["id"])["attempts"] == 1
        running.idle()
        whole(running, MEMBERS - 6)
        report = running.get(f"/v1/documents/{job['document_id']}")["report"]
        assert (len(report["documents_vanished"]), report["warnings"]) == (6, [])
        assert heir.stop() == 0
        assert running.audit() == Audit(MEMBERS - 5, MEMBERS - 6, orphans=0, holes=0)


@pytest.mark.slow
@pytest.mark.parametrize("failpoint", ["", "after_delete_members", "after_delete:3"])
def test_deleted_with_all_that_is_in_it(
    launcher: Launcher, tmp_path: Path, database_url: str, failpoint: str
) -> None:
    with cluster(launcher, tmp_path, database_url, reconcile_seconds=0.5) as running:
        service = running.serve(test_failpoint=failpoint)
        kept = running.put_lines(5, "kept")
        running.succeeded(kept["id"])
        job = put(running, pages())
        running.succeeded(job["id"])
        running.idle()
        running.delete(job["document_id"])
        if failpoint:
            assert service.ended() == -signal.SIGKILL
            service = running.serve()
        until(lambda: list(searchable(running)) == ["kept"], what="all are gone")
        running.idle()
        assert service.stop() == 0
        assert running.audit() == Audit(1, 5, orphans=0, holes=0)


def test_deleted_while_it_waits(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        service = running.serve(**SLOWLY)
        job = put(running, pages())
        waits(running, job)
        until(lambda: "ready" in searchable(running).values(), what="a document is in")
        running.delete(job["document_id"])
        assert running.search("page") == []
        until(lambda: not searchable(running), what="all are gone")
        running.idle()
        assert service.stop() == 0
        assert running.audit() == Audit(0, 0, orphans=0, holes=0)


@pytest.mark.slow
def test_random_kills_lose_no_document(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    patient = {"job_attempts": 50, "embedded_worker": False}
    with cluster(launcher, tmp_path, database_url, shared_index=True, **patient) as running:
        running.serve()
        workers = [running.work(test_embed_seconds=0.05) for _ in range(2)]
        job = put(running, pages(150))
        for round_ in range(12):
            time.sleep(0.4 + 0.1 * (round_ % 5))
            workers[round_ % 2].kill()
            workers[round_ % 2] = running.work(test_embed_seconds=0.05)
        assert running.succeeded(job["id"], seconds=120)["total"] == 150
        running.idle()
        assert len(searchable(running, status="ready")) == 150
        assert running.audit() == Audit(151, 150, orphans=0, holes=0)
