"""When a document was written, as its file says it, against when it was stored here."""

import asyncio
from pathlib import Path
from typing import Any

from docradar.documents import JobState
from docradar.filters import And, AnyOf, Within
from tests.api import Api, running
from tests.archives import zipped
from tests.processes import PATIENCE_SECONDS
from tests.test_worker import Room, room  # noqa: F401

PAGE = """<!doctype html><html lang="en"><head><title>Radar</title>
<meta property="article:published_time" content="2019-05-06T07:08:09+02:00">
<meta property="article:modified_time" content="2021-02-03T04:05:06Z"></head>
<body><main><p>The radar was written long ago.</p></main></body></html>"""
WRITTEN, EDITED = "2019-05-06T05:08:09Z", "2021-02-03T04:05:06Z"


async def put_page(api: Api, name: str = "page.html") -> dict[str, Any]:
    """The document of the page, ready."""
    response = await api.upload(name, PAGE.encode())
    job = await api.ended(response.json()["jobs"][0]["id"])
    assert job["state"] == "succeeded", job
    return (await api.client.get(f"/v1/documents/{job['document_id']}")).json()


def compare(operator: str, key: str, value: str) -> dict[str, str]:
    return {"type": operator, "key": key, "value": value}


async def test_filters_and_answers_have_the_documents_own_dates(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        page = await put_page(api)
        text = await api.ingest("The radar was written just now.", external_id="now")
        assert (page["created_at"], page["updated_at"]) == (WRITTEN, EDITED)
        assert text["updated_at"] == text["stored_at"] > "2026"
        old = await api.search("radar", filter=compare("lt", "updated_at", "2022-01-01"))
        assert [(hit["document"]["created_at"], hit["document"]["updated_at"]) for hit in old] == [
            (WRITTEN, EDITED)
        ]
        assert old[0]["document"]["stored_at"] == page["stored_at"]
        recent = await api.texts("radar", filter=compare("gte", "updated_at", text["stored_at"]))
        assert recent == ["The radar was written just now."]
        assert len(await api.texts("radar", filter=compare("gte", "stored_at", page["stored_at"]))) == 2
        assert await api.texts("radar", filter={"created_at": "2019-05-06"}) == [
            "The radar was written long ago."
        ]


async def test_dates_stay_when_other_fields_change(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        page = await put_page(api)
        await api.client.patch(f"/v1/documents/{page['id']}", json={"tags": ["old"]})
        await api.eventually(lambda found: not found["jobs"], "/v1/jobs?state=queued")
        await api.eventually(lambda found: not found["jobs"], "/v1/jobs?state=running")
        [hit] = await api.search("radar", filter={"tags": "old"})
        assert hit["document"]["updated_at"] == EDITED
        assert hit["document"]["stored_at"] > page["stored_at"]
        assert len(await api.search("radar", filter=compare("eq", "updated_at", EDITED))) == 1


async def test_files_in_an_archive_have_their_own_dates(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as api:
        response = await api.upload("pages.zip", zipped({"page.html": PAGE}))
        job = await api.ended(response.json()["jobs"][0]["id"])
        assert job["state"] == "succeeded", job
        found = (await api.client.get("/v1/documents", params={"container_id": job["document_id"]})).json()
        assert [page["updated_at"] for page in found["documents"]] == [EDITED]


async def test_points_from_before_there_was_a_stored_at_get_it_with_the_next_sweep(room: Room) -> None:  # noqa: F811
    room.embedder.opened.set()
    index = room.engine.require().index
    async with room.worker():
        job = await room.reaches(room.put(text="one line\nanother line"), JobState.SUCCEEDED)
        document = room.catalog.get_document(job.document_id)
        stored = Within(field="stored_at", gte=document.updated_at, lte=document.updated_at)
        of_now = And((AnyOf("document_id", (document.id,)), stored))
        assert await index.count(of_now) == 2
        ids = room.catalog.unit_ids(document.id, 1)
        await index._client.delete_payload(index.generation.name, keys=["stored_at"], points=ids[:1])
        assert await index.count(of_now) == 1
        room.catalog.request_sweep(document.id)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await index.count(of_now) < 2:  # noqa: ASYNC110  the index announces nothing
                await asyncio.sleep(0.02)
