"""Containers in the catalog: delivering, waiting, settling, pruning, deleting."""

import random
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import event, text

from docradar.catalog import Catalog, PutOutcome, PutResult, QueueOptions
from docradar.catalog.changes import hold
from docradar.catalog.database import Database
from docradar.catalog.settlements import STEPS_AT_A_TIME
from docradar.documents import (
    LISTED_DOCUMENTS,
    Document,
    DocumentFields,
    DocumentStatus,
    IngestReport,
    Job,
    JobKind,
    JobState,
)
from docradar.errors import ConflictError, JobCanceledError, LeaseLostError, NotFoundError
from tests.catalogs import claim, commit, content, eventually, ingest, key, put, unit, work_is_due

BUNDLE = "upload:a"


def claimed(catalog: Catalog, name: str = "a") -> Job:
    """The ingest of that document; what else is due is done first, or handed back."""
    for _ in range(5):
        found = None
        for job in catalog.claim("unpacker", 1000):
            if job.kind is not JobKind.INGEST:
                catalog.finish_sweep(job)
            elif job.document_id == key(name).document_id:
                found = job
            else:
                catalog.release(job)
        if found:
            return found
    raise AssertionError(f"no ingest of {name} is due")


def deliver(catalog: Catalog, job: Job, *names: str, **changed: str) -> list[PutOutcome]:
    """Puts members, each with its name as its text unless it is changed."""
    catalog.begin_container(job)
    return [
        catalog.put_member(job, key(name), DocumentFields(), content(changed.get(name, name)), bundle=BUNDLE)
        for name in names
    ]


def wait(catalog: Catalog, job: Job, documents: int, **report: Any) -> Job:
    """Lets go of the job, after so many documents."""
    said = IngestReport(reader="zip", documents=documents, **report)
    return catalog.wait_for_members(job, report=said, file_fields=DocumentFields(), message="unpacked")


def waiting(
    catalog: Catalog, *names: str, container: str = "a", version: str = "one", prune: bool = False
) -> Job:
    """A container of these documents, which waits for them."""
    catalog.put_document(key(container), DocumentFields(), content(f"zip {version}"), prune=prune)
    job = claimed(catalog, container)
    deliver(catalog, job, *names)
    return wait(catalog, job, len(names))


def work(catalog: Catalog, *, failing: tuple[str, ...] = ()) -> None:
    """Runs whatever is due: documents come in with one unit each, but for those that fail."""
    while jobs := catalog.claim("w", 1000):
        for job in jobs:
            if job.kind is not JobKind.INGEST:
                while job.kind is JobKind.DELETE and catalog.delete_members(job.document_id):
                    pass
                catalog.finish_sweep(job)
                continue
            name = catalog.get_document(job.document_id).key.external_id
            if name in failing:
                catalog.fail(job, f"{name} is broken", retryable=False)
            else:
                commit(catalog, job, [unit(0, document=f"{name}-{job.version}")])


def settled(catalog: Catalog, job: Job) -> Job:
    """The job after everything that can be settled was."""
    while catalog.settle():
        pass
    return catalog.get_job(job.id)


def brought_in(catalog: Catalog, *names: str, failing: tuple[str, ...] = (), **how: Any) -> Job:
    """The job of a container after all of its documents have ended, and all that follows is done."""
    job = waiting(catalog, *names, **how)
    work(catalog, failing=failing)
    ended = settled(catalog, job)
    work(catalog)
    return ended


def report_of(catalog: Catalog, job: Job) -> IngestReport:
    report = catalog.get_document(job.document_id).report
    assert report is not None
    return report


def ready(catalog: Catalog) -> list[str]:
    """External ids of the documents that are searchable, containers among them."""
    return names(catalog.list_documents(status=DocumentStatus.READY, limit=1000)[0])


def names(documents: list[Document]) -> list[str]:
    return sorted(document.key.external_id for document in documents)


def messages(catalog: Catalog, job: Job) -> list[str]:
    return [event.message for event in catalog.job_events(job.id)]


def test_a_member_is_a_document_of_its_container_with_a_job_of_its_own(catalog: Catalog) -> None:
    container = put(catalog)
    job = claim(catalog)
    [outcome] = deliver(catalog, job, "page")
    assert outcome.outcome is PutResult.CREATED
    assert outcome.document.container_id == container.document.id
    assert outcome.job.parent_id == job.id
    assert catalog.get_document(outcome.document.id) == outcome.document
    assert catalog.get_job(outcome.job.id) == outcome.job
    assert catalog.get_document(container.document.id).container
    assert catalog.list_documents(container_id=container.document.id)[0] == [outcome.document]
    assert catalog.list_jobs(parent_id=job.id)[0] == [outcome.job]
    assert catalog.get_job(job.id).parent_id is None


def test_a_container_waits_in_nobodys_hands(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    deliver(catalog, job, "one", "two")
    waits = wait(catalog, job, 2)
    assert (waits.state, waits.stage, waits.done, waits.total) == (JobState.RUNNING, "documents", 0, 2)
    assert (waits.lease_owner, waits.attempts) == (None, 1)
    assert catalog.reap() == catalog.reap(all_workers=True) == 0
    for word in (
        lambda: catalog.progress(job, "x", 1, 1),
        lambda: catalog.fail(job, "x", retryable=False),
        lambda: catalog.release(job),
        lambda: catalog.finish_canceled(job),
        lambda: deliver(catalog, job, "late"),
        lambda: wait(catalog, job, 1),
    ):
        with pytest.raises(LeaseLostError, match=job.id):
            word()
    assert catalog.get_job(job.id) == waits
    assert names(catalog.list_documents()[0]) == ["a", "one", "two"]
    assert catalog.reconcile() == 0


def test_whoever_lost_the_lease_or_is_to_stop_delivers_nothing(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    with pytest.raises(LeaseLostError):
        deliver(catalog, replace(job, fence=0), "page")
    catalog.begin_container(job)
    with pytest.raises(LeaseLostError):
        catalog.put_member(replace(job, fence=0), key("page"), DocumentFields(), content(), bundle=BUNDLE)
    catalog.cancel_job(job.id)
    with pytest.raises(JobCanceledError):
        catalog.put_member(job, key("page"), DocumentFields(), content(), bundle=BUNDLE)
    assert names(catalog.list_documents()[0]) == ["a"]


def test_it_ends_with_the_last_of_its_documents(catalog: Catalog) -> None:
    assert catalog.settle() is False
    job = waiting(catalog, "one", "two", "three")
    assert settled(catalog, job).done == 0
    first = next(j for j in catalog.claim("w", 1) if j.parent_id == job.id)
    commit(catalog, first, [unit(0, document="first")])
    assert settled(catalog, job).state is JobState.RUNNING
    work(catalog)
    done = settled(catalog, job)
    assert (done.state, done.done, done.total, done.error) == (JobState.SUCCEEDED, 3, 3, None)
    assert messages(catalog, done)[-1] == "succeeded: 3 of 3 documents are searchable"
    container = catalog.get_document(job.document_id)
    assert (container.status, container.active_version, container.units) == (DocumentStatus.READY, 1, 0)
    assert container.report == IngestReport(reader="zip", documents=3)
    work(catalog)
    assert catalog.reconcile() == 0


def test_a_single_upload_does_not_wait_for_all_of_a_container(catalog: Catalog) -> None:
    waiting(catalog, "one", "two")
    single = put(catalog, "single").job
    assert [job.id for job in catalog.claim("w", 1)] == [single.id]


def test_progress_counts_documents_at_most_once_a_second(catalog: Catalog) -> None:
    job = waiting(catalog, *"123456")
    with catalog._database.write() as tx:
        tx.execute(text("UPDATE jobs SET event_at = event_at - 5000 WHERE parent_id IS NULL"))
    for done in (1, 2):
        [child] = catalog.claim("w", 1)
        commit(catalog, child, [unit(0, document=f"d{done}")])
        catalog.settle()
        assert catalog.get_job(job.id).done == 1
    assert messages(catalog, job)[2:] == ["unpacked", "documents"]


def test_a_document_that_fails_fails_alone_and_is_named(catalog: Catalog) -> None:
    job = waiting(catalog, "good", "bad", "fine")
    work(catalog, failing=("bad",))
    done = settled(catalog, job)
    assert done.state is JobState.SUCCEEDED
    assert messages(catalog, done)[-1] == "succeeded: 2 of 3 documents are searchable, 1 failed"
    report = catalog.get_document(job.document_id).report
    assert report is not None
    assert report.documents_failed == {"bad": "bad is broken"}
    assert report.warnings == ("1 of its 3 documents failed",)
    failed, _ = catalog.list_documents(container_id=job.document_id, status=DocumentStatus.FAILED)
    assert names(failed) == ["bad"]
    assert [d.id for d in catalog.list_documents(warned=True)[0]] == [job.document_id]
    assert names(catalog.list_documents(warned=False)[0]) == ["bad", "fine", "good"]


def test_one_of_whose_documents_none_comes_in_has_failed(catalog: Catalog) -> None:
    job = waiting(catalog, "bad", "worse")
    work(catalog, failing=("bad", "worse"))
    failed = settled(catalog, job)
    assert failed.state is JobState.FAILED
    assert failed.error == "none of its 2 documents came in; bad: bad is broken"
    container = catalog.get_document(job.document_id)
    assert (container.status, container.error) == (DocumentStatus.FAILED, failed.error)
    assert container.active_version is None


def test_what_was_deleted_meanwhile_is_not_counted_as_searchable(catalog: Catalog) -> None:
    job = waiting(catalog, "one", "two")
    for name in ("one", "two"):
        catalog.delete_document(key(name).document_id)
    work(catalog)
    done = settled(catalog, job)
    assert messages(catalog, done)[-1] == (
        "succeeded: 0 of 2 documents are searchable, 2 were deleted or uploaded otherwise meanwhile"
    )


def test_what_could_not_be_taken_out_counts_as_failed(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    deliver(catalog, job, "good")
    wait(
        catalog,
        job,
        1,
        documents_failed={"x.txt": "it is encrypted"},
        documents_failed_count=1,
        warnings=("odd",),
    )
    work(catalog)
    done = settled(catalog, job)
    assert messages(catalog, done)[-1] == "succeeded: 1 of 2 documents are searchable, 1 failed"
    report = catalog.get_document(job.document_id).report
    assert report is not None
    assert report.documents_failed == {"x.txt": "it is encrypted"}
    assert report.warnings == ("odd", "1 documents could not be taken out of it")


def test_workers_that_settle_at_once_end_it_once(database_url: str) -> None:
    with closing(Catalog.open(database_url)) as one, closing(Catalog.open(database_url)) as two:
        jobs = [waiting(one, f"p{number}", container=f"zip{number}") for number in range(5)]
        work(one)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda catalog: catalog.settle(), [one, two, one, two]))
        for job in jobs:
            told = [message for message in messages(one, job) if message.startswith("succeeded")]
            assert told == ["succeeded: 1 of 1 documents are searchable"]


def test_the_same_container_again_is_the_same_run_while_that_is_under_way(catalog: Catalog) -> None:
    job = waiting(catalog, "one")
    again = catalog.put_document(key("a"), DocumentFields(), content("zip one"))
    assert (again.outcome, again.job.id) == (PutResult.UNCHANGED, job.id)
    work(catalog)
    settled(catalog, job)
    later = catalog.put_document(key("a"), DocumentFields(), content("zip one"))
    assert (later.outcome, later.job.version) == (PutResult.UPDATED, 2)


def test_the_same_container_with_other_fields_is_a_new_run(catalog: Catalog) -> None:
    job = waiting(catalog, "one")
    again = catalog.put_document(key("a"), DocumentFields(tags=("new",)), content("zip one"))
    assert (again.outcome, again.job.version) == (PutResult.UPDATED, 2)
    assert catalog.get_job(job.id).cancel_requested


def test_what_has_not_changed_makes_no_job(catalog: Catalog) -> None:
    brought_in(catalog, "one", "two")
    put(catalog, text="newer")
    job = claimed(catalog)
    outcomes = deliver(catalog, job, "one", "two", "three", two="changed")
    assert [outcome.outcome for outcome in outcomes] == ["unchanged", "updated", "created"]
    assert wait(catalog, job, 3).done == 1
    work(catalog)
    assert messages(catalog, settled(catalog, job))[-1] == "succeeded: 3 of 3 documents are searchable"


def test_a_document_that_is_still_coming_in_is_waited_for_by_who_delivered_it_last(catalog: Catalog) -> None:
    first = waiting(catalog, "one")
    [one] = catalog.list_jobs(parent_id=first.id)[0]
    other = waiting(catalog, "one", container="b")
    assert [job.id for job in catalog.list_jobs(parent_id=other.id)[0]] == [one.id]
    assert settled(catalog, first).state is JobState.SUCCEEDED
    assert settled(catalog, other).state is JobState.RUNNING
    work(catalog)
    assert settled(catalog, other).state is JobState.SUCCEEDED


def test_what_failed_is_tried_again_with_its_container(catalog: Catalog) -> None:
    brought_in(catalog, "good", "bad", failing=("bad",))
    again = waiting(catalog, "good", "bad")
    assert (again.version, again.done) == (2, 1)
    work(catalog)
    assert messages(catalog, settled(catalog, again))[-1] == "succeeded: 2 of 2 documents are searchable"
    assert report_of(catalog, again) == IngestReport(reader="zip", documents=2)
    assert catalog.list_documents(warned=True)[0] == []


def test_a_container_that_failed_can_be_retried(catalog: Catalog) -> None:
    job = brought_in(catalog, "bad", failing=("bad",))
    assert job.state is JobState.FAILED
    catalog.retry_job(job.id)
    again = claimed(catalog)
    assert (again.id, again.attempts) == (job.id, 1)
    deliver(catalog, again, "bad")
    wait(catalog, again, 1)
    work(catalog)
    assert settled(catalog, job).state is JobState.SUCCEEDED


def test_vanished_documents_are_named_and_kept_unless_pruned(catalog: Catalog) -> None:
    brought_in(catalog, "one", "two", "three")
    second = brought_in(catalog, "two", version="two")
    report = report_of(catalog, second)
    assert report.documents_vanished == ("one", "three")
    assert report.warnings == (
        "2 documents of an earlier upload are not in it any more; upload it with prune=true to delete them",
    )
    assert ready(catalog) == ["a", "one", "three", "two"]
    third = brought_in(catalog, "two", version="two", prune=True)
    report = report_of(catalog, third)
    assert (report.documents_vanished, report.warnings) == (("one", "three"), ())
    assert names(catalog.list_documents()[0]) == ["a", "two"]


def test_prune_that_is_asked_for_while_the_run_ends_is_not_lost(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought_in(catalog, "one", "two")
    job = waiting(catalog, "two", version="two")
    end = catalog._end

    def end_after_asking(waiting_job: Job, **how: bool) -> bool:
        catalog.put_document(key("a"), DocumentFields(), content("zip two"), prune=True)
        return end(waiting_job, **how)

    monkeypatch.setattr(catalog, "_end", end_after_asking)
    assert settled(catalog, job).state is JobState.SUCCEEDED
    work(catalog)
    assert names(catalog.list_documents()[0]) == ["a", "two"]


@pytest.mark.parametrize("asked", ["queued", "waiting"])
def test_prune_can_be_asked_for_while_the_run_is_under_way(catalog: Catalog, asked: str) -> None:
    brought_in(catalog, "one", "two")
    put(catalog, text="newer")

    def ask() -> None:
        again = catalog.put_document(key("a"), DocumentFields(), content("newer"), prune=True)
        assert again.outcome is PutResult.UNCHANGED

    if asked == "queued":
        ask()
    job = claimed(catalog)
    deliver(catalog, job, "two")
    wait(catalog, job, 1)
    if asked == "waiting":
        ask()
    settled(catalog, job)
    work(catalog)
    assert names(catalog.list_documents()[0]) == ["a", "two"]


def test_nothing_is_pruned_where_something_could_not_be_taken_out(catalog: Catalog) -> None:
    brought_in(catalog, "one", "two")
    catalog.put_document(key("a"), DocumentFields(), content("zip two"), prune=True)
    job = claimed(catalog)
    deliver(catalog, job, "one")
    wait(catalog, job, 1, documents_failed={"two.txt": "it is damaged"}, documents_failed_count=1)
    assert settled(catalog, job).state is JobState.SUCCEEDED
    assert ready(catalog) == ["a", "one", "two"]
    assert "are kept" in report_of(catalog, job).warnings[-1]


def test_nothing_is_pruned_for_a_container_none_of_which_came_in(catalog: Catalog) -> None:
    brought_in(catalog, "one")
    job = brought_in(catalog, "bad", version="two", prune=True, failing=("bad",))
    assert job.state is JobState.FAILED
    assert ready(catalog) == ["one"]


def test_what_a_newer_run_delivered_has_not_vanished_from_an_older_one(catalog: Catalog) -> None:
    brought_in(catalog, "both")
    catalog.put_document(key("older"), DocumentFields(), content("older"), prune=True)
    catalog.put_document(key("newer"), DocumentFields(), content("newer"))
    newer = claimed(catalog, "newer")
    deliver(catalog, newer, "both", "fresh")
    wait(catalog, newer, 2)
    older = claimed(catalog, "older")
    deliver(catalog, older, "stale")
    wait(catalog, older, 1)
    work(catalog)
    for job in (older, newer):
        assert settled(catalog, job).state is JobState.SUCCEEDED
    work(catalog)
    assert ready(catalog) == ["a", "both", "fresh", "newer", "older", "stale"]


def newer_first(catalog: Catalog, *, prune: bool) -> tuple[Job, Job]:
    """Two exports of the same pages: the older one's job, claimed before the newer one came in, and the newer one's."""
    old = catalog.put_document(key("old.zip"), DocumentFields(), content("old")).job
    old = claimed(catalog, "old.zip")
    catalog.put_document(key("new.zip"), DocumentFields(), content("new"), prune=prune)
    new = claimed(catalog, "new.zip")
    deliver(catalog, new, "p", p="NEW")
    wait(catalog, new, 1)
    work(catalog)
    settled(catalog, new)
    work(catalog)
    return old, new


def test_an_older_export_that_is_unpacked_later_changes_nothing_that_a_newer_one_holds(
    catalog: Catalog,
) -> None:
    old, new = newer_first(catalog, prune=False)
    page = catalog.get_document(key("p").document_id)
    p, kept = deliver(catalog, old, "p", "kept", p="OLD")
    assert (p.outcome, p.document) == (PutResult.UNCHANGED, page)
    assert (page.blob, page.container_id) == (content("NEW").blob, new.document_id)
    # As if it had been unpacked before the newer one, which was not to delete anything.
    assert (kept.outcome, kept.document.container_id) == (PutResult.CREATED, old.document_id)
    wait(catalog, old, 2)
    work(catalog)
    ended = settled(catalog, old)
    assert messages(catalog, ended)[-1] == (
        "succeeded: 1 of 2 documents are searchable, 1 were deleted or uploaded otherwise meanwhile"
    )
    assert ready(catalog) == ["kept", "new.zip", "old.zip", "p"]


def test_an_older_export_does_not_bring_back_what_was_deleted_after_a_newer_one(catalog: Catalog) -> None:
    old, _ = newer_first(catalog, prune=False)
    catalog.delete_document(key("p").document_id)
    [p] = deliver(catalog, old, "p", p="OLD")
    assert (p.outcome, p.document.status) == (PutResult.UNCHANGED, DocumentStatus.DELETING)


def test_an_older_export_is_canceled_where_a_newer_one_has_pruned(catalog: Catalog) -> None:
    old, _ = newer_first(catalog, prune=True)
    with pytest.raises(JobCanceledError, match="a newer upload of the same export"):
        deliver(catalog, old, "gone")
    catalog.finish_canceled(old)
    ended = settled(catalog, old)
    assert ended.state is JobState.CANCELED
    assert ended.error is not None
    assert "to go back to this one, upload it again" in ended.error
    assert ready(catalog) == ["new.zip", "p"]
    assert catalog.get_document(key("p").document_id).blob == content("NEW").blob
    again = brought_in(catalog, "gone", container="old.zip", version="again")
    assert again.state is JobState.SUCCEEDED
    assert "gone" in ready(catalog)


def test_a_canceled_container_ends_once_its_documents_have_stopped(catalog: Catalog) -> None:
    job = waiting(catalog, "running", "queued")
    running = claimed(catalog, "running")
    catalog.cancel_job(job.id)
    assert settled(catalog, job).state is JobState.RUNNING
    [queued] = [child for child in catalog.list_jobs(parent_id=job.id)[0] if child.id != running.id]
    assert (queued.state, queued.error) == (JobState.CANCELED, "with its container: canceled on request")
    assert catalog.get_job(running.id).cancel_requested
    catalog.finish_canceled(running)
    canceled = settled(catalog, job)
    assert (canceled.state, canceled.error) == (JobState.CANCELED, "canceled on request")
    assert (canceled.done, canceled.total) == (0, 2)
    assert catalog.get_document(job.document_id).status is DocumentStatus.CANCELED
    assert catalog.reconcile() == 0


@pytest.mark.parametrize("ending", ["finish_canceled", "release", "fail", "reap"])
def test_one_that_is_canceled_while_it_is_unpacked_takes_back_what_it_has_delivered(
    catalog: Catalog, ending: str
) -> None:
    put(catalog)
    job = claimed(catalog)
    deliver(catalog, job, "one", "two")
    catalog.cancel_job(job.id)
    match ending:
        case "fail":
            catalog.fail(job, "x", retryable=True)
        case "reap":
            catalog.reap(all_workers=True)
        case _:
            getattr(catalog, ending)(job)
    assert catalog.get_job(job.id).state is JobState.RUNNING
    assert settled(catalog, job).state is JobState.CANCELED
    assert {child.state for child in catalog.list_jobs(parent_id=job.id)[0]} == {JobState.CANCELED}


def test_one_that_is_canceled_between_two_attempts_takes_back_what_it_has_delivered(catalog: Catalog) -> None:
    put(catalog)
    job = claimed(catalog)
    deliver(catalog, job, "one", "two")
    catalog.fail(job, "the disk is full", retryable=True)
    asked = catalog.cancel_job(job.id)
    assert (asked.state, asked.cancel_requested) == (JobState.QUEUED, True)
    again = claimed(catalog)
    with pytest.raises(JobCanceledError):
        catalog.progress(again, "reading", 0, 0)
    catalog.finish_canceled(again)
    assert settled(catalog, job).state is JobState.CANCELED
    assert {child.state for child in catalog.list_jobs(parent_id=job.id)[0]} == {JobState.CANCELED}


def test_a_newer_upload_takes_the_place_of_one_that_waits(catalog: Catalog) -> None:
    job = waiting(catalog, "one", "two")
    running = claimed(catalog, "one")
    newer = catalog.put_document(key("a"), DocumentFields(), content("newer zip")).job
    assert catalog.claim("w", 10) != []  # but not the newer one: its document has a job that runs
    assert catalog.get_job(newer.id).state is JobState.QUEUED
    settled(catalog, job)
    commit(catalog, running, [unit(0, document="one")])
    for child in catalog.list_jobs(parent_id=job.id, state=JobState.RUNNING)[0]:
        catalog.finish_canceled(child)
    old = settled(catalog, job)
    assert (old.state, old.error) == (JobState.CANCELED, "superseded by version 2")
    outcomes = deliver(catalog, claimed(catalog), "one", "two")
    # What was running is asked to stop too, and its version canceled.
    assert [outcome.outcome for outcome in outcomes] == ["updated", "updated"]


def test_deleting_a_container_hides_all_that_it_held_at_once(catalog: Catalog) -> None:
    job = brought_in(catalog, "one", "two")
    unit_ids = [f"{name}-1-0" for name in ("one", "two")]
    assert len(catalog.hydrate(unit_ids)) == 2
    catalog.delete_document(job.document_id)
    assert catalog.hydrate(unit_ids) == {}
    assert {document.status for document in catalog.list_documents()[0]} == {DocumentStatus.DELETING}
    [deletion] = catalog.claim("w", 5)
    assert [catalog.delete_members(job.document_id) for _ in range(2)] == [2, 0]
    catalog.finish_sweep(deletion)
    work(catalog)
    assert catalog.list_documents()[0] == []


def test_the_reconciler_deletes_what_a_container_left_behind(catalog: Catalog) -> None:
    job = brought_in(catalog, "one", "two")
    catalog.delete_document(job.document_id)
    [deletion] = catalog.claim("w", 5)
    catalog.finish_sweep(deletion)
    assert names(catalog.list_documents()[0]) == ["one", "two"]
    assert catalog.reconcile() == 2
    work(catalog)
    assert catalog.list_documents()[0] == []


def test_deleting_a_container_that_waits_stops_its_documents(catalog: Catalog) -> None:
    job = waiting(catalog, "one")
    catalog.delete_document(job.document_id)
    ended = settled(catalog, job)
    assert (ended.state, ended.error) == (JobState.CANCELED, "the document was deleted")
    work(catalog)
    assert catalog.list_documents()[0] == []


def test_what_another_container_or_a_caller_has_put_since_stays(catalog: Catalog) -> None:
    job = brought_in(catalog, "mine", "theirs", "by-hand")
    brought_in(catalog, "theirs", container="b")
    by_hand = put(catalog, "by-hand", "another text").document
    assert by_hand.container_id is None
    catalog.delete_document(job.document_id)
    work(catalog)
    assert names(catalog.list_documents()[0]) == ["b", "by-hand", "theirs"]


def test_what_a_caller_has_put_unchanged_is_the_containers_no_more(catalog: Catalog) -> None:
    job = brought_in(catalog, "mine", "by-hand")
    outcome = put(catalog, "by-hand", "by-hand")
    assert (outcome.outcome, outcome.document.container_id) == (PutResult.UNCHANGED, None)
    assert catalog.get_document(outcome.document.id) == outcome.document
    catalog.delete_document(job.document_id)
    work(catalog)
    assert ready(catalog) == ["by-hand"]


def test_who_uploads_one_document_does_not_wait_until_a_container_is_deleted(database_url: str) -> None:
    with closing(Catalog.open(database_url, QueueOptions(lease_seconds=60))) as catalog:
        job = brought_in(catalog, *[f"d{number}" for number in range(30)])
        with catalog._database.write() as tx:  # the sweeps that follow late are due
            members = "document_id IN (SELECT id FROM documents WHERE parent_id IS NOT NULL)"
            tx.execute(text(f"UPDATE jobs SET run_at = run_at - 300000 WHERE kind = 'sweep' AND {members}"))
        catalog.delete_document(job.document_id)
        [deletion] = catalog.claim("w", 1)
        assert deletion.kind is JobKind.DELETE
        while catalog.delete_members(job.document_id):
            pass
        single = put(catalog, "single").job
        again = put(catalog, "d7", "by hand").job
        [first, second] = catalog.claim("w", 2)
        # What stands in front of an upload of the same document goes first, too.
        assert {first.document_id, second.document_id} == {single.document_id, again.document_id}
        [sweep] = [found for found in (first, second) if found.id != single.id]
        assert sweep.kind is JobKind.SWEEP
        catalog.finish_sweep(sweep)
        assert [found.id for found in catalog.claim("w", 1)] == [again.id]


def test_who_uploads_one_document_does_not_wait_for_what_follows_a_pruned_container(catalog: Catalog) -> None:
    many = [f"d{number}" for number in range(30)]
    brought_in(catalog, *many)
    pruning = waiting(catalog, "kept", version="two", prune=True)
    work(catalog)
    settled(catalog, pruning)
    single = put(catalog, "single").job
    claimed_first = catalog.claim("w", 2)
    assert single.id in [found.id for found in claimed_first]


def test_a_file_that_is_no_container_any_more_is_none(catalog: Catalog) -> None:
    job = brought_in(catalog, "one")
    put(catalog, text="a plain text")
    work(catalog)
    document = catalog.get_document(job.document_id)
    assert (document.container, document.units) == (False, 1)


def test_containers_are_not_counted_among_the_documents_of_a_collection(catalog: Catalog) -> None:
    brought_in(catalog, "one", "two")
    [info] = catalog.collections()
    assert (info.documents, info.units) == (2, 2)


def test_a_document_counts_until_the_container_in_its_place_has_come_in(catalog: Catalog) -> None:
    ingest(catalog, "a")
    put(catalog, text="a zip that is damaged")
    job = claimed(catalog)
    deliver(catalog, job, "member")
    [info] = catalog.collections()
    assert (info.documents, info.units) == (2, 3)
    catalog.fail(job, "it is damaged", retryable=False)
    work(catalog)
    [info] = catalog.collections()
    assert (info.documents, info.units) == (2, 4)
    catalog.delete_document(job.document_id)
    assert {document.status for document in catalog.list_documents()[0]} == {DocumentStatus.DELETING}
    assert catalog.collections() == []


def test_dates_of_a_member_and_of_a_file_are_kept_and_the_members_come_first(catalog: Catalog) -> None:
    written = datetime(2019, 5, 6, 7, 8, 9, 123456, UTC)
    put(catalog)
    job = claim(catalog)
    catalog.begin_container(job)
    fields = DocumentFields(created_at=written, meta={"space": "ENG"})
    first = catalog.put_member(job, key("page"), fields, content("page"), bundle=BUNDLE)
    again = catalog.put_member(job, key("page"), fields, content("page"), bundle=BUNDLE)
    assert (first.document.fields, again.outcome) == (fields, PutResult.UNCHANGED)
    [child] = catalog.claim("w", 5)
    catalog.begin_units(child, text_blob="0" * 64)
    catalog.write_units(child, [unit(0)])
    later = datetime(2024, 1, 1, tzinfo=UTC)
    said = DocumentFields(created_at=later, updated_at=later, tags=("file",))
    catalog.commit_ingest(child, units=1, report=IngestReport(), file_fields=said)
    document = catalog.get_document(first.document.id)
    assert (document.fields.created_at, document.fields.updated_at) == (written, later)
    assert document.fields.tags == ("file",)
    assert catalog.document_version(document.id, 1).fields == fields


def test_documents_that_stop_or_vanish_by_the_hundred_take_several_steps(sqlite_url: str) -> None:
    with closing(Catalog.open(sqlite_url)) as catalog:
        many = [f"d{number}" for number in range(STEPS_AT_A_TIME + 5)]
        brought_in(catalog, *many)
        pruning = waiting(catalog, "d0", version="two", prune=True)
        assert catalog.settle() is True
        settled(catalog, pruning)
        assert len(report_of(catalog, pruning).documents_vanished) == LISTED_DOCUMENTS
        work(catalog)
        assert names(catalog.list_documents()[0]) == ["a", "d0"]
        stopping = waiting(catalog, *many, version="three")
        catalog.cancel_job(stopping.id)
        assert catalog.settle() is True
        assert settled(catalog, stopping).state is JobState.CANCELED


def test_reads_that_come_every_second_use_their_indexes(sqlite_url: str) -> None:
    statements: list[tuple[str, tuple[object, ...]]] = []
    with closing(Catalog.open(sqlite_url)) as catalog:
        job = brought_in(catalog, "one")
        waiting(catalog, "two", prune=True)
        for engine in (catalog._database._writer, catalog._database._reader):
            event.listen(engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
        catalog.settle()
        catalog.list_documents(container_id=job.document_id, status=DocumentStatus.FAILED)
        catalog.list_documents(container_id=job.document_id)
        catalog.list_documents(warned=True)
        catalog.list_jobs(parent_id=job.id)
        work(catalog)
        catalog.settle()
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        plans = "\n".join(
            step[3]
            for statement, parameters in statements
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        )
    for index in (
        "jobs USING INDEX ix_jobs_lease",
        "jobs USING COVERING INDEX ix_jobs_children",
        "jobs USING INDEX ix_jobs_parent",
        "documents USING INDEX ix_documents_parent",
        "documents USING INDEX ix_documents_members (parent_id=?)",
        "documents USING INDEX ix_documents_warned",
        "documents USING INDEX ix_documents_bundle",
    ):
        assert index in plans, plans


def test_a_catalog_from_before_there_were_containers_is_brought_up_to_date(database_url: str) -> None:
    warnings = ("half of a pair: \ud800", "NUL: \x00")
    with closing(Catalog.open(database_url)) as catalog:
        ingest(catalog, "kept")
        put(catalog, "warned")
        job = claimed(catalog, "warned")
        catalog.begin_units(job, text_blob="0" * 64)
        catalog.commit_ingest(job, units=0, report=IngestReport(warnings=warnings))
        put(catalog, "unread")
    database = Database.open(database_url)
    with database.write() as tx:
        config = Config()
        config.set_main_option("script_location", "docradar.catalog:migrations")
        config.attributes["connection"] = tx
        command.downgrade(config, "0001")
    database.close()
    with closing(Catalog.open(database_url)) as catalog:
        [warned] = catalog.list_documents(warned=True)[0]
        assert warned.key.external_id == "warned"
        assert warned.report is not None
        assert warned.report.warnings == warnings
        assert len(catalog.list_documents(warned=False)[0]) == 2
        document = catalog.get_document(key("kept").document_id)
        assert (document.key.external_id, document.status) == ("kept", DocumentStatus.READY)
        assert brought_in(catalog, "kept").state is JobState.SUCCEEDED


def test_renewing_leases_gets_in_nobodys_way(postgres_url: str) -> None:
    """Who unpacks a container locks jobs of its documents and its own, in whichever order."""
    with closing(Catalog.open(postgres_url, QueueOptions(lease_seconds=60))) as catalog:
        put(catalog)
        container = claimed(catalog)
        deliver(catalog, container, *"123456")
        children = catalog.claim("unpacker", 10)
        held = [(job.id, job.fence) for job in (container, *children)]
        blocked = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
        for child in children:
            with ThreadPoolExecutor(1) as pool:
                with catalog._database.write() as tx:
                    hold(tx, child)
                    renewing = pool.submit(catalog.renew, "unpacker", held)
                    eventually(lambda: tx.execute(blocked).scalar_one() > 0)
                    hold(tx, container)
                assert all(lease.owned for lease in renewing.result().values())


def test_everybody_at_once_gets_in_nobodys_way(database_url: str) -> None:
    """Containers that hold the same documents are unpacked, canceled, deleted, settled and swept side by side."""
    shared = [f"page-{number}" for number in range(12)]
    stop = threading.Event()

    def unpack(catalog: Catalog, seed: int) -> None:
        chance = random.Random(seed)
        container = f"zip{seed}"
        for round_ in range(12):
            catalog.put_document(
                key(container), DocumentFields(), content(f"{container} {round_}"), prune=True
            )
            for job in catalog.claim(container, 3):
                with suppress(LeaseLostError, JobCanceledError):
                    if job.document_id != key(container).document_id or job.kind is not JobKind.INGEST:
                        run_one(catalog, job)
                        continue
                    pages = chance.sample(shared, 8)
                    deliver(
                        catalog, job, *pages, **{page: f"{page} {chance.randrange(3)}" for page in pages[:4]}
                    )
                    wait(catalog, job, len(pages))
            if chance.random() < 0.3:
                with suppress(NotFoundError):
                    catalog.delete_document(key(chance.choice([container, *shared])).document_id)

    def run_one(catalog: Catalog, job: Job) -> None:
        if job.kind is JobKind.INGEST:
            commit(catalog, job, [unit(0, document=f"{job.document_id[:8]}-{job.version}")])
        else:
            while job.kind is JobKind.DELETE and catalog.delete_members(job.document_id):
                pass
            catalog.finish_sweep(job)

    def help_out(catalog: Catalog, name: str) -> None:
        while not stop.is_set():
            catalog.settle()
            for job in catalog.claim(name, 2):
                with suppress(LeaseLostError, JobCanceledError, ConflictError):
                    if (
                        job.kind is JobKind.INGEST
                        and catalog.get_document(job.document_id).key.external_id in shared
                    ):
                        run_one(catalog, job)
                    elif job.kind is JobKind.INGEST:
                        catalog.release(job)
                    else:
                        run_one(catalog, job)

    options = QueueOptions(lease_seconds=60, backoff_seconds=0.01)
    catalogs = [Catalog.open(database_url, options) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        helping = [
            pool.submit(help_out, catalogs[0], "helper"),
            pool.submit(help_out, catalogs[1], "helper2"),
        ]
        unpacking = [pool.submit(unpack, catalogs[2], 1), pool.submit(unpack, catalogs[3], 2)]
        try:
            for future in unpacking:
                future.result()
        finally:
            stop.set()
        for future in helping:
            future.result()
    last = catalogs[0]
    last.reap(all_workers=True)
    # The reconciler deletes what a container held that was deleted and uploaded again at once.
    eventually(lambda: _at_rest(last) and last.reconcile() == 0, seconds=30)
    statuses = {document.status for document in last.list_documents(limit=100)[0]}
    assert statuses <= {DocumentStatus.READY, DocumentStatus.CANCELED}
    for catalog in catalogs:
        catalog.close()


def _at_rest(catalog: Catalog) -> bool:
    """Ends what is left; true once nothing is being worked on."""
    for job in catalog.claim("last", 100):
        if job.kind is not JobKind.INGEST:
            while job.kind is JobKind.DELETE and catalog.delete_members(job.document_id):
                pass
            catalog.finish_sweep(job)
        elif catalog.get_document(job.document_id).key.external_id.startswith("zip"):
            try:
                deliver(catalog, job, "last")
                wait(catalog, job, 1)
            except JobCanceledError:
                catalog.finish_canceled(job)
        else:
            commit(catalog, job, [unit(0, document=f"{job.document_id[:8]}-{job.version}")])
    while catalog.settle():
        pass
    live = catalog.counts().jobs
    return not live.get(JobState.RUNNING) and not work_is_due(catalog)
