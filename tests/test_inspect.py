"""`docradar inspect` on every kind of file: what it is, what was left out, and why."""

import json
from pathlib import Path

import confluence_exports as exports
import files
import hostile_zips
import pytest
from confluence_exports import SPACE

from docradar.errors import ReadError
from ingest.inspection import inspect_file
from tests.archives import zipped
from tests.test_cli import command

EXPORTS = {
    "html.zip": lambda: exports.archive(SPACE, exports.Export.HTML),
    "xml.zip": lambda: exports.archive(SPACE, exports.Export.XML_SERVER),
    "csv.zip": lambda: exports.archive(SPACE, exports.Export.CSV),
}


@pytest.mark.parametrize("name", EXPORTS)
async def test_an_export_lists_its_documents_and_shows_each(name: str, tmp_path: Path) -> None:
    path = files.write(tmp_path, name, EXPORTS[name]())
    found = await inspect_file(path)
    assert found.documents is not None
    assert "65603" in {member.external_id for member in found.documents}
    page = await inspect_file(path, document="65603")
    assert page.fields.title == "支付超时手册"
    assert page.units[0].text == "支付超时是指银行在三十秒内没有应答。"
    attached = await inspect_file(path, document="65601/refund-limits.txt")
    assert attached.fields.meta["page_id"] == "65601"


async def test_a_document_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = files.write(tmp_path, "a.zip", zipped({"a.txt": "Words."}))
    with pytest.raises(ReadError, match=r"a\.zip holds no document 'b\.txt'"):
        await inspect_file(path, document="b.txt")
    with pytest.raises(ReadError, match="is one document"):
        await inspect_file(files.write(tmp_path, "a.txt", "Words."), document="b.txt")


def test_the_command_says_what_was_left_out_and_what_failed(tmp_path: Path) -> None:
    content = zipped({"a.png": b"\x89PNG", "../b.txt": "Words.", "c.txt": "Good words."})
    ended = command("inspect", str(files.write(tmp_path, "a.zip", content)))
    assert ended.returncode == 0, ended.stderr
    assert "c.txt" in ended.stdout
    assert "read as zip, 1 documents; `--document ID` shows one" in ended.stdout
    assert "left out: 1 images" in ended.stdout
    assert "failed: ../b.txt: its name leads out of the archive" in ended.stdout


def test_the_command_gives_json_of_a_page_within_an_export(tmp_path: Path) -> None:
    path = files.write(tmp_path, "space.zip", EXPORTS["xml.zip"]())
    ended = command("inspect", str(path), "--document", "65601", "--json")
    shown = json.loads(ended.stdout)
    assert shown["fields"]["tags"] == ["refund"]
    assert shown["report"]["macros_dropped"] == {"chart-studio": 1, "jira": 1}
    for unit in shown["units"]:
        assert shown["text"][unit["char_start"] : unit["char_end"]] == unit["text"]


def test_the_command_says_why_an_archive_cannot_be_read(tmp_path: Path) -> None:
    ended = command("inspect", str(files.write(tmp_path, "a.zip", hostile_zips.overlapping())))
    assert ended.returncode == 1
    assert "a.zip: files in it overlap" in ended.stderr
