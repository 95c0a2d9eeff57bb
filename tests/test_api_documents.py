"""Documents over HTTP: put, put again, list, change, delete, download."""

import hashlib
import json

import pytest

from tests.api import Api, assert_problem, running

FAQ = "退款需要几天？一般三到五个工作日。\nHow do I reset my password? Use the link on the sign-in page."


@pytest.fixture
async def api(tmp_path):
    async with running(tmp_path) as api:
        yield api


async def test_a_text_becomes_sentences_that_search_finds_with_their_place(api: Api):
    job = await api.put("The build broke. We rolled back the release.", title="Notes", source="notes")
    assert job["kind"] == "ingest"
    ended = await api.ended(job["id"])
    assert (ended["state"], ended["done"], ended["total"], ended["error"]) == ("succeeded", 2, 2, None)

    [first, second] = await api.search("rolled back the release")
    assert first["text"] == "We rolled back the release."
    assert first["score"] > second["score"]
    assert first["scores"] == {"cosine": first["score"]}
    assert first["strong"] is True
    assert first["document"]["id"] == job["document_id"]
    assert (first["document"]["title"], first["document"]["source"]) == ("Notes", "notes")
    assert first["provenance"]["char_end"] - first["provenance"]["char_start"] == len(first["text"])


async def test_202_carries_the_jobs_location(api: Api):
    response = await api.upload("faq.txt", FAQ.encode(), split="lines", source="faq")
    assert response.status_code == 202
    [job] = response.json()["jobs"]
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (await api.ended(job["id"]))["total"] == 2


async def test_several_files_in_one_upload_are_one_job_each(api: Api):
    files = [("file", (f"{n}.txt", f"Document number {n} is here.".encode())) for n in range(3)]
    response = await api.client.post("/v1/documents", files=files, data={"tags": "a, b", "source": "prd"})
    assert response.status_code == 202
    assert "location" not in response.headers
    jobs = response.json()["jobs"]
    assert len({job["document_id"] for job in jobs}) == 3
    for job in jobs:
        await api.ended(job["id"])
    listed = (await api.client.get("/v1/documents", params={"source": "prd"})).json()["documents"]
    assert {document["external_id"] for document in listed} == {"0.txt", "1.txt", "2.txt"}
    assert all(document["tags"] == ["a", "b"] and document["status"] == "ready" for document in listed)


async def test_two_texts_of_one_title_are_two_documents(api: Api):
    first = await api.ingest("The build broke on Monday.", title="Weekly")
    second = await api.ingest("The release went out on Friday.", title="Weekly")
    assert first["id"] != second["id"]
    assert (first["version"], second["version"]) == (1, 1)
    assert first["filename"] == second["filename"] == "Weekly.txt"
    again = await api.put("The build broke on Monday.", title="Weekly")
    assert again["document_id"] == first["id"]


@pytest.mark.parametrize("store", ["", "file://{}/bucket"])
async def test_content_that_is_missing_is_404_before_anything_is_sent(tmp_path, store: str):
    (tmp_path / "bucket").mkdir()
    async with running(tmp_path, blobs=store.format(tmp_path)) as api:
        document = await api.ingest(
            "Soon to be lost.\r\nAll of it."
        )  # the original is not its own normalised text
        for what in ("content", "text"):
            path = f"/v1/documents/{document['id']}/{what}"
            sent = (await api.client.get(path)).content
            assert sent.startswith(b"Soon to be lost.")
            digest = hashlib.sha256(sent).hexdigest()
            for blob in tmp_path.rglob(digest[2:]):
                blob.unlink()
            assert_problem(await api.client.get(path), 404, "not_found", digest)


async def test_content_of_a_document_that_is_being_deleted_is_gone(tmp_path):
    async with running(tmp_path, embedded_worker=False) as api:
        document_id = (await api.put("A secret plan."))["document_id"]
        path = f"/v1/documents/{document_id}/content"
        assert (await api.client.get(path)).content == b"A secret plan."
        await api.client.delete(f"/v1/documents/{document_id}")
        assert_problem(await api.client.get(path), 404, "not_found", "being deleted")
        patched = await api.client.patch(f"/v1/documents/{document_id}", json={"title": "New"})
        assert_problem(patched, 409, "conflict", "being deleted")


async def test_the_same_content_again_is_200_and_no_new_job(api: Api):
    first = await api.upload("a.txt", b"One sentence here.")
    job = await api.ended(first.json()["jobs"][0]["id"])
    again = await api.upload("a.txt", b"One sentence here.")
    assert again.status_code == 200
    assert again.json()["jobs"][0]["id"] == job["id"]
    assert len((await api.client.get("/v1/jobs", params={"kind": "ingest"})).json()["jobs"]) == 1


async def test_other_content_at_the_same_place_replaces_it_and_embeds_only_what_is_new(api: Api):
    lines = [f"Entry {n} says something of its own." for n in range(20)]
    document = await api.ingest("\n".join(lines), external_id="kb", split="lines")
    before = len(api.embedder.passages_seen)
    lines[7] = "Entry 7 was rewritten entirely."
    updated = await api.ingest("\n".join(lines), external_id="kb", split="lines")
    assert updated["id"] == document["id"]
    assert (updated["version"], updated["active_version"], updated["units"]) == (2, 2, 20)
    assert [passage.text for passage in api.embedder.passages_seen[before:]] == [lines[7]]
    assert "Entry 7 says something of its own." not in await api.texts("Entry 7 says something", limit=50)
    assert lines[7] in await api.texts("Entry 7 was rewritten entirely")


async def test_patch_changes_filters_and_embeds_nothing(api: Api):
    document = await api.ingest("A rule about refunds.", source="faq", title="Old")
    seen = len(api.embedder.passages_seen)
    response = await api.client.patch(
        f"/v1/documents/{document['id']}", json={"title": "New", "tags": ["money"], "language": "en"}
    )
    assert response.status_code == 200
    assert (response.json()["title"], response.json()["tags"]) == ("New", ["money"])
    await api.eventually(lambda jobs: all(j["state"] == "succeeded" for j in jobs["jobs"]), "/v1/jobs")
    [hit] = await api.search("refunds", filter={"tags": ["money"]})
    assert hit["document"]["title"] == "New"
    assert len(api.embedder.passages_seen) == seen
    unchanged = (await api.client.get(f"/v1/documents/{document['id']}")).json()
    assert unchanged["source"] == "faq"


async def test_delete_hides_at_once_and_removes_everything(api: Api):
    document = await api.ingest("A secret plan.")
    response = await api.client.delete(f"/v1/documents/{document['id']}")
    assert response.status_code == 202
    assert await api.texts("secret plan") == []
    assert (await api.ended(response.json()["id"]))["state"] == "succeeded"
    assert_problem(await api.client.get(f"/v1/documents/{document['id']}"), 404, "not_found", document["id"])
    assert (await api.client.get("/v1/collections")).json()["collections"] == []


async def test_the_original_comes_back_byte_for_byte_and_never_renders(api: Api):
    content = "<script>alert(1)</script>\r\n原文 text.".encode()
    job = (await api.upload("页面.txt", content)).json()["jobs"][0]
    await api.ended(job["id"])
    response = await api.client.get(f"/v1/documents/{job['document_id']}/content")
    assert response.content == content
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_what_a_file_says_of_itself_lasts_until_the_next_version(api: Api):
    async def ingested(content: str) -> dict:
        response = await api.upload("a.md", content.encode(), source="prd")
        await api.ended(response.json()["jobs"][0]["id"])
        return (await api.client.get(f"/v1/documents/{response.json()['jobs'][0]['document_id']}")).json()

    first = await ingested("---\ntags: [ops]\n---\n# 手册\n\n支付超时以后先查订单。")
    assert (first["title"], first["language"], first["tags"]) == ("手册", "zh", ["ops"])
    assert len(await api.search("支付超时", filter={"language": "zh", "tags": "ops"})) == 1
    second = await ingested("# Handbook\n\nAfter a timeout look at the order first.")
    assert (second["title"], second["language"], second["tags"]) == ("Handbook", "en", [])
    assert await api.search("order", filter={"language": "zh"}) == []
    assert len(await api.search("order", filter={"language": "en"})) == 1


async def test_the_normalised_text_holds_every_unit_at_its_place(api: Api):
    document = await api.ingest("First one.\r\n\r\nSecond 😀 one. 第三句在这里。")
    text = (await api.client.get(f"/v1/documents/{document['id']}/text")).text
    units = (await api.client.get(f"/v1/documents/{document['id']}/units")).json()["units"]
    assert [text[unit["char_start"] : unit["char_end"]] for unit in units] == [unit["text"] for unit in units]
    assert len(units) == 3


async def test_units_are_listed_in_order_page_by_page(api: Api):
    document = await api.ingest("\n".join(f"Line {n} here." for n in range(7)), split="lines")
    path, texts, cursor = f"/v1/documents/{document['id']}/units", [], None
    while True:
        page = (
            await api.client.get(path, params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        ).json()
        texts += [unit["text"] for unit in page["units"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert texts == [f"Line {n} here." for n in range(7)]


async def test_listing_pages_through_everything_once(api: Api):
    for n in range(5):
        await api.ingest(f"Text number {n}.", external_id=str(n), collection="many")
    seen, cursor = [], None
    while True:
        parameters = {"collection": "many", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.client.get("/v1/documents", params=parameters)).json()
        seen += [document["external_id"] for document in page["documents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == ["0", "1", "2", "3", "4"]
    assert_problem(
        await api.client.get("/v1/documents", params={"cursor": "nonsense"}), 400, "invalid_request", "cursor"
    )


async def test_collections_count_what_is_there(api: Api):
    await api.ingest("One. Two is here.", collection="left", source="faq")
    await api.ingest("Three is here.", collection="right", source="prd")
    collections = (await api.client.get("/v1/collections")).json()["collections"]
    assert [(c["name"], c["documents"], c["sources"]) for c in collections] == [
        ("left", 1, ["faq"]),
        ("right", 1, ["prd"]),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"collection": "c" * 10_000}, ("collection", "10,000", "64")),
        ({"source": "a\x00b"}, ("source", "control characters")),
        ({"colection": "x"}, ("colection", "collection")),
        ({"meta": "[1]"}, ("meta", "JSON object")),
        ({"meta": '{"deep": {"er": 1}}'}, ("meta",)),
        ({"meta": json.dumps({"big": 2**53 + 1})}, ("'big'", "2^53")),
        ({"meta": json.dumps({"long": ["x"] * 101})}, ("'long'", "101", "100")),
        ({"meta": json.dumps({str(n): ["x" * 900] for n in range(20)})}, ("meta", "16,384")),
        ({"split": "words"}, ("split",)),
        ({"tags": ",".join(str(n) for n in range(101))}, ("101 tags", "100")),
    ],
)
async def test_bad_fields_are_refused_by_name_and_leave_nothing_behind(api: Api, fields, words):
    assert_problem(await api.upload("a.txt", b"Some text.", **fields), 400, "invalid_request", *words)
    assert (await api.client.get("/v1/documents")).json()["documents"] == []
    assert [*(api.settings.data_dir / "uploads").iterdir()] == []


async def test_bad_json_uploads_are_refused_by_name(api: Api):
    async def post(body: bytes):
        return await api.client.post(
            "/v1/documents", content=body, headers={"content-type": "application/json"}
        )

    assert_problem(await post(b"{"), 400, "invalid_request", "JSON")
    assert_problem(await post(b'{"text": "  "}'), 400, "invalid_request", "text is empty")
    assert_problem(await post(b'{"text": "a", "txt": 1}'), 400, "invalid_request", "txt")
    assert_problem(
        await post(json.dumps({"text": "a" * 10_000_001}).encode()), 413, "too_large", "10,000,000"
    )


async def test_a_file_over_the_limit_is_413_and_the_connection_closes(tmp_path):
    async with running(tmp_path, max_upload_bytes=1000) as api:
        response = await api.upload("big.txt", b"x" * 1001)
        assert_problem(response, 413, "too_large", "big.txt", "1,000", "max_upload_bytes")
        assert response.headers["connection"] == "close"
        assert [*(tmp_path / "uploads").iterdir()] == []
        assert (await api.upload("fits.txt", b"x" * 1000)).status_code == 202


async def test_an_upload_that_breaks_off_is_an_error_and_leaves_nothing(api: Api):
    body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhalf of it'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = await api.client.post("/v1/documents", content=body, headers=headers)
    assert_problem(response, 400, "invalid_request", "broke off")
    assert [*(api.settings.data_dir / "uploads").iterdir()] == []


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.txt", "..\\..\\boot.txt", "/etc/shadow.txt", "a/../b.txt"]
)
async def test_a_name_with_a_path_is_only_a_name(api: Api, name):
    job = (await api.upload(name, b"Harmless text.")).json()["jobs"][0]
    await api.ended(job["id"])
    document = (await api.client.get(f"/v1/documents/{job['document_id']}")).json()
    assert "/" not in document["filename"]
    assert "\\" not in document["filename"]
    assert document["external_id"] == document["filename"]


async def test_an_empty_file_is_refused_by_name(api: Api):
    assert_problem(await api.upload("empty.pdf", b""), 400, "invalid_request", "empty.pdf", "0 bytes")


async def test_a_document_that_cannot_be_read_fails_with_the_reason_and_nothing_else_does(api: Api):
    good = await api.put("A good document.")
    bad = (await api.upload("broken.pdf", b"%PDF-1.7\nnothing more")).json()["jobs"][0]
    failed = await api.ended(bad["id"])
    assert failed["state"] == "failed"
    assert "broken.pdf" in failed["error"]
    document = (await api.client.get(f"/v1/documents/{bad['document_id']}")).json()
    assert (document["status"], document["error"]) == ("failed", failed["error"])
    assert (await api.ended(good["id"]))["state"] == "succeeded"
    listed = (await api.client.get("/v1/documents", params={"status": "failed"})).json()["documents"]
    assert [entry["id"] for entry in listed] == [bad["document_id"]]


async def test_the_blob_is_addressed_by_its_content(api: Api):
    content = b"Content decides the address."
    await api.ended((await api.upload("a.txt", content)).json()["jobs"][0]["id"])
    digest = hashlib.sha256(content).hexdigest()
    names = [
        "".join(path.relative_to(api.settings.data_dir / "blobs").parts)
        for path in (api.settings.data_dir / "blobs").rglob("*")
        if path.is_file()
    ]
    assert any(digest in name for name in names)
