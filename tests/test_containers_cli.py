"""Archives on the command line: what `ingest` and `status` say of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import files
from tests.archives import zipped
from tests.processes import Cluster, Launcher, cluster
from tests.test_cli import docradar, docradar_json

PAGES = {f"page-{number}.txt": f"The radar of page {number}. It has two sentences." for number in range(3)}


@pytest.fixture
def service(launcher: Launcher, tmp_path: Path) -> Iterator[Cluster]:
    with cluster(launcher, tmp_path / "service") as made:
        made.serve()
        yield made


def archive(folder: Path, content: dict[str, str | bytes]) -> str:
    return str(files.write(folder, "guide.zip", zipped(content)))


def test_an_archives_documents_and_sentences_are_counted(service: Cluster, tmp_path: Path) -> None:
    path = archive(tmp_path, {**PAGES})
    beside = str(files.write(tmp_path, "beside.txt", "A text beside the archive."))
    told = docradar(service, "ingest", path, beside, "--tag", "a", "--url", service.url)
    assert "4 documents, 7 units are searchable" in told
    documents = service.get("/v1/documents")["documents"]
    assert {tuple(document["tags"]) for document in documents} == {("a",)}
    status = docradar(service, "status", "--url", service.url)
    assert "collection   default: 4 documents, 7 units" in status
    assert "attention" not in status


def test_what_failed_in_an_archive_is_named_with_its_reason(service: Cluster, tmp_path: Path) -> None:
    path = archive(tmp_path, {**PAGES, "bad.txt": b"\x7fELF, which is no text", "../out.txt": "out"})
    told = docradar(service, "ingest", path, "--url", service.url, code=1)
    assert "3 documents, 6 units are searchable" in told
    assert f"{path}: guide.zip/bad.txt: bad.txt: it is a program" in told
    assert f"{path}: ../out.txt: its name leads out of the archive" in told
    assert told.splitlines()[-1] == "Error: 2 of 5 documents failed"
    status = docradar(service, "status", "--url", service.url)
    assert "failed       bad.txt: bad.txt: it is a program" in status
    assert (
        "attention    guide.zip: 1 documents could not be taken out of it; 1 of its 4 documents failed"
        in status
    )
    assert len(docradar_json(service, "status", "--url", service.url)["attention"]) == 1


def test_an_archive_with_nothing_in_it_that_can_be_read_has_failed(service: Cluster, tmp_path: Path) -> None:
    path = archive(tmp_path, {"bad.txt": b"\x7fELF, which is no text"})
    told = docradar(service, "ingest", path, "--url", service.url, code=1)
    assert f"{path}: guide.zip/bad.txt: bad.txt: it is a program" in told
    assert told.splitlines()[-1] == "Error: 1 of 1 documents failed"
    assert "attention" not in docradar(service, "status", "--url", service.url)


def test_prune_deletes_what_an_archive_no_longer_holds(service: Cluster, tmp_path: Path) -> None:
    docradar(service, "ingest", archive(tmp_path, {**PAGES}), "--url", service.url)
    path = archive(tmp_path, {"page-0.txt": PAGES["page-0.txt"]})
    docradar(service, "ingest", path, "--url", service.url)
    offered = docradar(service, "status", "--url", service.url)
    assert "2 documents of an earlier upload are not in it any more; upload it with prune=true" in offered
    told = docradar(service, "ingest", path, "--prune", "--url", service.url)
    service.idle()
    assert "1 documents, 2 units are searchable" in told
    found = {document["external_id"] for document in service.get("/v1/documents")["documents"]}
    assert found == {"guide.zip", "guide.zip/page-0.txt"}


def test_one_line_of_the_status_stands_for_a_container_that_is_under_way(
    service: Cluster, tmp_path: Path
) -> None:
    service.processes[0].stop()
    service.serve(test_embed_seconds=0.5)
    path = archive(tmp_path, {f"page-{number}.txt": f"Page {number}." for number in range(20)})
    job = docradar_json(service, "ingest", path, "--no-watch", "--url", service.url)["jobs"][0]
    shown = ""
    while "documents" not in shown:
        shown = "\n".join(
            line
            for line in docradar(service, "status", "--url", service.url).splitlines()
            if line.startswith("job ")
        )
    assert shown.startswith(f"job          {job['id']} ingest running documents ")
    assert len(shown.splitlines()) == 1
