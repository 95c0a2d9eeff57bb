"""Archives over HTTP: one upload, many documents, each with an end of its own."""

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.api import Api, assert_problem, openapi, running
from tests.archives import zipped
from tests.fakes import FakeEmbedder
from tests.processes import PATIENCE_SECONDS

PAGES = {f"guide/page-{n}.md": f"# Page {n}\n\nThe radar number {n} says {n * 7919}." for n in range(4)}
BROKEN = b"\x7fELF, which is no text"


class Gate(FakeEmbedder):
    """Embeds nothing until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()

    def embed_passages(self, passages):  # type: ignore[no-untyped-def]
        assert self.opened.wait(PATIENCE_SECONDS)
        return super().embed_passages(passages)


async def upload(api: Api, files: dict[str, Any], name: str = "guide.zip", **fields: Any) -> dict[str, Any]:
    """Uploads an archive; its job."""
    response = await api.upload(name, zipped(files), **fields)
    assert response.status_code == 202, response.text
    return response.json()["jobs"][0]


async def ingested(api: Api, files: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The job of an archive at its end."""
    return await api.ended((await upload(api, files, **fields))["id"])


async def document(api: Api, document_id: str) -> dict[str, Any]:
    return (await api.client.get(f"/v1/documents/{document_id}")).json()


async def documents(api: Api, **parameters: Any) -> dict[str, dict[str, Any]]:
    """Documents by external id."""
    response = await api.client.get("/v1/documents", params={"limit": 500} | parameters)
    assert response.status_code == 200, response.text
    return {found["external_id"]: found for found in response.json()["documents"]}


async def story(api: Api, job: dict[str, Any]) -> str:
    """What is told of a job that has ended."""
    return (await api.client.get(f"/v1/jobs/{job['id']}/events")).text


async def waits(api: Api, job: dict[str, Any]) -> None:
    """Returns once the job waits for its documents."""
    await api.eventually(lambda found: found["stage"] == "documents", f"/v1/jobs/{job['id']}")


async def test_an_archive_becomes_a_document_for_each_file(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        job = await ingested(api, PAGES, tags="handbook", collection="team")
        assert (job["state"], job["done"], job["total"]) == ("succeeded", 4, 4)
        container = await document(api, job["document_id"])
        assert (container["container"], container["units"], container["status"]) == (True, 0, "ready")
        assert container["report"]["documents"] == 4
        found = await documents(api, container_id=container["id"])
        assert sorted(found) == [f"guide.zip/guide/page-{n}.md" for n in range(4)]
        page = found["guide.zip/guide/page-3.md"]
        assert (page["title"], page["filename"], page["source"]) == ("Page 3", "page-3.md", "upload")
        assert (page["collection"], page["tags"], page["status"]) == ("team", ["handbook"], "ready")
        assert (page["container"], page["container_id"]) == (False, container["id"])
        [result] = await api.search("radar number 3", limit=1, filter={"tags": "handbook"})
        assert result["document"]["id"] == page["id"]
        jobs = (await api.client.get("/v1/jobs", params={"parent_id": job["id"]})).json()["jobs"]
        assert {child["document_id"] for child in jobs} == {child["id"] for child in found.values()}
        assert {child["parent_id"] for child in jobs} == {job["id"]}
        assert job["parent_id"] is None
        told = await story(api, job)
        assert "4 documents: 4 new" in told
        assert "4 of 4 documents are searchable" in told
        original = await api.client.get(f"/v1/documents/{page['id']}/content")
        assert original.text == PAGES["guide/page-3.md"]
        [collection] = (await api.client.get("/v1/collections")).json()["collections"]
        assert (collection["documents"], collection["units"]) == (4, 4)


async def test_every_document_of_an_archive_takes_its_split(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        job = await ingested(api, {"faq.txt": "one line\nanother line"}, split="lines", source="faq")
        [faq] = (await documents(api, container_id=job["document_id"])).values()
        assert (faq["units"], faq["split"], faq["source"]) == (2, "lines", "faq")


async def test_one_bad_file_fails_alone_with_its_reason(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        job = await ingested(api, PAGES | {"bad.txt": BROKEN, "picture.png": b"\x89PNG\r\n\x1a\n"})
        assert (job["state"], job["error"]) == ("succeeded", None)
        listed = await documents(api, container_id=job["document_id"], status="failed")
        [(name, bad)] = listed.items()
        assert name == "guide.zip/bad.txt"
        assert "bad.txt" in bad["error"]
        report = (await document(api, job["document_id"]))["report"]
        assert report["documents_failed"] == {name: bad["error"]}
        assert sum(report["documents_skipped"].values()) == 1
        assert report["warnings"][-1] == "1 of its 5 documents failed"
        assert "4 of 5 documents are searchable, 1 failed" in await story(api, job)
        assert [found["id"] for found in (await documents(api, warned="true")).values()] == [
            job["document_id"]
        ]
        assert job["document_id"] not in {d["id"] for d in (await documents(api, warned="false")).values()}


async def test_an_archive_of_which_nothing_comes_in_has_failed(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        job = await ingested(api, {"bad.txt": BROKEN, "worse.txt": BROKEN})
        assert job["state"] == "failed"
        assert job["error"].startswith("none of its 2 documents came in; guide.zip/bad.txt: bad.txt: ")
        assert (await document(api, job["document_id"]))["status"] == "failed"


async def test_an_archive_that_cannot_be_unpacked_has_failed(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        response = await api.upload("cut.zip", zipped(PAGES)[:200])
        job = await api.ended(response.json()["jobs"][0]["id"])
        assert job["state"] == "failed"
        assert "cut.zip" in job["error"]
        assert sorted(await documents(api)) == ["cut.zip"]


async def test_a_newer_upload_embeds_the_changed_files_only_and_names_the_vanished(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        await ingested(api, PAGES)
        embedded = len(api.embedder.passages_seen)
        newer = dict(list(PAGES.items())[:3]) | {"guide/page-1.md": "# Page 1\n\nThis page was edited."}
        job = await ingested(api, newer)
        assert len(api.embedder.passages_seen) == embedded + 1
        assert "3 documents: 1 changed, 2 unchanged" in await story(api, job)
        report = (await document(api, job["document_id"]))["report"]
        assert report["documents_vanished"] == ["guide.zip/guide/page-3.md"]
        assert "prune=true" in report["warnings"][0]
        assert (await api.texts("radar number 3", limit=1)) == ["The radar number 3 says 23757."]
        pruned = await ingested(api, newer, prune="true")
        assert "3 unchanged" in await story(api, pruned)
        await api.eventually(lambda page: len(page["documents"]) == 4, "/v1/documents")
        assert "guide.zip/guide/page-3.md" not in await documents(api)
        assert (await document(api, job["document_id"]))["report"]["warnings"] == []
        assert "The radar number 3 says 23757." not in await api.texts("radar number 3")


async def test_the_same_archive_again_is_the_same_job_while_that_runs(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path / "data", embedder=gate) as api:
        job = await upload(api, PAGES)
        await waits(api, job)
        again = await api.upload("guide.zip", zipped(PAGES))
        assert (again.status_code, again.json()["jobs"][0]["id"]) == (200, job["id"])
        gate.opened.set()
        await api.ended(job["id"])
        later = await upload(api, PAGES)
        assert later["version"] == 2


async def test_progress_counts_documents(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path / "data", embedder=gate) as api:
        job = await upload(api, PAGES)
        await waits(api, job)
        found = (await api.client.get(f"/v1/jobs/{job['id']}")).json()
        assert (found["state"], found["done"], found["total"]) == ("running", 0, 4)
        gate.opened.set()
        assert (await api.ended(job["id"]))["done"] == 4


async def test_a_canceled_archive_stops_what_is_in_it(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path / "data", embedder=gate, heartbeat_seconds=0.1) as api:
        job = await upload(api, PAGES)
        await waits(api, job)
        assert (await api.client.post(f"/v1/jobs/{job['id']}/cancel")).status_code == 202
        canceled = f"/v1/jobs?parent_id={job['id']}&state=canceled"
        await api.eventually(lambda page: page["jobs"], canceled)
        gate.opened.set()
        assert (await api.ended(job["id"]))["state"] == "canceled"
        jobs = (await api.client.get("/v1/jobs", params={"parent_id": job["id"]})).json()["jobs"]
        assert not {child["state"] for child in jobs} & {"queued", "running"}
        retried = await api.client.post(f"/v1/jobs/{job['id']}/retry")
        assert retried.status_code == 202
        assert (await api.ended(job["id"]))["state"] == "succeeded"
        assert {d["status"] for d in (await documents(api)).values()} == {"ready"}


async def test_a_deleted_archive_takes_its_documents_along_at_once(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        job = await ingested(api, PAGES)
        await api.ingest("The radar has a neighbour.", external_id="neighbour")
        deletion = (await api.client.delete(f"/v1/documents/{job['document_id']}")).json()
        assert await api.texts("radar number") == ["The radar has a neighbour."]
        assert (await api.ended(deletion["id"]))["state"] == "succeeded"
        await api.eventually(lambda page: len(page["documents"]) == 1, "/v1/documents")


async def test_an_archive_within_an_archive_fails_alone(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        job = await ingested(api, PAGES | {"inner.txt": zipped({"deep.txt": "a text"})})
        assert job["state"] == "succeeded"
        [inner] = (await documents(api, container_id=job["document_id"], status="failed")).values()
        assert "an archive within an archive" in inner["error"]


async def test_names_that_no_upload_could_have_are_made_into_some_that_it_could(tmp_path: Path) -> None:
    files = {
        "a\ttab.txt": "The first text.",
        "a tab.txt": "The second text.",
        "d/" * 600 + "x.txt": "The third text.",
    }
    async with running(tmp_path / "data") as api:
        job = await ingested(api, files, name="odd.zip")
        assert job["state"] == "succeeded"
        found = await documents(api, container_id=job["document_id"])
        assert len(found) == len(files)
        assert "odd.zip/a tab.txt" in found
        assert max(map(len, found)) <= 1000


@pytest.mark.parametrize("value", ["yes", "1", "maybe"])
async def test_prune_is_true_or_false(tmp_path: Path, value: str) -> None:
    async with running(tmp_path / "data") as api:
        response = await api.upload("guide.zip", zipped(PAGES), prune=value)
        assert_problem(response, 400, "invalid_request", "prune", "true or false")


async def test_a_single_file_may_be_uploaded_with_prune(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        response = await api.upload("a.txt", b"A single text.", prune="true")
        assert (await api.ended(response.json()["jobs"][0]["id"]))["state"] == "succeeded"


def test_openapi_says_what_a_container_is() -> None:
    schema = openapi()
    schemas = schema["components"]["schemas"]
    assert {"container", "container_id", "stored_at"} <= set(schemas["DocumentOut"]["properties"])
    assert "parent_id" in schemas["JobOut"]["properties"]
    assert {"documents", "documents_failed", "macros_dropped"} <= set(schemas["ReportOut"]["properties"])
    parameters = {
        (path, parameter["name"])
        for path in ("/v1/documents", "/v1/jobs")
        for parameter in schema["paths"][path]["get"]["parameters"]
    }
    assert {
        ("/v1/documents", "container_id"),
        ("/v1/documents", "warned"),
        ("/v1/jobs", "parent_id"),
    } <= parameters
    body = schema["paths"]["/v1/documents"]["post"]["requestBody"]["content"]
    assert "prune" in body["multipart/form-data"]["schema"]["properties"]
    assert "prune" not in body["application/json"]["schema"]["properties"]
