"""The clients against a service: each test runs once over a socket with `Client`, once in process with `AsyncClient`."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from docradar.client import (
    AsyncClient,
    Client,
    ConflictError,
    DocradarApiError,
    Document,
    DuplicateDocumentError,
    IngestFailedError,
    InvalidRequestError,
    Job,
    NotFoundError,
    SearchResponse,
)
from docradar.reranking.protocol import Relevance
from tests import files
from tests.api import running
from tests.archives import zipped
from tests.clients import Either
from tests.processes import Cluster, Launcher, cluster

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[1]
UNKNOWN = str(uuid.uuid4())


@pytest.fixture(scope="module")
def served(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A service of its own, behind a socket."""
    with cluster(launcher, tmp_path_factory.mktemp("client")) as made:
        made.serve()
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["Client", "AsyncClient"])
async def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Either]:
    if request.param == "Client":
        with Client(request.getfixturevalue("served").url) as blocking:
            yield Either(blocking)
    else:
        folder = tmp_path_factory.mktemp("in-process")
        async with running(folder) as api, AsyncClient(http_client=api.client) as awaited:
            yield Either(awaited)


@pytest.fixture
def collection() -> str:
    """A collection that no other test uses."""
    return uuid.uuid4().hex


def page(
    folder: Path, name: str = "page.txt", text: str | bytes = "Refunds take three days. Ask the desk."
) -> Path:
    return files.write(folder, name, text)


async def test_a_file_is_a_document_and_its_sentences_are_found(
    client: Either, collection: str, tmp_path: Path
) -> None:
    document = await client.add(
        str(page(tmp_path, "退款.txt")),
        collection=collection,
        source="faq",
        title="Refunds",
        tags=["a", "b"],
        meta={"team": "search", "level": 3},
        external_id="faq/refunds",
    )
    assert isinstance(document, Document)
    assert (document.status, document.units, document.filename) == ("ready", 2, "退款.txt")
    assert (document.source, document.external_id, document.title) == ("faq", "faq/refunds", "Refunds")
    assert (document.tags, document.meta) == (["a", "b"], {"team": "search", "level": 3})
    assert document.report is not None
    assert document.report.reader

    response = await client.search("refunds take days", collection=collection, limit=1)
    assert isinstance(response, SearchResponse)
    assert [hit.text for hit in response] == ["Refunds take three days."]
    assert len(response) == 1
    hit = response[0]
    assert hit is response.results[0]
    assert hit.document.id == document.id
    assert (hit.provenance.char_start, hit.provenance.char_end) == (0, 24)
    assert response.took_ms.total > 0


async def test_options_that_are_not_given_are_the_services(client: Either, collection: str) -> None:
    text = "\n".join(f"Alpha beta {number}." for number in range(9))
    await client.add_text(text, collection=collection, split="lines", source="lines")
    assert len(await client.search("alpha beta", collection=collection)) == 5
    assert len(await client.search("alpha beta", collection=collection, limit=None)) == 5
    narrowed = {"type": "eq", "key": "source", "value": "other"}
    assert len(await client.search("alpha beta", collection=collection, filter=narrowed)) == 0
    with pytest.raises(InvalidRequestError, match="nonsense"):
        await client.search("alpha", nonsense=True)


async def test_the_same_again_is_the_same_document(client: Either, collection: str, tmp_path: Path) -> None:
    path = page(tmp_path)
    first = await client.add(path, collection=collection)
    again = await client.add(path, collection=collection)
    changed = await client.add(page(tmp_path, text="Refunds take four days."), collection=collection)
    assert (again.id, again.version, again.units) == (first.id, first.version, 2)
    assert (changed.id, changed.version, changed.units) == (first.id, 2, 1)


async def test_a_file_that_cannot_be_read_is_an_error_with_its_reason_and_job(
    client: Either, collection: str, tmp_path: Path
) -> None:
    path = page(tmp_path, "bad.txt", "\x7fELF, which is no text")
    with pytest.raises(IngestFailedError, match=r"bad\.txt: .*program") as failed:
        await client.add(path, collection=collection)
    assert failed.value.job.state == "failed"
    assert failed.value.job.error in str(failed.value)
    with pytest.raises(FileNotFoundError):
        await client.add(tmp_path / "absent.txt")
    with pytest.raises(InvalidRequestError, match=r"empty\.txt is empty"):
        await client.add(page(tmp_path, "empty.txt", ""), collection=collection)


async def test_a_container_is_in_once_its_documents_are(
    client: Either, collection: str, tmp_path: Path
) -> None:
    pages = {f"page-{number}.txt": f"The radar of page {number}." for number in range(3)}
    path = files.write(tmp_path, "guide.zip", zipped(pages))
    container = await client.add(path, collection=collection)
    assert container.container
    members = await client.documents(container_id=container.id)
    assert {(member.external_id, member.status) for member in members} == {
        (f"guide.zip/{name}", "ready") for name in pages
    }
    files.write(tmp_path, "guide.zip", zipped({"page-0.txt": pages["page-0.txt"]}))
    pruned = await client.add(path, collection=collection, prune=True)
    [left] = [m for m in await client.documents(container_id=pruned.id) if m.status == "ready"]
    assert left.external_id == "guide.zip/page-0.txt"


async def test_a_folder_is_added_by_the_paths_in_it(client: Either, collection: str, tmp_path: Path) -> None:
    (tmp_path / "docs" / "sub").mkdir(parents=True)
    page(tmp_path / "docs")
    page(tmp_path / "docs" / "sub")
    jobs = await client.add_many([tmp_path / "docs"], collection=collection, source="wiki")
    for job in jobs:
        assert (await client.wait(job)).succeeded
    found = {(d.external_id, d.source) for d in await client.documents(collection=collection)}
    assert found == {("page.txt", "wiki"), ("sub/page.txt", "wiki")}
    with pytest.raises(DuplicateDocumentError, match=r"would both be the document 'page\.txt'"):
        await client.add_many([tmp_path / "docs" / "page.txt", tmp_path / "docs" / "sub" / "page.txt"])


async def test_listings_come_whole_whatever_the_pages(client: Either, collection: str) -> None:
    lines = "\n".join(f"Line {number}." for number in range(7))
    document = await client.add_text(lines, collection=collection, split="lines", external_id="lines")
    for number in range(4):
        await client.add_text(f"Text {number}.", collection=collection, external_id=str(number))
    for page_size in (1, 2, 5, 100):
        documents = await client.documents(collection=collection, page_size=page_size)
        assert [d.external_id for d in documents] == ["3", "2", "1", "0", "lines"]
        units = await client.units(document.id, page_size=page_size)
        assert [unit.ordinal for unit in units] == list(range(7))
    text = await client.text(document.id)
    assert all(text[unit.char_start : unit.char_end] == unit.text for unit in units)
    assert await client.content(document.id) == lines.encode()
    jobs = await client.jobs(document_id=document.id, page_size=1)
    assert [job.kind for job in jobs] == ["ingest"]


async def test_documents_are_changed_and_deleted(client: Either, collection: str) -> None:
    document = await client.add_text(
        "Something to change.", collection=collection, author="Ann", tags=["old"], external_id="it"
    )
    changed = await client.update(document.id, title="New", tags=["new"], author=None)
    assert (changed.title, changed.tags, changed.author) == ("New", ["new"], None)
    assert changed.external_id == "it"
    job = await client.delete(document.id)
    assert (job.kind, job.succeeded) == ("delete", True)
    assert len(await client.search("something", collection=collection)) == 0
    with pytest.raises(NotFoundError, match=document.id):
        await client.document(document.id)


async def test_jobs_are_waited_for_by_id_and_for_so_long(client: Either, collection: str) -> None:
    document = await client.add_text("A text to wait for.", collection=collection, wait=False)
    assert document.status in ("processing", "ready")
    [job] = await client.jobs(document_id=document.id)
    assert isinstance(job, Job)
    ended = await client.wait(job.id)
    assert (ended.id, ended.state, ended.total) == (job.id, "succeeded", 1)
    assert (await client.job(ended)).ended
    for call in (client.retry, client.cancel):
        with pytest.raises(ConflictError, match=job.id):
            await call(ended)


async def test_every_kind_of_question(client: Either, collection: str) -> None:
    lines = "\n".join(f"The radar of site {number} turns." for number in range(6))
    document = await client.add_text(
        lines, collection=collection, split="lines", source="wiki", title="Sites"
    )
    await client.add_text("The radar of the harbour.", collection=collection, source="faq", title="Harbour")

    grouped = await client.search(
        "radar of site 3", collection=collection, mode="hybrid", group_by="document", group_size=2, limit=2
    )
    assert grouped.mode == "hybrid"
    assert {group.document.title for group in grouped.groups} == {"Sites", "Harbour"}
    assert [result.unit_id for result in grouped] == [group.results[0].unit_id for group in grouped.groups]

    beside = await client.search(
        "radar of site 3 turns",
        collection=collection,
        limit=1,
        context={"before": 1, "after": 2},
        facets=["source"],
    )
    [hit] = beside
    assert hit.text == "The radar of site 3 turns."
    assert (hit.strong, beside.answered) == (True, True)
    assert [unit.ordinal for unit in hit.context.before + hit.context.after] == [2, 4, 5]
    assert "radar" in " ".join(hit.text[span.start : span.end] for span in hit.highlights)
    [facet] = beside.facets
    assert [(value.value, value.units) for value in facet.values] == [("wiki", 6), ("faq", 1)]
    assert await client.facets("source", collection=collection) == [facet]

    first, second = await client.search_batch(
        ["radar of site 3", {"query": "harbour", "collection": collection, "limit": 1}]
    )
    assert len(first) == 5
    assert [result.text for result in second] == ["The radar of the harbour."]
    alike = await client.similar(hit.unit_id, collection=collection, limit=3)
    assert hit.unit_id not in {result.unit_id for result in alike}
    assert {result.document.id for result in alike} == {document.id}


class ByLength:
    """A reranker that takes the shorter text for the more relevant."""

    model = "by-length"

    def rerank(self, query: str, texts: Sequence[str], instruction: str | None = None) -> Relevance:
        return np.array([1 / (1 + len(text)) for text in texts], np.float32)

    def close(self) -> None:
        pass


async def test_texts_are_reranked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docradar.reranking.choice.load_reranker", lambda _: ByLength())
    async with (
        running(tmp_path, reranker="by-length") as api,
        AsyncClient(http_client=api.client) as client,
    ):
        ranked = await client.rerank("q", ["longest", "long", "a"], top_n=2, return_documents=True)
        assert [(best.index, best.document) for best in ranked] == [(2, "a"), (1, "long")]
        assert (ranked.model, ranked.results[0].relevance_score) == ("by-length", 0.5)


async def test_declared_fields_can_be_filtered_by(client: Either, collection: str) -> None:
    key = f"level-{collection[:8]}"
    for level in (1, 5):
        await client.add_text(f"Priority of level {level}.", collection=collection, meta={key: level})
    with pytest.raises(InvalidRequestError, match="PUT /v1/collections"):
        await client.search("priority", collection=collection, filter={f"meta.{key}": [5]})
    declared = await client.put_collection(collection, fields={key: "integer"}, instruction="Find rules.")
    assert (declared.fields, declared.instruction) == ({key: "integer"}, "Find rules.")
    assert await client.collection(collection) == declared
    narrowed = {"type": "gte", "key": f"meta.{key}", "value": 3}
    found = await client.search("priority", collection=collection, filter=narrowed)
    assert [result.text for result in found] == ["Priority of level 5."]
    with pytest.raises(NotFoundError):
        await client.collection(uuid.uuid4().hex)


async def test_errors_carry_what_the_service_says(client: Either) -> None:
    with pytest.raises(NotFoundError, match=UNKNOWN) as missing:
        await client.document(UNKNOWN)
    error = missing.value
    assert isinstance(error, DocradarApiError)
    assert (error.status, error.code, error.detail) == (404, "not_found", str(error))
    assert re.fullmatch("[0-9a-f]{32}", error.request_id)
    with pytest.raises(NotFoundError):
        await client.document("a/../b?c#d")
    with pytest.raises(InvalidRequestError, match="query is empty"):
        await client.search(" ")


async def test_the_service_tells_of_itself(client: Either, collection: str) -> None:
    await client.add_text("Refunds take three days. Ask the desk.", collection=collection, source="here")
    [own] = [c for c in await client.collections() if c.name == collection]
    assert (own.documents, own.units, own.sources) == (1, 2, ["here"])
    assert (await client.health()).status == "live"
    readiness = await client.wait_until_ready(5)
    assert readiness == await client.ready()
    assert (readiness.ready, readiness.model) == (True, "fake")
    raw = await client.request("get", "/v1/documents", params={"collection": collection, "limit": None})
    assert raw["documents"][0]["source"] == "here"


async def test_the_readmes_lines_do_what_they_say(
    served: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [program] = re.findall(
        r"^## Python client$.*?^```python\n(.*?)^```$",
        (ROOT / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    page(tmp_path, "prd.pdf", files.pdf([["Refunds take three days."]]))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    await asyncio.to_thread(exec, program.replace("http://localhost:8000", served.url), names)
    names["client"].close()
    assert "Refunds take three days." in capsys.readouterr().out
