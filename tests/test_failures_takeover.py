"""Workers that die, or seem to: another one takes over, and the result is exact."""

import random
import signal
import time
from pathlib import Path

import pytest

from tests.processes import Audit, Cluster, Launcher, Process, cluster, until

UNITS = 640
SLOWLY = {"test_embed_seconds": 0.006}  # a unit; about four seconds for such a document
TAKEOVER_SECONDS = 30


def ready(worker: Process) -> Process:
    until(lambda: "worker ready" in worker.output, what="the worker is ready")
    return worker


def unit_ids(running: Cluster, document_id: str) -> list[str]:
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = running.get(f"/v1/documents/{document_id}/units", limit=500, **cursor)
        ids += [unit["id"] for unit in page["units"]]
        if page["next_cursor"] is None:
            return ids
        cursor = {"cursor": page["next_cursor"]}


def exact(running: Cluster, units: int) -> None:
    running.settled()
    assert running.audit() == Audit(1, units, orphans=0, holes=0)


def test_a_second_worker_takes_over_from_a_killed_one(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    with cluster(launcher, tmp_path, database_url, shared_index=True) as running:
        running.serve(embedded_worker=False)
        doomed = ready(running.work(**SLOWLY))
        job = running.put_lines(UNITS)
        running.under_way(job["id"])
        ready(running.work())
        doomed.kill()
        done = running.succeeded(job["id"], seconds=TAKEOVER_SECONDS)
        assert (done["attempts"], done["done"], done["total"]) == (2, UNITS, UNITS)
        running.idle()
        assert running.audit() == Audit(1, UNITS, orphans=0, holes=0)
        found = unit_ids(running, job["document_id"])
        assert len(found) == len(set(found)) == UNITS
        # What the killed worker had put into the index was not embedded again, but for what it was at.
        assert len(running.embedded) == UNITS
        assert sum(running.embedded.values()) - UNITS < UNITS / 2


@pytest.mark.slow
@pytest.mark.parametrize("second", ["live", "restarted"])
def test_takeover_with_the_default_lease(
    launcher: Launcher, tmp_path: Path, database_url: str, second: str
) -> None:
    defaults = {"lease_seconds": 15, "heartbeat_seconds": 4, "retry_backoff_seconds": 2, "poll_seconds": 0.5}
    with cluster(launcher, tmp_path, database_url, shared_index=True, **defaults) as running:
        running.serve(embedded_worker=False)
        doomed = ready(running.work(**SLOWLY))
        job = running.put_lines(UNITS)
        running.under_way(job["id"])
        if second == "live":
            ready(running.work())
        doomed.kill()
        if second == "restarted":
            running.work()
        assert running.succeeded(job["id"], seconds=TAKEOVER_SECONDS)["attempts"] == 2
        until(lambda: running.audit() == Audit(1, UNITS, 0, 0), what="the index is exact")


def test_a_restarted_service_takes_its_predecessors_jobs_at_once(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    # No lease can run out while this test waits.
    with cluster(launcher, tmp_path, database_url, lease_seconds=600, heartbeat_seconds=60) as running:
        doomed = running.serve(**SLOWLY)
        job = running.put_lines(UNITS)
        running.under_way(job["id"])
        doomed.kill()
        heir = running.serve()
        assert running.succeeded(job["id"])["attempts"] == 2
        assert running.search("radar entry 600 says 4751400", limit=1)[0]["provenance"]["ordinal"] == 600
        assert heir.stop() == 0
        assert running.audit() == Audit(1, UNITS, orphans=0, holes=0)


@pytest.mark.slow
def test_a_worker_that_was_only_stopped_changes_nothing_when_it_wakes(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    with cluster(launcher, tmp_path, database_url, shared_index=True) as running:
        running.serve(embedded_worker=False)
        sleeper = ready(running.work(test_embed_seconds=0.01))
        first = running.put_lines(UNITS)
        running.under_way(first["id"])
        sleeper.signal(signal.SIGSTOP)
        ready(running.work())
        running.succeeded(first["id"], seconds=TAKEOVER_SECONDS)
        # Everything that the sleeper is at gets replaced, and all sweeps are over, before it wakes.
        second = running.put_lines(10, word="other")
        running.succeeded(second["id"])
        exact(running, units=10)
        before = (running.job(first["id"]), running.story(first["id"]), running.get("/v1/documents"))
        sleeper.signal(signal.SIGCONT)
        until(lambda: "lease ran out" in sleeper.output, what="the sleeper notices")
        until(lambda: running.audit() == Audit(1, 10, 0, 0), what="the sleeper's points are swept")
        assert (running.job(first["id"]), running.story(first["id"]), running.get("/v1/documents")) == before
        assert sleeper.stop() == 0
        exact(running, units=10)


@pytest.mark.parametrize("failpoint", ["after_units", "after_batch:2", "after_upsert", "after_commit"])
def test_killed_at_a_step_of_an_ingest(
    launcher: Launcher, tmp_path: Path, database_url: str, failpoint: str
) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        doomed = running.serve(test_failpoint=failpoint)
        job = running.put_lines(UNITS)
        assert doomed.ended() == -signal.SIGKILL
        before = running.embedded
        heir = running.serve()
        done = running.succeeded(job["id"])
        assert done["attempts"] == (1 if failpoint == "after_commit" else 2)
        assert len(running.search("radar entry 77", limit=50)) == 50
        running.idle()
        assert heir.stop() == 0
        assert running.audit() == Audit(1, UNITS, orphans=0, holes=0)
        after = running.embedded
        assert len(after) == UNITS
        match failpoint:
            case "after_units":
                assert not before
            case "after_batch:2":
                # Two groups were in the index; only what was embedded but not yet there is embedded again.
                assert sum((after - before).values()) <= UNITS - 2 * 64
            case _:
                assert after == before


def test_killed_at_a_step_of_a_deletion(launcher: Launcher, tmp_path: Path, database_url: str) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        doomed = running.serve(test_failpoint="after_delete")
        kept = running.put_lines(50, "kept", "kept")
        running.succeeded(kept["id"])
        job = running.put_lines(100, "gone", "gone")
        running.succeeded(job["id"])
        running.delete(job["document_id"])
        assert doomed.ended() == -signal.SIGKILL
        heir = running.serve()
        running.idle()
        assert [d["external_id"] for d in running.get("/v1/documents")["documents"]] == ["kept"]
        assert heir.stop() == 0
        assert running.audit() == Audit(1, 50, orphans=0, holes=0)


@pytest.mark.slow
def test_points_lost_in_a_power_cut_are_brought_back(
    launcher: Launcher, tmp_path: Path, database_url: str
) -> None:
    with cluster(launcher, tmp_path, database_url) as running:
        doomed = running.serve()
        job = running.put_lines(UNITS)
        running.succeeded(job["id"])
        doomed.kill()
        running.delete_points(job["document_id"], 40)
        assert running.audit().holes == 40
        heir = running.serve()
        until(lambda: running.get("/v1/jobs", kind="ingest")["jobs"][0]["version"] == 2, what="the repair")
        running.idle()
        assert heir.stop() == 0
        assert running.audit() == Audit(1, UNITS, orphans=0, holes=0)
        # Only the passages of the lost units were embedded again.
        assert sum(running.embedded.values()) < 2 * UNITS


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_random_kills_lose_nothing(launcher: Launcher, tmp_path: Path, database_url: str, seed: int) -> None:
    chance = random.Random(seed)
    documents = 12
    patient = {"job_attempts": 50, "embedded_worker": False}
    with cluster(launcher, tmp_path, database_url, shared_index=True, **patient) as running:
        service = running.serve()
        workers = [running.work(test_embed_seconds=0.05) for _ in range(2)]
        jobs: dict[str, str] = {}
        deadline = time.monotonic() + 25
        while len(jobs) < documents or time.monotonic() < deadline:
            if len(jobs) < documents:
                name = f"d{len(jobs)}"
                jobs[name] = running.put_lines(100 + 10 * len(jobs), name, name)["id"]
            time.sleep(chance.uniform(0.2, 1.5))
            victim = chance.choice([service, *workers])
            victim.kill()
            if victim is service:
                service = running.serve()
            else:
                workers[workers.index(victim)] = running.work(test_embed_seconds=0.05)
        for job_id in jobs.values():
            running.succeeded(job_id, seconds=120)
        running.settled(seconds=60)
        assert running.audit() == Audit(
            documents, sum(100 + 10 * n for n in range(documents)), orphans=0, holes=0
        )
