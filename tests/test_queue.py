"""The queue: leases, fences, attempts, cancellation."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Thread

import pytest
from sqlalchemy import text, update

from docradar.catalog import Catalog, DocumentChanges, QueueOptions
from docradar.catalog.schema import jobs
from docradar.catalog.transitions import MAINTENANCE_ATTEMPTS
from docradar.documents import DocumentStatus, IngestReport, Job, JobKind, JobState
from docradar.errors import ConflictError, JobCanceledError, LeaseLostError, NotFoundError
from tests.catalogs import claim, claim_when_due, commit, eventually, ingest, put, sweep_due, unit


def messages(catalog: Catalog, job: Job) -> list[str]:
    return [event.message for event in catalog.job_events(job.id)]


def expire(catalog: Catalog) -> None:
    """Waits until the running job's lease has run out and was reaped."""
    eventually(lambda: catalog.reap() == 1)


def test_claim_leases_the_oldest_due_jobs_and_counts_attempts(catalog: Catalog) -> None:
    puts = [put(catalog, name) for name in "abc"]
    claimed = catalog.claim("w1", 2)
    assert [job.id for job in claimed] == [outcome.job.id for outcome in puts[:2]]
    job = claimed[0]
    assert (job.state, job.attempts, job.fence, job.lease_owner) == ("running", 1, 1, "w1")
    assert job.started_at is not None
    assert [job.id for job in catalog.claim("w2", 10)] == [puts[2].job.id]
    assert catalog.claim("w3", 10) == []


def test_deletions_come_before_bulk(catalog: Catalog) -> None:
    document_id = ingest(catalog, "old")
    put(catalog, "new")
    deletion = catalog.delete_document(document_id)
    assert [job.id for job in catalog.claim("w", 1)] == [deletion.id]


def test_claimers_in_threads_share_the_jobs_out(catalog: Catalog) -> None:
    for number in range(40):
        put(catalog, f"d{number}")

    def claim_all(worker: str) -> list[str]:
        mine: list[str] = []
        while claimed := catalog.claim(worker, 3):
            mine += [job.id for job in claimed]
        return mine

    with ThreadPoolExecutor(6) as pool:
        shares = list(pool.map(claim_all, [f"w{i}" for i in range(6)]))
    everything = [job_id for share in shares for job_id in share]
    assert len(everything) == len(set(everything)) == 40


def test_jobs_of_one_document_run_one_at_a_time_in_order(catalog: Catalog) -> None:
    first = put(catalog)
    _, update = catalog.patch_document(first.document.id, DocumentChanges({"title": "x"}))
    running = claim(catalog)
    assert running.id == first.job.id
    assert catalog.claim("w2", 10) == []
    commit(catalog, running, [unit(0)])
    assert claim(catalog, "w2").id == update.id


def test_renewed_lease_outlives_the_reaper(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    leases = catalog.renew("w1", [(job.id, job.fence), ("unknown", 1)])
    mine = (job.id, job.fence)
    assert (leases[mine].owned, leases[mine].cancel_requested) == (True, False)
    assert not leases["unknown", 1].owned
    assert not catalog.renew("w2", [mine])[mine].owned
    stale = (job.id, job.fence - 1)
    leases = catalog.renew("w1", [stale, mine, stale])
    assert (leases[mine].owned, leases[stale].owned) == (True, False)
    assert catalog.renew("w1", []) == {}


def test_who_has_just_ended_a_job_has_not_lost_it(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    mine, stale = (job.id, job.fence), (job.id, job.fence - 1)
    commit(catalog, job, [unit(0)])
    leases = catalog.renew("w1", [mine, stale])
    assert (leases[mine].owned, leases[mine].cancel_requested) == (True, False)
    assert not leases[stale].owned


def test_expired_lease_goes_to_another_worker_after_a_pause(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    catalog.progress(job, "embedding", 1, 3)
    assert catalog.reap() == 0
    expire(catalog)
    waiting = catalog.get_job(job.id)
    assert (waiting.state, waiting.lease_owner, waiting.attempts) == (JobState.QUEUED, None, 1)
    assert waiting.error == "worker w1 stopped answering while embedding"
    assert waiting.run_at > waiting.created_at
    again = claim_when_due(catalog)
    assert (again.attempts, again.fence, again.lease_owner) == (2, 2, "w2")
    assert (again.stage, again.done, again.total) == ("", 0, 0)


STALE_WORDS: list[Callable[[Catalog, Job], object]] = [
    lambda catalog, job: catalog.progress(job, "x", 1, 1),
    lambda catalog, job: catalog.begin_units(job, text_blob="0" * 64),
    lambda catalog, job: catalog.write_units(job, [unit(5)]),
    lambda catalog, job: catalog.commit_ingest(job, units=0, report=IngestReport()),
    lambda catalog, job: catalog.finish_sweep(job),
    lambda catalog, job: catalog.succeed(job),
    lambda catalog, job: catalog.fail(job, "x", retryable=True),
    lambda catalog, job: catalog.fail(job, "x", retryable=False),
    lambda catalog, job: catalog.finish_canceled(job),
    lambda catalog, job: catalog.release(job),
]


def test_a_stale_worker_changes_nothing(catalog: Catalog) -> None:
    put(catalog)
    stale = claim(catalog)
    expire(catalog)
    for state in ("queued", "running"):
        before = catalog.get_job(stale.id)
        assert before.state == state
        document, events = catalog.get_document(stale.document_id), messages(catalog, stale)
        for word in STALE_WORDS:
            with pytest.raises(LeaseLostError, match=stale.id):
                word(catalog, stale)
        assert catalog.get_job(stale.id) == before
        assert catalog.get_document(stale.document_id) == document
        assert messages(catalog, stale) == events
        assert catalog.unit_ids(stale.document_id, 1) == []
        if state == "queued":
            claim_when_due(catalog)


def test_who_knows_that_no_worker_is_left_takes_all_jobs_back_at_once(database_url: str) -> None:
    with closing(
        Catalog.open(database_url, QueueOptions(lease_seconds=600, backoff_seconds=0.01))
    ) as catalog:
        put(catalog)
        job = claim(catalog)
        assert catalog.reap() == 0
        assert catalog.reap(all_workers=True) == 1
        assert claim_when_due(catalog).id == job.id


def test_worker_that_vanishes_at_every_attempt_fails_the_document(database_url: str) -> None:
    catalog = Catalog.open(
        database_url, QueueOptions(lease_seconds=0.05, backoff_seconds=0.01, max_attempts=2)
    )
    put(catalog)
    job = claim(catalog)
    expire(catalog)
    again = claim_when_due(catalog)
    catalog.progress(again, "reading", 0, 0)
    expire(catalog)
    failed = catalog.get_job(job.id)
    document = catalog.get_document(job.document_id)
    assert (failed.state, document.status) == (JobState.FAILED, DocumentStatus.FAILED)
    assert "stopped answering while reading at the last of 2 attempts" in (failed.error or "")
    assert document.error == failed.error
    catalog.close()


def test_failure_backs_off_then_ends_the_document(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    waits = []
    for attempt in (1, 2):
        waiting = catalog.fail(job, f"trouble {attempt}", retryable=True)
        assert (waiting.state, waiting.error, waiting.finished_at) == ("queued", f"trouble {attempt}", None)
        started = waiting.started_at
        assert started is not None
        waits.append((waiting.run_at - started).total_seconds())
        job = claim_when_due(catalog)
    assert waits[0] >= 0.05
    assert waits[1] >= 0.1
    failed = catalog.fail(job, "trouble 3\x00\ud800", retryable=True)
    assert (failed.state, failed.attempts, failed.error) == (JobState.FAILED, 3, "trouble 3??")
    document = catalog.get_document(job.document_id)
    assert (document.status, document.error) == (DocumentStatus.FAILED, "trouble 3??")
    assert "attempt 1 of 3: trouble 1; the next one in 0.05 s" in messages(catalog, job)


def test_backoff_doubles_and_is_bounded(catalog: Catalog) -> None:
    backoff = catalog._transitions.backoff_seconds
    assert [backoff(n) for n in (1, 2, 3, 4)] == [0.05, 0.1, 0.2, 0.4]
    assert backoff(5000) == 300.0


def test_failure_of_the_document_itself_is_final(catalog: Catalog) -> None:
    ingest(catalog)
    put(catalog, text="v2")
    failed = catalog.fail(claim(catalog), "encrypted", retryable=False)
    assert (failed.state, failed.attempts) == (JobState.FAILED, 1)
    document = catalog.get_document(failed.document_id)
    assert (document.status, document.error, document.active_version) == ("failed", "encrypted", 1)
    assert set(catalog.hydrate(["a-0"])) == {"a-0"}


def test_an_outage_uses_up_no_attempt_but_not_for_ever(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    waiting = catalog.fail(job, "index away", retryable=True, outage=True)
    assert (waiting.state, waiting.attempts, waiting.max_attempts) == (JobState.QUEUED, 1, 4)
    _exhaust(catalog, waiting, attempts=MAINTENANCE_ATTEMPTS)
    last = claim_when_due(catalog)
    assert catalog.fail(last, "still away", retryable=True, outage=True).state is JobState.FAILED


def _exhaust(catalog: Catalog, job: Job, *, attempts: int) -> None:
    """As if all but the last of so many attempts had been used, and all were over by now."""
    spent = update(jobs).where(jobs.c.id == job.id)
    with catalog._database.write() as tx:
        tx.execute(spent.values(attempts=attempts - 1, max_attempts=attempts, run_at=0))


def test_failure_of_an_outdated_version_leaves_the_document_alone(catalog: Catalog) -> None:
    put(catalog)
    old = claim(catalog)
    put(catalog, text="v2")
    assert catalog.fail(old, "broken", retryable=True).state is JobState.CANCELED
    assert catalog.get_document(old.document_id).status is DocumentStatus.PROCESSING


def test_release_gives_the_attempt_back(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    released = catalog.release(job)
    assert (released.state, released.attempts, released.lease_owner) == ("queued", 0, None)
    again = claim(catalog, "w2")
    assert (again.attempts, again.fence) == (1, 2)
    catalog.release(again, delay_seconds=60)
    assert catalog.claim("w3", 1) == []


def test_release_of_a_canceled_job_ends_it(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    catalog.cancel_job(job.id)
    assert catalog.release(job).state is JobState.CANCELED


def test_cancel_ends_a_queued_ingest(catalog: Catalog) -> None:
    outcome = put(catalog)
    canceled = catalog.cancel_job(outcome.job.id)
    assert (canceled.state, canceled.error) == (JobState.CANCELED, "canceled on request")
    assert catalog.get_document(outcome.document.id).status is DocumentStatus.CANCELED
    assert catalog.cancel_job(canceled.id) == canceled
    assert catalog.claim("w", 10) == []


def test_cancel_asks_a_running_ingest_to_stop(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    asked = catalog.cancel_job(job.id)
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    assert catalog.cancel_job(job.id) == asked
    mine = (job.id, job.fence)
    assert catalog.renew("w1", [mine])[mine].cancel_requested
    with pytest.raises(JobCanceledError):
        catalog.progress(job, "embedding", 1, 2)
    catalog.finish_canceled(job)
    assert catalog.get_document(job.document_id).status is DocumentStatus.CANCELED
    sweep_due(catalog)


def test_a_canceled_job_whose_worker_vanished_ends(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    catalog.cancel_job(job.id)
    expire(catalog)
    assert catalog.get_job(job.id).state is JobState.CANCELED


def test_cancel_refuses_what_has_ended_and_what_the_index_needs(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    commit(catalog, job, [unit(0)])
    with pytest.raises(ConflictError, match="succeeded already"):
        catalog.cancel_job(job.id)
    with pytest.raises(ConflictError, match="only an ingest"):
        catalog.cancel_job(catalog.delete_document(job.document_id).id)
    with pytest.raises(NotFoundError):
        catalog.cancel_job("no")


def test_retry_gives_a_failed_job_all_its_attempts(catalog: Catalog) -> None:
    put(catalog)
    failed = catalog.fail(claim(catalog), "broken", retryable=False)
    again = catalog.retry_job(failed.id)
    assert (again.state, again.attempts, again.error, again.finished_at) == ("queued", 0, None, None)
    document = catalog.get_document(failed.document_id)
    assert (document.status, document.error) == (DocumentStatus.PROCESSING, None)
    job = next(job for job in catalog.claim("w", 10) if job.kind is JobKind.INGEST)
    assert job.fence == 2
    commit(catalog, job, [unit(0)])
    assert catalog.get_document(failed.document_id).status is DocumentStatus.READY


def test_retry_of_a_canceled_job_runs(catalog: Catalog) -> None:
    outcome = put(catalog)
    catalog.cancel_job(outcome.job.id)
    assert not catalog.retry_job(outcome.job.id).cancel_requested
    assert claim(catalog).id == outcome.job.id


def test_retry_refuses_what_is_live_done_outdated_or_deleted(catalog: Catalog) -> None:
    first = put(catalog)
    with pytest.raises(ConflictError, match="only a failed or canceled job"):
        catalog.retry_job(first.job.id)
    second = put(catalog, text="v2")
    with pytest.raises(ConflictError, match="has version 2 by now"):
        catalog.retry_job(first.job.id)
    catalog.delete_document(second.document.id)
    with pytest.raises(ConflictError, match="was deleted"):
        catalog.retry_job(second.job.id)
    with pytest.raises(NotFoundError):
        catalog.retry_job("no")


def test_a_failed_deletion_can_be_retried_unless_another_is_under_way(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    catalog.delete_document(document_id)
    failed = catalog.fail(claim(catalog), "index away", retryable=False)
    assert catalog.get_document(document_id).status is DocumentStatus.DELETING
    assert catalog.reconcile() == 1
    with pytest.raises(ConflictError, match="does the same already"):
        catalog.retry_job(failed.id)
    catalog.finish_sweep(claim(catalog))
    assert catalog.retry_job(failed.id).state is JobState.QUEUED


def test_reconcile_adopts_documents_without_a_job(catalog: Catalog) -> None:
    outcome = put(catalog)
    deleted = ingest_and_delete(catalog)
    assert catalog.reconcile() == 0
    for job in catalog.claim("w", 10):
        catalog.succeed(job)
    assert catalog.reconcile() == 2
    assert catalog.reconcile() == 0
    adopted = {job.document_id: job.kind for job in catalog.claim("w", 10)}
    assert adopted == {outcome.document.id: JobKind.INGEST, deleted: JobKind.DELETE}


def ingest_and_delete(catalog: Catalog) -> str:
    outcome = put(catalog, "deleted")
    catalog.delete_document(outcome.document.id)
    return outcome.document.id


def test_reconcile_leaves_failed_and_canceled_documents(catalog: Catalog) -> None:
    put(catalog, "a")
    catalog.fail(claim(catalog), "broken", retryable=False)
    catalog.cancel_job(put(catalog, "b").job.id)
    assert catalog.reconcile() == 0


def test_progress_tells_stages_and_keeps_the_figures(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    catalog.progress(job, "reading", 0, 0)
    catalog.progress(job, "embedding", 1, 100)
    for done in range(2, 100):
        catalog.progress(job, "embedding", done, 100)
    now = catalog.get_job(job.id)
    assert (now.stage, now.done, now.total) == ("embedding", 99, 100)
    story = messages(catalog, job)
    assert story[:4] == ["queued", "claimed by w1", "reading", "embedding"]
    assert len(story) < 50


def test_events_are_numbered_and_resumable(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    commit(catalog, job, [unit(0)])
    events = catalog.job_events(job.id)
    assert [event.seq for event in events] == [1, 2, 3]
    assert [event.state for event in events] == ["queued", "running", "succeeded"]
    assert catalog.job_events(job.id, after_seq=1, limit=1) == events[1:2]
    assert catalog.job_events("no") == []


def test_jobs_are_listed_newest_first_in_pages(catalog: Catalog) -> None:
    ids = [put(catalog, name).job.id for name in "abcde"]
    first, cursor = catalog.list_jobs(limit=3)
    put(catalog, "new")
    second, end = catalog.list_jobs(limit=3, cursor=cursor)
    assert [job.id for job in first + second] == ids[::-1]
    assert end is None
    running = claim_one(catalog)
    assert [job.id for job in catalog.list_jobs(state=JobState.RUNNING)[0]] == [running.id]
    assert [job.id for job in catalog.list_jobs(document_id=running.document_id)[0]] == [running.id]
    assert catalog.list_jobs(kind=JobKind.DELETE)[0] == []


def claim_one(catalog: Catalog) -> Job:
    [job] = catalog.claim("w", 1)
    return job


def test_a_change_is_never_left_to_a_job_that_began_before_it(postgres_url: str) -> None:
    """PostgreSQL alone: on SQLite the one who changes is the only one who writes."""
    with (
        closing(Catalog.open(postgres_url)) as changing,
        closing(Catalog.open(postgres_url)) as claiming,
        ThreadPoolExecutor(1) as pool,
    ):
        document_id = ingest(changing)
        first = changing.patch_document(document_id, DocumentChanges({"title": "first"}))[1]
        with changing._database.write() as tx:
            covered = changing._transitions.enqueue(tx, JobKind.UPDATE, document_id, 1)
            assert covered.id == first.id
            assert pool.submit(claiming.claim, "w", 10).result(20) == []
        assert [job.id for job in claiming.claim("w", 10)] == [first.id]


def test_a_twin_that_is_claimed_at_this_moment_covers_nothing_any_more(postgres_url: str) -> None:
    with closing(Catalog.open(postgres_url)) as catalog, ThreadPoolExecutor(1) as pool:
        document_id = ingest(catalog)
        first = catalog.patch_document(document_id, DocumentChanges({"title": "first"}))[1]
        with catalog._database.write() as tx:  # a claim that has not committed yet
            tx.execute(update(jobs).where(jobs.c.id == first.id).values(dedup_key=None))
            second = pool.submit(catalog.patch_document, document_id, DocumentChanges({"title": "second"}))
            eventually(lambda: _waits_for_a_lock(catalog))
        assert second.result(20)[1].id != first.id


def _waits_for_a_lock(catalog: Catalog) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with catalog._database.read() as connection:
        return bool(connection.execute(text(query)).scalar())


def test_a_new_job_wakes_whoever_waits(catalog: Catalog) -> None:
    woken: list[bool] = []

    def wait() -> None:
        catalog.wait_for_work(60)
        woken.append(True)

    catalog.wait_for_work(0)
    waiting = Thread(target=wait)
    waiting.start()
    put(catalog)
    waiting.join(20)
    assert woken == [True]


def test_wake_and_close_end_a_wait(database_url: str) -> None:
    catalog = Catalog.open(database_url)
    catalog.wait_for_work(0)
    catalog.wake()
    catalog.wait_for_work(60)
    waiting = Thread(target=catalog.wait_for_work, args=(60,))
    waiting.start()
    catalog.close()
    waiting.join(20)
    assert not waiting.is_alive()
