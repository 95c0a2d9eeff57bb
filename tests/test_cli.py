"""The command line: what is printed, where, and with which exit code."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from docradar.client import SearchResponse
from docradar.client.files import distinct
from docradar.datadir import DataDirLock
from service.search_command import result_lines
from tests import files
from tests.processes import Cluster, Launcher, Process, cluster

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def service(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running service with an empty data folder."""
    with cluster(launcher, tmp_path_factory.mktemp("cli")) as made:
        made.serve()
        yield made


def docradar(running: Cluster, *arguments: str, code: int = 0) -> str:
    """Runs the command to its end against `running`; what it printed."""
    process: Process = running.start("service.cli", *arguments)
    assert process.ended() == code, process.output
    assert "Traceback" not in process.output
    return process.output


def docradar_json(running: Cluster, *arguments: str) -> Any:
    return json.loads(docradar(running, *arguments, "--json"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("docs")
    (root / "sub").mkdir()
    (root / ".hidden").mkdir()
    files.write(root, "refunds.md", "# Refunds\n\nThe refund takes three working days.\n")
    files.write(root / "sub", "oncall.txt", "The on-call engineer restarts the gateway.\n")
    files.write(root / ".hidden", "secret.txt", "Hidden.")
    files.write(root, ".hidden.txt", "Hidden too.")
    return root


def test_a_first_run_from_nothing_to_a_found_sentence(service: Cluster, folder: Path) -> None:
    url = ("--url", service.url)
    assert "none yet" in docradar(service, "status", *url)
    assert docradar_json(service, "status", *url)["collections"] == []
    assert "nothing found" in docradar(service, "search", "refund", *url)

    told = docradar(service, "ingest", str(folder), "--source", "runbook", "--tag", "a", "--tag", "b", *url)
    assert "2 documents, " in told
    assert "are searchable" in told
    documents = service.get("/v1/documents")["documents"]
    assert {(d["external_id"], d["source"], tuple(d["tags"])) for d in documents} == {
        ("refunds.md", "runbook", ("a", "b")),
        ("sub/oncall.txt", "runbook", ("a", "b")),
    }

    printed = docradar(service, "search", "The refund takes three working days", "--limit", "1", *url)
    score, bar = printed.splitlines()[0].split()[:2]
    assert 0.9 < float(score) <= 1
    assert bar.count("█") == round(float(score) * 30)
    assert len(bar) == 30
    assert "runbook / Refunds" in printed.splitlines()[1]

    found = docradar_json(service, "search", "the refund takes days", "--source", "runbook", *url)
    assert found["results"][0]["document"]["external_id"] == "refunds.md"
    assert docradar_json(service, "search", "refund", "--source", "other", *url)["results"] == []

    status = docradar_json(service, "status", *url)
    assert status["engine"]["status"] == "ready"
    assert status["collections"][0]["documents"] == 2
    assert "sources runbook" in docradar(service, "status", *url)


def test_a_search_shows_groups_context_and_facets(service: Cluster, tmp_path: Path) -> None:
    path = files.write(
        tmp_path, "gates.txt", "Gate one opens early.\n\nGate two opens late.\n\nGate three stays shut.\n"
    )
    url = ("--url", service.url)
    docradar(service, "ingest", str(path), "--source", "gates", "--collection", "gates", *url)
    options = ("--collection", "gates", "--mode", "hybrid", "--limit", "1", "--before", "1", "--after", "1")
    printed = docradar(service, "search", "gate two opens late", *options, "--facet", "source", *url)
    before, found, after, place, facet = printed.splitlines()
    assert (before.strip(), after.strip()) == ("Gate one opens early.", "Gate three stays shut.")
    assert found.endswith(" Gate two opens late.")
    assert found.index("Gate") == before.index("Gate") == after.index("Gate")
    assert (place.strip(), facet) == ("gates / gates.txt", "source: gates (3)")
    grouped = docradar(service, "search", "gate", "--collection", "gates", "--group-by", "document", *url)
    assert grouped.splitlines()[0] == "gates / gates.txt"
    assert docradar_json(service, "search", "gate", *options, *url)["mode"] == "hybrid"


def test_files_that_fail_are_named_and_the_others_are_in(service: Cluster, tmp_path: Path) -> None:
    good = files.write(tmp_path, "good.txt", "This one is fine.")
    bad = files.write(tmp_path, "scan.pdf", files.image_pdf())
    empty = files.write(tmp_path, "empty.txt", b"")
    arguments = ("ingest", str(good), str(bad), str(empty), "--url", service.url)
    told = docradar(service, *arguments, code=1)
    assert "1 documents, 1 units are searchable" in told
    assert f"{bad}: scan.pdf: it needs OCR" in told
    assert f"{empty}: empty.txt is empty (0 bytes)" in told
    assert told.splitlines()[-1] == "Error: 2 of 3 documents failed"
    assert "scan.pdf: it needs OCR" in docradar(service, "status", "--url", service.url)


def test_files_that_would_replace_each_other_are_refused_before_any_is_in(
    service: Cluster, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        files.write(tmp_path / name, "README.md", f"The readme of {name}.")
    first, second = tmp_path / "a" / "README.md", tmp_path / "b" / "README.md"
    before = service.get("/v1/documents")
    for paths in ((first, second), (tmp_path / "a", tmp_path / "b")):
        told = docradar(service, "ingest", *map(str, paths), "--url", service.url, code=1)
        assert f"{first} and {second} would both be the document 'README.md'" in told
    assert service.get("/v1/documents") == before
    assert [path for path, _ in distinct([(first, "README.md"), (first, "README.md")])] == [first]


def test_ingest_without_watching_prints_the_jobs(service: Cluster, tmp_path: Path) -> None:
    path = files.write(tmp_path, "later.txt", "Some other time.")
    told = docradar_json(service, "ingest", str(path), "--no-watch", "--url", service.url)
    [job] = told["jobs"]
    assert (told["failures"], job["kind"]) == ({}, "ingest")
    service.succeeded(job["id"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", "  "), "query is empty"),
        (("search", "x", "--collection", "c" * 300), "collection"),
        (("search", "x", "--limit", "100000"), "limit is 100,000"),
    ],
)
def test_what_the_service_refuses_is_one_line(
    service: Cluster, arguments: tuple[str, ...], message: str
) -> None:
    told = docradar(service, *arguments, "--url", service.url, code=1)
    [line] = told.splitlines()
    assert line.startswith("Error: ")
    assert message in line


def command(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A process of its own, with standard output and standard error apart."""
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)} | environment,
        timeout=100,
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (("search", "x", "--url", "http://127.0.0.1:9"), {}, "no answer from http://127.0.0.1:9"),
        (("status",), {"DOCRADAR_NONSENSE": "1"}, "DOCRADAR_NONSENSE names no setting"),
        (("status",), {"DOCRADAR_PORT": "many"}, "DOCRADAR_PORT is 'many'"),
    ],
)
def test_errors_go_to_standard_error(
    arguments: tuple[str, ...], environment: dict[str, str], message: str
) -> None:
    ended = command(*arguments, **environment)
    assert (ended.returncode, ended.stdout) == (1, "")
    [line] = ended.stderr.splitlines()
    assert message in line


def test_inspect_gives_units_with_exact_places(tmp_path: Path) -> None:
    text = "# 退款 Refunds 😀\n\n支付超时怎么办？请重试。\n\n- first: one\n- second: two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    ended = command("inspect", str(files.write(tmp_path, "notes.md", text)), "--json")
    assert ended.returncode == 0, ended.stderr
    inspected = json.loads(ended.stdout)
    assert inspected["units"]
    for unit in inspected["units"]:
        assert inspected["text"][unit["char_start"] : unit["char_end"]] == unit["text"]
    assert [unit["ordinal"] for unit in inspected["units"]] == list(range(len(inspected["units"])))


def test_inspect_says_what_cannot_be_read(tmp_path: Path) -> None:
    ended = command("inspect", str(files.write(tmp_path, "scan.pdf", files.image_pdf())))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: scan.pdf: it needs OCR")


def test_a_data_folder_in_use_is_told_with_its_owner(tmp_path: Path) -> None:
    lock = DataDirLock.acquire(tmp_path / "data", "docradar worker")
    ended = command("status", "--data-dir", str(tmp_path / "data"))
    lock.release()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "is in use by `docradar worker`" in ended.stderr
    assert command("status", "--data-dir", str(tmp_path / "data")).returncode == 0


def response_of(*results: dict[str, Any], **fields: Any) -> SearchResponse:
    return msgspec.convert({"results": results} | fields, SearchResponse)


def result_of(**fields: Any) -> dict[str, Any]:
    return {
        "unit_id": "u",
        "text": "text",
        "score": 0.5,
        "strong": False,
        "document": {"id": "d", "source": "faq", "title": "", "filename": "a.pdf"},
        "provenance": {
            "page": 3,
            "heading_path": ["One", "Two"],
            "char_start": 0,
            "char_end": 4,
            "ordinal": 0,
            "kind": "paragraph",
        },
    } | fields


def unit_of(text: str) -> dict[str, Any]:
    return {
        "id": text,
        "ordinal": 0,
        "kind": "paragraph",
        "text": text,
        "char_start": 0,
        "char_end": len(text),
    }


def printed(response: SearchResponse) -> list[str]:
    return [click.unstyle(line) for line in result_lines(response)]


def test_scores_are_bars_of_their_length() -> None:
    first, second = printed(response_of(result_of()))
    assert first == "0.5000 " + "█" * 15 + "·" * 15 + " text"
    assert "faq / a.pdf › page 3 › One › Two" in second
    assert printed(response_of(result_of(score=-0.2)))[0] == "-0.2000 " + "·" * 30 + " text"
    assert printed(response_of(result_of(score=7.25)))[0] == "7.2500 " + "█" * 30 + " text"


def test_groups_context_duplicates_and_facets_are_shown() -> None:
    result = result_of(
        context={"before": [unit_of("Sooner.")], "after": [unit_of("Later.")]}, duplicate_count=2
    )
    group = {"document": result["document"], "heading_path": ["One"], "score": 0.5, "results": [result]}
    facet = {"field": "source", "values": [{"value": "faq", "units": 1200}, {"value": "prd", "units": 3}]}
    lines = printed(response_of(result, groups=[group], facets=[facet], answered=True))
    assert lines == [
        "faq / a.pdf › One",
        " " * 38 + "Sooner.",
        "0.5000 " + "█" * 15 + "·" * 15 + " text",
        " " * 38 + "Later.",
        "       page 3 (and 2 like it)",
        "source: faq (1,200), prd (3)",
    ]
    ungrouped = printed(response_of(result))
    assert ungrouped[3] == "       faq / a.pdf › page 3 › One › Two (and 2 like it)"


def test_the_words_of_the_question_are_bold_where_they_stand() -> None:
    result = result_of(text="退款需要三天", highlights=[{"start": 0, "end": 2}, {"start": 4, "end": 5}])
    [line, _] = result_lines(response_of(result))
    assert line.endswith(click.style("退款", bold=True) + "需要" + click.style("三", bold=True) + "天")


def test_nothing_strong_is_told_and_nothing_unknown() -> None:
    assert printed(response_of(result_of(), answered=False))[0].startswith("nothing strong was found")
    for answered in (True, None):
        assert printed(response_of(result_of(), answered=answered))[0].startswith("0.5000")
    assert printed(response_of(answered=False)) == ["nothing found"]


@pytest.mark.slow
def test_the_packaged_model_end_to_end(tmp_path: Path, folder: Path) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    assert command("ingest", str(folder), "--source", "runbook", *data).returncode == 0
    ended = command("search", "How long until I get my money back?", "--limit", "1", *data)
    assert ended.returncode == 0, ended.stderr
    assert "The refund takes three working days." in ended.stdout.splitlines()[0]
