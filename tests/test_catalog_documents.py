"""Putting, listing, changing and deleting documents."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.catalog import Catalog, Content, DocumentChanges, PutResult, cursors
from docradar.documents import DocumentFields, DocumentStatus, IngestReport, JobKind, JobState, Split
from docradar.errors import ConflictError, InvalidRequestError, NotFoundError
from tests.catalogs import claim, commit, content, ingest, key, put, sweep_due, unit


def test_first_put_creates_document_version_and_job_together(catalog: Catalog) -> None:
    fields = DocumentFields("Title", "Ann", "https://x", "en", ("b", "a"), {"n": 1, "l": ["x"], "b": True})
    outcome = catalog.put_document(key(), fields, content())
    document, job = outcome.document, outcome.job
    assert outcome.outcome is PutResult.CREATED
    assert (document.id, document.key, document.fields) == (key().document_id, key(), fields)
    assert (document.status, document.desired_version, document.active_version) == ("processing", 1, None)
    assert (document.blob, document.size_bytes, document.filename) == (content().blob, 5, "a.txt")
    assert (job.kind, job.state, job.version, job.max_attempts) == (JobKind.INGEST, JobState.QUEUED, 1, 3)
    assert catalog.get_document(document.id) == document
    assert catalog.get_job(job.id) == job
    assert [event.message for event in catalog.job_events(job.id)] == ["queued"]


def test_same_put_changes_nothing(catalog: Catalog) -> None:
    first = put(catalog)
    again = put(catalog)
    assert (again.outcome, again.job) == (PutResult.UNCHANGED, first.job)
    ingest_job = claim(catalog)
    commit(catalog, ingest_job, [unit(0)])
    again = put(catalog)
    assert (again.outcome, again.job.id, again.job.state) == ("unchanged", first.job.id, JobState.SUCCEEDED)
    assert again.document.status is DocumentStatus.READY


def test_other_fields_update_without_a_new_version(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    outcome = put(catalog, fields=DocumentFields(title="New"))
    assert (outcome.outcome, outcome.job.kind) == (PutResult.RELABELLED, JobKind.UPDATE)
    assert outcome.document.desired_version == 1
    assert outcome.document.status is DocumentStatus.READY
    assert catalog.get_document(document_id).fields.title == "New"


@pytest.mark.parametrize(
    "other",
    [
        content("other"),
        Content(content().blob, 5, "text/plain", "a.txt", Split.LINES),
        Content(content().blob, 5, "text/markdown", "a.md"),
    ],
)
def test_other_content_makes_a_new_version(catalog: Catalog, other: Content) -> None:
    document_id = ingest(catalog)
    outcome = catalog.put_document(key(), DocumentFields(), other)
    assert (outcome.outcome, outcome.job.kind, outcome.job.version) == ("updated", JobKind.INGEST, 2)
    document = catalog.get_document(document_id)
    assert (document.status, document.active_version, document.desired_version) == ("processing", 1, 2)
    assert document.units == 3
    assert catalog.document_version(document_id, 1).blob == content().blob
    assert catalog.document_version(document_id, 2).filename == other.filename


def test_new_version_supersedes_a_queued_ingest(catalog: Catalog) -> None:
    first = put(catalog)
    second = put(catalog, text="other")
    old = catalog.get_job(first.job.id)
    assert (old.state, old.error) == (JobState.CANCELED, "superseded by version 2")
    assert catalog.get_document(first.document.id).status is DocumentStatus.PROCESSING
    assert claim(catalog).id == second.job.id


def test_new_version_asks_a_running_ingest_to_stop_and_waits_for_it(catalog: Catalog) -> None:
    put(catalog)
    running = claim(catalog)
    second = put(catalog, text="other")
    assert catalog.get_job(running.id).cancel_requested
    assert catalog.claim("w2", 10) == []
    assert catalog.finish_canceled(running).state is JobState.CANCELED
    assert catalog.get_document(second.document.id).status is DocumentStatus.PROCESSING
    assert claim(catalog, "w2").id == second.job.id


def test_failed_content_put_again_is_tried_as_a_new_version(catalog: Catalog) -> None:
    put(catalog)
    catalog.fail(claim(catalog), "no text", retryable=False)
    outcome = put(catalog)
    assert (outcome.outcome, outcome.job.version) == (PutResult.UPDATED, 2)
    assert (outcome.document.status, outcome.document.error) == (DocumentStatus.PROCESSING, None)


def test_equal_puts_at_once_make_one_job(catalog: Catalog) -> None:
    barrier = Barrier(8)

    def one_put(_: int) -> tuple[str, str]:
        barrier.wait()
        outcome = put(catalog)
        return outcome.job.id, outcome.outcome

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(one_put, range(8)))
    assert len({job for job, _ in outcomes}) == 1
    assert sorted(result for _, result in outcomes) == ["created"] + ["unchanged"] * 7
    assert len(catalog.list_jobs()[0]) == 1


def test_file_fields_fill_in_what_the_caller_left_open(catalog: Catalog) -> None:
    put(catalog, fields=DocumentFields(author="Ann"))
    job = claim(catalog)
    catalog.begin_units(job, text_blob="0" * 64)
    catalog.write_units(job, [unit(0)])
    report = IngestReport(reader="pdf", pages=3, pages_empty=(2,), warnings=("页脚",))
    own = DocumentFields(title="From file", author="Bob", language="zh", tags=("a",))
    catalog.commit_ingest(job, units=1, report=report, file_fields=own)
    document = catalog.get_document(job.document_id)
    assert (document.fields.title, document.fields.author, document.fields.language) == (
        "From file",
        "Ann",
        "zh",
    )
    assert document.fields.tags == ("a",)
    assert document.report == report
    assert catalog.document_version(document.id, 1).fields == DocumentFields(author="Ann")
    assert catalog.text_blob(document.id) == "0" * 64
    assert put(catalog, fields=DocumentFields(author="Ann")).outcome is PutResult.UNCHANGED


def test_list_filters(catalog: Catalog) -> None:
    for name, collection, source in [("a", "x", "p"), ("b", "x", "q"), ("c", "y", "p")]:
        catalog.put_document(key(name, collection=collection, source=source), DocumentFields(), content())

    def names(**where: object) -> list[str]:
        return [found.key.external_id for found in catalog.list_documents(**where)[0]]  # type: ignore[arg-type]

    assert names() == ["c", "b", "a"]
    assert names(collection="x") == ["b", "a"]
    assert names(source="p") == ["c", "a"]
    assert names(collection="x", source="p") == ["a"]
    assert names(status=DocumentStatus.PROCESSING) == ["c", "b", "a"]
    assert names(status=DocumentStatus.READY) == []


def test_pages_are_stable_while_documents_come_in(catalog: Catalog) -> None:
    for name in "abcde":
        put(catalog, name)
    first, cursor = catalog.list_documents(limit=2)
    put(catalog, "new")
    second, cursor = catalog.list_documents(limit=2, cursor=cursor)
    third, end = catalog.list_documents(limit=2, cursor=cursor)
    assert [document.key.external_id for document in first + second + third] == list("edcba")
    assert end is None


@pytest.mark.parametrize("bad", ["", "nonsense", "ÿ", "ZG9jdW1lbnRzOng", cursors.encode("jobs", 3)])
def test_bad_cursor_is_refused(catalog: Catalog, bad: str) -> None:
    with pytest.raises(InvalidRequestError, match="start again without a cursor"):
        catalog.list_documents(cursor=bad)


@given(st.integers(min_value=0, max_value=2**59))
def test_cursors_come_back_as_they_were(position: int) -> None:
    assert cursors.decode("units", cursors.encode("units", position)) == position


@given(st.text(max_size=40))
def test_no_text_breaks_the_cursor_decoder(text: str) -> None:
    with contextlib.suppress(InvalidRequestError):
        assert cursors.decode("units", text) >= 0


def test_patch_changes_the_given_fields_only(catalog: Catalog) -> None:
    put(catalog, fields=DocumentFields(title="T", author="A", tags=("x",)))
    commit(catalog, claim(catalog), [unit(0)])
    document, job = catalog.patch_document(
        key().document_id, DocumentChanges({"author": None, "tags": ("y",)})
    )
    assert document.fields == DocumentFields(title="T", tags=("y",))
    assert (document.status, document.desired_version, job.kind) == ("ready", 1, JobKind.UPDATE)


def test_patch_without_change_makes_no_job(catalog: Catalog) -> None:
    first = put(catalog, fields=DocumentFields(title="T"))
    document, job = catalog.patch_document(first.document.id, DocumentChanges({"title": "T"}))
    assert (document, job) == (first.document, first.job)


def test_patches_share_a_queued_update_but_not_a_running_one(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    jobs = [catalog.patch_document(document_id, DocumentChanges({"title": t}))[1] for t in ("x", "y")]
    assert jobs[0].id == jobs[1].id
    running = claim(catalog)
    _, later = catalog.patch_document(document_id, DocumentChanges({"title": "z"}))
    assert later.id != running.id


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_text_that_no_database_stores_is_refused(catalog: Catalog, text: str) -> None:
    with pytest.raises(InvalidRequestError, match="title holds"):
        put(catalog, fields=DocumentFields(title=text))
    with pytest.raises(InvalidRequestError, match="external_id holds"):
        put(catalog, name=text)
    assert catalog.list_documents()[0] == []


def test_unknown_documents_are_not_found(catalog: Catalog) -> None:
    for call in (
        lambda: catalog.get_document("no"),
        lambda: catalog.delete_document("no"),
        lambda: catalog.patch_document("no", DocumentChanges({"title": "x"})),
        lambda: catalog.document_version("no", 1),
    ):
        with pytest.raises(NotFoundError, match="no"):
            call()


def test_delete_hides_at_once_and_twice_is_once(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    job = catalog.delete_document(document_id)
    assert (job.kind, job.state) == (JobKind.DELETE, JobState.QUEUED)
    assert catalog.delete_document(document_id).id == job.id
    document = catalog.get_document(document_id)
    assert (document.status, document.active_version, document.units) == ("deleting", None, 0)
    assert catalog.hydrate(["a-0"]) == {}
    assert catalog.collections() == []
    assert claim(catalog).id == job.id
    assert catalog.delete_document(document_id).id == job.id
    with pytest.raises(ConflictError, match="being deleted"):
        catalog.patch_document(document_id, DocumentChanges({"title": "x"}))


def test_delete_stops_a_queued_ingest(catalog: Catalog) -> None:
    first = put(catalog)
    catalog.delete_document(first.document.id)
    assert catalog.get_job(first.job.id).error == "the document was deleted"
    assert catalog.get_document(first.document.id).status is DocumentStatus.DELETING


def test_put_brings_a_deleted_document_back(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    deletion = catalog.delete_document(document_id)
    outcome = put(catalog)
    assert (outcome.outcome, outcome.document.status, outcome.job.version) == ("created", "processing", 2)
    assert catalog.get_job(deletion.id).state is JobState.CANCELED
    commit(catalog, claim(catalog), [unit(7)])
    sweep_due(catalog)
    assert set(catalog.hydrate(["a-0", "a-7"])) == {"a-7"}
    assert catalog.get_document(document_id).status is DocumentStatus.READY


def test_delete_while_the_revived_document_is_still_being_deleted(catalog: Catalog) -> None:
    document_id = ingest(catalog)
    catalog.delete_document(document_id)
    deleting = claim(catalog)
    put(catalog)
    second = catalog.delete_document(document_id)
    assert second.id != deleting.id
    catalog.finish_sweep(deleting)
    sweep_due(catalog)
    assert catalog.list_jobs(state=JobState.QUEUED)[0] == []
    with pytest.raises(NotFoundError):
        catalog.get_document(document_id)


def test_collections_count_what_search_sees(catalog: Catalog) -> None:
    ingest(catalog, "a")
    put(catalog, "b")
    catalog.put_document(key("c", collection="other", source="faq"), DocumentFields(), content())
    other, team = catalog.collections()
    assert (team.name, team.documents, team.units, team.sources) == ("team", 2, 3, ("prd",))
    assert (other.name, other.documents, other.units, other.sources) == ("other", 1, 0, ("faq",))
    counts = catalog.counts()
    assert counts.documents == {DocumentStatus.READY: 1, DocumentStatus.PROCESSING: 2}
    assert counts.jobs[JobState.QUEUED] >= 2
