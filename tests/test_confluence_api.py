"""Confluence exports over HTTP: a space comes in as pages, is found, and is brought up to date by the next export."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import confluence_exports as exports
import pytest
from confluence_exports import SPACE, Export
from confluence_model import Page, Paragraph

from tests.api import Api, running

CHANGED = Paragraph(("The timeout is forty seconds from now on.",))


async def upload(api: Api, name: str, content: bytes, **fields: Any) -> dict[str, Any]:
    """The job of an export, at its end."""
    response = await api.upload(name, content, **fields)
    assert response.status_code == 202, response.text
    job = await api.ended(response.json()["jobs"][0]["id"])
    assert job["state"] == "succeeded", job
    return job


async def documents(api: Api, **parameters: Any) -> dict[str, dict[str, Any]]:
    response = await api.client.get("/v1/documents", params={"limit": 500} | parameters)
    return {document["external_id"]: document for document in response.json()["documents"]}


def changed_space() -> exports.Space:
    """The space a week later: one page says something new, one is gone."""

    def later(page: Page) -> Page:
        return replace(page, body=(*page.body, CHANGED)) if page.title.startswith("Release") else page

    return replace(SPACE, pages=tuple(later(page) for page in SPACE.pages if page.id != 65_606))


@pytest.mark.parametrize("kind", [Export.HTML, Export.XML_SERVER, Export.CSV])
async def test_a_space_comes_in_as_its_pages(kind: Export, tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        job = await upload(api, "space.zip", exports.archive(SPACE, kind))
        pages = await documents(api, source="confluence")
        assert {page.id for page in exports.exported(SPACE, kind)} <= {
            int(name) for name in pages if name.isdigit()
        }
        assert {page["status"] for page in pages.values()} == {"ready"}
        refunds = pages["65601"]
        assert (refunds["title"], refunds["container_id"]) == ("Refund guide", job["document_id"])
        assert refunds["updated_at"].startswith("2026-09-30")
        attached = pages["65601/refund-limits.txt"]
        assert attached["meta"]["page_id"] == "65601"
        container = (await api.client.get(f"/v1/documents/{job['document_id']}")).json()
        assert container["container"]
        assert container["report"]["documents_skipped"] == exports.expected_skipped(SPACE, kind)


async def test_what_is_found_stands_in_its_space(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        await upload(api, "space.zip", exports.archive(SPACE, Export.XML_SERVER))
        filters = {"source": ["confluence"], "tags": ["runbook"]}
        [hit, *_] = await api.search("银行在三十秒内没有应答", filter=filters)
        assert hit["document"]["title"] == "支付超时手册"
        assert hit["provenance"]["heading_path"][:3] == [
            "支付 & Refunds: Handbook",
            "Payments Handbook",
            "支付超时手册",
        ]
        since = {"type": "gte", "key": "updated_at", "value": "2026-10-01"}
        found = await api.search("refund", filter=since, limit=50)
        assert {hit["document"]["external_id"] for hit in found} == {"65602", "65608"}


async def test_a_newer_export_under_another_name_changes_what_changed(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        await upload(api, "space-week-1.zip", exports.archive(SPACE, Export.XML_SERVER))
        before = await documents(api, source="confluence")
        job = await upload(api, "space-week-2.zip", exports.archive(changed_space(), Export.XML_SERVER))
        after = await documents(api, source="confluence")
        assert after.keys() == before.keys()
        assert [name for name in after if after[name]["version"] != before[name]["version"]] == ["65605"]
        assert "The timeout is forty seconds from now on." in await api.texts("forty seconds")
        container = (await api.client.get(f"/v1/documents/{job['document_id']}")).json()
        assert container["report"]["documents_vanished"] == ["65606"]
        assert any("prune=true" in warning for warning in container["report"]["warnings"])


async def test_pruning_deletes_what_the_newer_export_does_not_hold(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        await upload(api, "space-week-1.zip", exports.archive(SPACE, Export.XML_CLOUD))
        await api.ingest("Another document of the same source.", source="confluence", external_id="mine")
        await upload(
            api, "space-week-2.zip", exports.archive(changed_space(), Export.XML_CLOUD), prune="true"
        )
        await api.eventually(
            lambda found: not any(d["external_id"] == "65606" for d in found["documents"]),
            "/v1/documents?source=confluence&limit=500",
        )
        left = await documents(api, source="confluence")
        assert {"65601", "65605", "mine"} <= left.keys()
        assert not any("Tell the clerks" in text for text in await api.texts("Tell the clerks", limit=50))


async def test_one_bad_page_fails_alone(tmp_path: Path) -> None:
    async with running(tmp_path, max_text_chars=1500) as api:
        long = Paragraph(("This page is longer than anybody may write. " * 60,))
        pages = tuple(replace(p, body=(long,)) if p.id == 65_605 else p for p in SPACE.pages)
        job = await upload(api, "space.zip", exports.archive(replace(SPACE, pages=pages), Export.XML_SERVER))
        found = await documents(api, container_id=job["document_id"], status="failed")
        assert list(found) == ["65605"]
        assert "max_text_chars" in found["65605"]["error"]
        container = (await api.client.get(f"/v1/documents/{job['document_id']}")).json()
        assert list(container["report"]["documents_failed"]) == ["65605"]


async def test_a_page_by_itself_is_the_page_of_the_space(tmp_path: Path) -> None:
    page = exports.exported(SPACE, Export.HTML)[1]
    async with running(tmp_path) as api:
        await upload(api, "space.zip", exports.archive(SPACE, Export.HTML))
        before = (await documents(api, source="confluence"))["65601"]
        response = await api.upload("Refund-guide_65601.html", exports.single_html(SPACE, page))
        assert response.json()["jobs"][0]["document_id"] == before["id"]


async def test_a_word_export_is_of_confluence_too_unless_told_otherwise(tmp_path: Path) -> None:
    page = exports.exported(SPACE, Export.HTML)[1]
    async with running(tmp_path) as api:
        await upload(api, "Refund guide.doc", exports.word_doc(SPACE, page))
        await upload(api, "Other guide.doc", exports.word_doc(SPACE, page), source="wiki")
        found = await documents(api)
        assert {name: document["source"] for name, document in found.items()} == {
            "Refund guide.doc": "confluence",
            "Other guide.doc": "wiki",
        }
        assert found["Refund guide.doc"]["title"] == "Refund guide"
