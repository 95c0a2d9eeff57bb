"""Files that mean harm, through a running service: each ends within its limits, with a reason, and searches go on."""

import re
import time
from collections.abc import Iterator

import pytest
from hostile_files import HOSTILE

from tests.processes import Cluster, Launcher, cluster, until

LIMITS = {"reader_cpu_seconds": 10, "reader_wall_seconds": 30, "job_attempts": 1}
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def running(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One service for all of this module; what one test does to it, the next would notice."""
    with cluster(launcher, tmp_path_factory.mktemp("formats"), **LIMITS) as made:
        made.serve()
        made.succeeded(made.put("The one document that is always found.", external_id="always")["id"])
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_it_ends_as_it_must_while_searches_are_answered(running: Cluster, name: str) -> None:
    filename, make, reason = HOSTILE[name]
    response = running.upload(filename, make())
    assert response.status_code == 202, response.text
    job_id = response.json()["jobs"][0]["id"]
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (job := running.job(job_id))["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        [hit] = running.search("document that is always found", limit=1, filter={"external_id": "always"})
        assert hit["document"]["external_id"] == "always"
        time.sleep(0.05)
    if reason:
        assert job["state"] == "failed", job
        assert job["error"].startswith(f"{filename}: ")
        assert re.search(reason, job["error"]), job["error"]
    else:
        assert job["state"] == "succeeded", job
    assert "Traceback" not in running.processes[0].output


@pytest.mark.slow
def test_nothing_is_left_of_them_in_the_scratch_folder(running: Cluster) -> None:
    for folder in ("scratch", "uploads"):
        until(lambda folder=folder: not list((running.data_dir / folder).iterdir()), what=folder)
