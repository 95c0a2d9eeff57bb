"""Several processes on one database, as an upload service and its workers are."""

import multiprocessing
from multiprocessing.queues import Queue

from docradar.catalog import Catalog, QueueOptions
from docradar.documents import JobState
from tests.catalogs import claim, claim_when_due, commit, eventually, put, unit

DOCUMENTS_PER_WRITER = 25
WRITERS = 3


def _upload(url: str, writer: int) -> None:
    catalog = Catalog.open(url)
    for number in range(DOCUMENTS_PER_WRITER):
        put(catalog, f"{writer}-{number}")
    put(catalog, "shared")
    catalog.close()


def _work(url: str, name: str, done: "Queue[list[str]]") -> None:
    catalog = Catalog.open(url)
    mine: list[str] = []
    while True:
        for job in catalog.claim(name, 2):
            commit(catalog, job, [unit(0, unit_id=job.document_id)])
            mine.append(job.document_id)
        state = catalog.list_jobs(state=JobState.SUCCEEDED, limit=WRITERS * DOCUMENTS_PER_WRITER + 2)[0]
        if len(state) == WRITERS * DOCUMENTS_PER_WRITER + 1:
            break
        catalog.wait_for_work(0.05)
    catalog.close()
    done.put(mine)


def test_writers_and_claimers_in_processes_get_everything_done_once(database_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    done: Queue[list[str]] = context.Queue()
    processes = [context.Process(target=_upload, args=(database_url, writer)) for writer in range(WRITERS)]
    processes += [context.Process(target=_work, args=(database_url, f"w{n}", done)) for n in range(2)]
    for process in processes:
        process.start()
    worked = [document for _ in range(2) for document in done.get(timeout=120)]
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 5
    assert len(worked) == len(set(worked)) == WRITERS * DOCUMENTS_PER_WRITER + 1


def _claim_and_hang(url: str, claimed: "Queue[str]") -> None:
    catalog = Catalog.open(url, QueueOptions(lease_seconds=1, backoff_seconds=0.05))
    claimed.put(claim(catalog, "doomed").id)
    multiprocessing.Event().wait()


def test_job_of_a_killed_process_is_taken_over(catalog: Catalog, database_url: str) -> None:
    put(catalog)
    context = multiprocessing.get_context("spawn")
    claimed: Queue[str] = context.Queue()
    doomed = context.Process(target=_claim_and_hang, args=(database_url, claimed))
    doomed.start()
    job_id = claimed.get(timeout=60)
    doomed.kill()
    doomed.join(60)
    eventually(lambda: catalog.reap() == 1)
    again = claim_when_due(catalog)
    assert (again.id, again.attempts) == (job_id, 2)
    assert commit(catalog, again, [unit(0)]).state is JobState.SUCCEEDED
