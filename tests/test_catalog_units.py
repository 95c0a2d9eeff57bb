"""Units, commits and sweeps: what search sees, and when."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from docradar.catalog import Catalog, DocumentChanges, UnitPlace, UnitRange
from docradar.catalog.schema import jobs
from docradar.documents import (
    DocumentFields,
    DocumentStatus,
    Generation,
    IngestReport,
    JobKind,
    JobState,
    Kind,
    sha256_text,
)
from docradar.errors import ConflictError, FingerprintMismatchError, LeaseLostError, NotFoundError
from tests.catalogs import (
    claim,
    claim_when_due,
    commit,
    content,
    eventually,
    ingest,
    put,
    sweep_due,
    unit,
    work_is_due,
    write,
)


def test_units_come_back_as_they_were_written(catalog: Catalog) -> None:
    units = [unit(i, text=f"第{i}句 🙂") for i in range(5)]
    document_id = ingest(catalog, units=units)
    assert catalog.document_units(document_id) == (units, None)
    assert catalog.unit_ids(document_id, 1) == [f"a-{i}" for i in range(5)]
    hydrated = catalog.hydrate(["a-3", "a-0", "unknown"])
    assert {unit_id: found.unit for unit_id, found in hydrated.items()} == {"a-0": units[0], "a-3": units[3]}
    assert hydrated["a-0"].document == catalog.get_document(document_id)
    assert catalog.hydrate([]) == {}


def test_units_are_paged(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    first, cursor = catalog.document_units(document_id, limit=2)
    second, end = catalog.document_units(document_id, limit=2, cursor=cursor)
    assert ([found.ordinal for found in first + second], end) == ([0, 1, 2], None)


def test_a_batch_written_twice_is_there_once_and_a_new_attempt_begins_anew(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    catalog.write_units(job, [unit(0), unit(1)])
    catalog.write_units(job, [unit(0), unit(1)])
    catalog.write_units(job, [])
    assert catalog.unit_ids(job.document_id, 1) == ["a-0", "a-1"]
    write(catalog, job, [unit(0, unit_id="new")])
    assert catalog.unit_ids(job.document_id, 1) == ["new"]


def test_half_indexed_units_are_not_seen(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    write(catalog, job, [unit(0)])
    assert catalog.hydrate(["a-0"]) == {}
    assert catalog.document_units(job.document_id) == ([], None)


def test_replaced_units_are_not_seen_from_the_commit_on(catalog: Catalog) -> None:
    ingest(catalog, units=[unit(0), unit(1)])
    put(catalog, text="v2")
    job = claim(catalog)
    write(catalog, job, [unit(0, unit_id="a-1"), unit(1, unit_id="b-0")])
    assert set(catalog.hydrate(["a-0", "a-1", "b-0"])) == {"a-0", "a-1"}
    commit(catalog, job, [unit(0, unit_id="a-1"), unit(1, unit_id="b-0")])
    seen = catalog.hydrate(["a-0", "a-1", "b-0"])
    assert {unit_id: found.unit.ordinal for unit_id, found in seen.items()} == {"a-1": 0, "b-0": 1}


def test_commit_ends_the_job_and_makes_the_document_ready(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    ended = commit(catalog, job, [unit(0), unit(1)])
    document = catalog.get_document(job.document_id)
    assert (ended.state, ended.lease_owner, ended.error) == (JobState.SUCCEEDED, None, None)
    assert (document.status, document.active_version, document.units) == ("ready", 1, 2)
    with pytest.raises(LeaseLostError):
        commit(catalog, job, [unit(0)])


def test_commit_refuses_a_version_with_units_missing(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    write(catalog, job, [unit(0)])
    with pytest.raises(ConflictError, match="1 units of 2"):
        catalog.commit_ingest(job, units=2, report=IngestReport())
    assert catalog.get_document(job.document_id).status is DocumentStatus.PROCESSING
    assert catalog.get_job(job.id).state is JobState.RUNNING


def test_commit_of_a_superseded_version_stays_unseen(catalog: Catalog) -> None:
    ingest(catalog, units=[unit(0)])
    put(catalog, text="v2")
    late = claim(catalog)
    put(catalog, text="v3")
    ended = commit(catalog, late, [unit(0, unit_id="v2-0")], text="of v2")
    assert (ended.state, ended.error) == (JobState.CANCELED, "superseded by version 3")
    document = catalog.get_document(late.document_id)
    assert (document.status, document.active_version) == (DocumentStatus.PROCESSING, 1)
    assert set(catalog.hydrate(["a-0", "v2-0"])) == {"a-0"}
    commit(catalog, claim(catalog), [unit(0, unit_id="v3-0")])
    sweep_due(catalog)
    assert catalog.unit_ids(late.document_id, 2) == []
    assert sha256_text("of v2") in catalog.removable_blobs()


def test_commit_after_a_deletion_stays_unseen(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    catalog.delete_document(job.document_id)
    ended = commit(catalog, job, [unit(0)])
    assert (ended.state, ended.error) == (JobState.CANCELED, "the document was deleted")
    assert catalog.hydrate(["a-0"]) == {}
    assert catalog.get_document(job.document_id).status is DocumentStatus.DELETING


def test_commit_after_a_cancel_stays_unseen(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    catalog.cancel_job(job.id)
    assert commit(catalog, job, [unit(0)]).state is JobState.CANCELED
    assert catalog.get_document(job.document_id).status is DocumentStatus.CANCELED


def test_commit_is_followed_by_sweeps_now_and_late(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    put(catalog, text="v2")
    commit(catalog, claim(catalog), [unit(0, unit_id="new")])
    sweeps, _ = catalog.list_jobs(kind=JobKind.SWEEP, document_id=document_id)
    assert [job.version for job in sweeps] == [2, 2, 1]
    assert catalog.list_jobs(document_id=document_id, state=JobState.QUEUED)[0] == []
    assert claim(catalog).version == 2
    assert not work_is_due(catalog)
    eventually(lambda: work_is_due(catalog))


def test_a_first_version_leaves_only_the_late_sweep(catalog: Catalog) -> None:
    put(catalog)
    commit(catalog, claim(catalog), [unit(0)])
    assert catalog.claim("w", 10) == []
    assert len(catalog.list_jobs(kind=JobKind.SWEEP)[0]) == 1


def test_sweep_keeps_the_active_and_the_coming_version(catalog: Catalog) -> None:
    document_id = ingest(catalog, units=[unit(0), unit(1)])
    put(catalog, text="v2")
    job = claim(catalog)
    write(catalog, job, [unit(0, unit_id="a-1"), unit(1, unit_id="b-0")])
    state = catalog.sweep_state(document_id)
    assert state.keep == {"a-0", "a-1", "b-0"}
    assert state.active == {"a-0", "a-1"}
    assert state.document == catalog.get_document(document_id)
    catalog.fail(job, "broken", retryable=False)
    assert catalog.sweep_state(document_id).keep == {"a-0", "a-1"}


def test_sweep_drops_rows_of_replaced_versions_and_their_blobs(catalog: Catalog) -> None:
    document_id = ingest(catalog, text="v1")
    put(catalog, text="v2")
    commit(catalog, claim(catalog), [unit(0, unit_id="new")], text="text of v2")
    sweep_due(catalog)
    assert catalog.unit_ids(document_id, 1) == []
    with pytest.raises(NotFoundError):
        catalog.document_version(document_id, 1)
    dropped = {content("v1").blob, sha256_text("text")}
    assert set(catalog.removable_blobs()) == dropped
    catalog.forget_blob(content("v1").blob)
    assert catalog.removable_blobs() == [sha256_text("text")]


def test_a_text_that_never_became_active_goes_with_its_version(catalog: Catalog) -> None:
    ingest(catalog, text="v1", units=[unit(0)])
    put(catalog, text="v2")
    catalog.begin_units(claim(catalog), text_blob=sha256_text("first reading"))
    assert catalog.reap(all_workers=True) == 1
    again = claim_when_due(catalog)
    write(catalog, again, [unit(0)], "second reading")
    assert catalog.removable_blobs() == [sha256_text("first reading")]
    assert catalog.text_blob(again.document_id) == sha256_text("text")
    catalog.fail(again, "broken", retryable=False)
    sweep_due(catalog)
    put(catalog, text="v3")
    commit(catalog, claim(catalog), [unit(0)], "text of v3")
    sweep_due(catalog)
    assert set(catalog.removable_blobs()) == {
        content("v1").blob,
        content("v2").blob,
        *map(sha256_text, ("text", "first reading", "second reading")),
    }


def test_unreferenced_blobs_are_those_of_no_version(catalog: Catalog) -> None:
    ingest(catalog)
    assert catalog.unreferenced_blobs([content().blob, "0" * 64, sha256_text("text")]) == ["0" * 64]


def test_other_file_fields_give_a_document_that_has_points_a_new_time(catalog: Catalog) -> None:
    def bring_in(text: str, language: str) -> tuple[datetime, datetime]:
        put(catalog, text=text)
        job = claim(catalog)
        write(catalog, job, [unit(0)])
        before = catalog.get_document(job.document_id).updated_at
        eventually(lambda: datetime.now(UTC) > before + timedelta(milliseconds=2))
        catalog.commit_ingest(
            job, units=1, report=IngestReport(), file_fields=DocumentFields(language=language)
        )
        sweep_due(catalog)
        return before, catalog.get_document(job.document_id).updated_at

    for text, language, is_newer in (("v1", "en", False), ("v2", "zh", True), ("v3", "zh", False)):
        before, after = bring_in(text, language)
        assert (after > before) is is_newer


def test_a_sweep_is_told_of_kept_units_that_moved(catalog: Catalog) -> None:
    ingest(catalog, units=[unit(0), unit(1), unit(2)])
    put(catalog, text="v2")
    job = claim(catalog)
    v2 = [unit(0), unit(1, unit_id="a-2"), unit(2, unit_id="new"), unit(3, unit_id="a-1")]
    write(catalog, job, v2)
    path = ("One", "Two")
    paragraph = Kind.PARAGRAPH
    assert catalog.sweep_state(job.document_id).moved == {
        UnitPlace(2, path, paragraph): {"a-1"},
        UnitPlace(3, path, paragraph): {"a-2"},
    }
    catalog.commit_ingest(job, units=4, report=IngestReport())
    for _ in range(2):  # also after a sweep that did not come to its end
        assert catalog.sweep_state(job.document_id).moved == {
            UnitPlace(2, path, paragraph): {"a-2"},
            UnitPlace(4, path, paragraph): {"a-1"},
        }
    sweep_due(catalog)
    assert catalog.sweep_state(job.document_id).moved == {}


def test_old_jobs_are_forgotten_but_for_each_documents_latest(catalog: Catalog) -> None:
    stays = ingest(catalog, "stays")
    put(catalog, "stays", "v2")
    catalog.fail(claim(catalog), "broken", retryable=False)
    sweep_due(catalog)
    catalog.delete_document(ingest(catalog, "gone"))
    sweep_due(catalog)
    [latest], _ = catalog.list_jobs(document_id=stays, limit=1)
    assert catalog.prune_jobs() == 0
    with catalog._database.write() as tx:
        tx.execute(update(jobs).where(jobs.c.finished_at.is_not(None)).values(finished_at=1))
    queued = put(catalog, "new").job
    assert catalog.prune_jobs() == 3
    assert [job.id for job in catalog.list_jobs()[0]] == [queued.id, latest.id]
    assert catalog.job_events(latest.id)
    assert put(catalog, "stays", "v2").outcome == "updated"


def test_a_blob_that_another_document_refers_to_stays(catalog: Catalog) -> None:
    first = ingest(catalog, "a", text="same")
    ingest(catalog, "b", text="same")
    catalog.delete_document(first)
    sweep_due(catalog)
    assert catalog.removable_blobs() == []


def test_a_failed_version_keeps_its_content_for_a_retry(catalog: Catalog) -> None:
    put(catalog)
    job = claim(catalog)
    write(catalog, job, [unit(0)])
    catalog.fail(job, "broken", retryable=False)
    sweep_due(catalog)
    assert catalog.unit_ids(job.document_id, 1) == []
    assert catalog.document_version(job.document_id, 1).blob == content().blob


def test_deletion_drops_everything(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    catalog.delete_document(document_id)
    assert catalog.sweep_state(document_id).keep == frozenset()
    job = claim(catalog)
    blobs = catalog.finish_sweep(job)
    assert set(blobs) == {content().blob, sha256_text("text")}
    with pytest.raises(NotFoundError):
        catalog.get_document(document_id)
    assert catalog.unit_ids(document_id, 1) == []
    assert catalog.get_job(job.id).state is JobState.SUCCEEDED
    sweep_due(catalog)
    state = catalog.sweep_state(document_id)
    assert (state.document, state.keep, state.active) == (None, frozenset(), frozenset())
    assert put(catalog).document.desired_version == 1


def test_an_update_does_not_drop_what_was_deleted_while_it_ran(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    catalog.patch_document(document_id, DocumentChanges({"title": "x"}))
    update = claim(catalog)
    catalog.delete_document(document_id)
    catalog.finish_sweep(update)
    assert catalog.get_document(document_id).status is DocumentStatus.DELETING
    assert claim(catalog).kind is JobKind.DELETE


def test_points_missing_in_the_index_bring_the_document_in_again(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    put(catalog, text="v2")
    commit(catalog, claim(catalog), [unit(0)])
    catalog.finish_sweep(claim(catalog), missing_units=1)
    job = claim(catalog)
    assert (job.kind, job.version) == (JobKind.INGEST, 3)
    assert catalog.document_version(document_id, 3).blob == content("v2").blob
    assert set(catalog.hydrate(["a-0"])) == {"a-0"}
    commit(catalog, job, [unit(0)])
    assert catalog.get_document(document_id).status is DocumentStatus.READY


def test_a_sweep_can_be_asked_for_also_of_a_document_that_is_gone(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    assert catalog.latest_documents(10) == [document_id]
    catalog.request_sweep(document_id)
    catalog.request_sweep(document_id)
    catalog.request_sweep("gone")
    sweeps = catalog.claim("w", 10)
    assert {(job.kind, job.document_id) for job in sweeps} == {
        (JobKind.SWEEP, document_id),
        (JobKind.SWEEP, "gone"),
    }
    for job in sweeps:
        catalog.finish_sweep(job)
    assert set(catalog.hydrate(["a-0"])) == {"a-0"}


def test_finished_sweeps_leave_no_row(catalog: Catalog) -> None:
    ingest(catalog)
    put(catalog, text="v2")
    commit(catalog, claim(catalog), [unit(0)])
    sweep = claim(catalog)
    catalog.finish_sweep(sweep)
    with pytest.raises(NotFoundError):
        catalog.get_job(sweep.id)
    with pytest.raises(LeaseLostError):
        catalog.finish_sweep(sweep)


def test_generation_is_recorded_once_and_then_required(catalog: Catalog) -> None:
    wanted = Generation.of("f" * 64, "e5", 384)
    assert catalog.active_generation() is None
    catalog.require_generation(wanted)
    catalog.require_generation(wanted)
    assert catalog.active_generation() == wanted
    with pytest.raises(FingerprintMismatchError, match=r"made with model e5.*configured is qwen"):
        catalog.require_generation(Generation.of("0" * 64, "qwen", 1024))


def test_more_ranges_than_a_query_takes(catalog: Catalog) -> None:
    document_id = ingest(catalog, units=[unit(n) for n in range(1500)])
    ranges = [UnitRange(document_id, 1, n, n) for n in range(1500)]
    assert [[found.ordinal for found in part] for part in catalog.units_in(ranges)] == [
        [n] for n in range(1500)
    ]
    assert catalog.units_in([]) == []
    assert catalog.units_in([UnitRange(document_id, 9, 0, 5)]) == [[]]
