"""Bad input through a running service: each is a clear 4xx or a failed job, and nothing else notices."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import files
from tests.processes import Cluster, Launcher, cluster

CPU_SECONDS = 2


@pytest.fixture(scope="module")
def running(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One service for all of this module; what one test does to it, the next would notice."""
    folder = tmp_path_factory.mktemp("input")
    with cluster(launcher, folder, reader_cpu_seconds=CPU_SECONDS) as made:
        made.serve()
        made.succeeded(made.put("The one document that is always found.", external_id="always")["id"])
        yield made


def still_well(running: Cluster) -> None:
    [hit] = running.search("document that is always found", limit=1)
    assert hit["document"]["external_id"] == "always"
    assert "Traceback" not in running.processes[0].output


def job_of(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 202, response.text
    job: dict[str, Any] = response.json()["jobs"][0]
    return job


def test_a_small_pdf_that_spins_is_killed_by_its_limit_while_searches_go_on(running: Cluster) -> None:
    content = files.spinning_pdf()
    assert len(content) < 13_000
    job = job_of(running.upload("spin.pdf", content))
    answers = 0
    deadline = time.monotonic() + 60
    while running.job(job["id"])["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        still_well(running)
        answers += 1
    failed = running.job(job["id"])
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert failed["error"].startswith("spin.pdf: reading it took more than 2 s of processor time")
    assert "reader_cpu_seconds" in failed["error"]
    assert answers > 3


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("scan.pdf", files.image_pdf(), "scan.pdf: it needs OCR"),
        ("locked.pdf", files.pdf([["Secret."]], password="x"), "locked.pdf: it is encrypted"),
        ("cut.pdf", files.pdf([["Hello there."]])[:300], "cut.pdf: it is damaged or cut off"),
        ("program.txt", b"\x7fELF\x02\x01" + bytes(100), "program.txt: it is a program"),
        (
            "wrong.pdf",
            "这其实是一个文本文件。".encode(),
            "wrong.pdf: it is named as a PDF, but does not begin as one",
        ),
        ("blank.txt", b" \n\t\n", "blank.txt: it holds no text"),
    ],
)
def test_what_cannot_be_read_fails_with_the_reason(
    running: Cluster, name: str, content: bytes, reason: str
) -> None:
    job = running.ended(job_of(running.upload(name, content))["id"])
    assert (job["state"], job["attempts"]) == ("failed", 1)
    assert job["error"].startswith(reason)
    document = running.get(f"/v1/documents/{job['document_id']}")
    assert (document["status"], document["error"]) == ("failed", job["error"])
    still_well(running)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("nul.txt", b"Before the NUL.\x00 After the NUL.", "Before the NUL"),
        ("wrong.txt", files.pdf([["Words of a PDF in disguise."]]), "PDF in disguise"),
        ("../../etc/passwd", b"A name with dots.", "A name with dots"),
        ("broken.txt", "Good words, then \ud800 half a pair.".encode("utf-8", "surrogatepass"), "Good words"),
    ],
)
def test_what_looks_odd_is_read_all_the_same(running: Cluster, name: str, content: bytes, found: str) -> None:
    job = running.succeeded(job_of(running.upload(name, content))["id"])
    units = running.get(f"/v1/documents/{job['document_id']}/units")["units"]
    assert found in "".join(unit["text"] for unit in units)
    assert running.get(f"/v1/documents/{job['document_id']}")["filename"] == Path(name).name
    assert httpx.get(f"{running.url}/v1/documents/{job['document_id']}/content").content == content
    still_well(running)


def test_five_megabytes_on_one_line(running: Cluster) -> None:
    job = job_of(running.upload("long.txt", ("支付超时怎么办" * 240_000).encode()))
    assert running.succeeded(job["id"], seconds=60)["total"] > 3000
    document = running.get(f"/v1/documents/{job['document_id']}")
    assert document["report"]["units_cut"] >= 1
    still_well(running)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"text": "half \\ud800 a pair"}', ("JSON", "surrogate pair")),
        (b'{"text": "x", "title": "half \\ud800 a pair"}', ("JSON", "surrogate pair")),
        (b'{"text": "x", "source": "nul \\u0000"}', ("source",)),
        (b'{"text": ""}', ("text is empty",)),
        (b'{"text": "x", "collection": "' + b"c" * 10_000 + b'"}', ("collection",)),
        (b"{" * 100_000, ("JSON",)),
        (b"\xff\xfe", ("JSON",)),
    ],
)
def test_json_that_cannot_be_used(running: Cluster, body: bytes, words: tuple[str, ...]) -> None:
    response = httpx.post(
        f"{running.url}/v1/documents", content=body, headers={"content-type": "application/json"}
    )
    assert response.status_code == 400, response.text
    problem = response.json()
    assert problem["code"] == "invalid_request"
    assert all(word in problem["detail"] for word in words)
    assert len(problem["detail"]) < 500
    still_well(running)


def test_an_empty_file_is_refused(running: Cluster) -> None:
    response = running.upload("empty.pdf", b"")
    assert response.status_code == 400
    assert response.json()["detail"].startswith("empty.pdf is empty (0 bytes)")
    still_well(running)


def test_an_upload_that_breaks_off_leaves_nothing(running: Cluster) -> None:
    body = b'--x\r\ncontent-disposition: form-data; name="file"; filename="half.txt"\r\n\r\nonly half of it'
    before = running.get("/v1/documents", limit=500)
    response = httpx.post(
        f"{running.url}/v1/documents",
        content=body,
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert response.status_code == 400
    assert "broke off" in response.json()["detail"]
    assert running.get("/v1/documents", limit=500) == before
    assert not list((running.data_dir / "uploads").iterdir())
