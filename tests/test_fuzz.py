"""Each reader, fuzzed for a while: whatever the file, it ends in a document or in a ReadError.

`python -m tests.fuzz_readers` goes on for as long as one likes.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import confluence_exports as exports
import files
import pytest
from confluence_exports import SPACE, Export

from ingest.prepare import PrepareRequest, prepare
from ingest.readers import sniff
from tests.archives import zipped

pytest.importorskip("atheris", reason="atheris has no wheel for this Python or processor")

SECONDS = 12
REPOSITORY = Path(__file__).parents[1]
HOME = SPACE.current(blog=False)[1]


def stored_page(folder: Path) -> bytes:
    path = files.write(folder, "space.zip", exports.archive(SPACE, Export.XML_SERVER))
    request = PrepareRequest(path=path, filename="space.zip", document_id="", scratch_dir=folder)
    prepared = prepare(request)
    return prepared.member_path(list(prepared.members())[1]).read_bytes()


SEEDS: dict[str, Callable[[Path], list[bytes | str]]] = {
    "text": lambda _: ["一、概述\n\n- a\n- b\n\nThe end.", "支付超时".encode("gb18030")],
    "lines": lambda _: ["a\n\nb\r\nc\x0bd"],
    "markdown": lambda _: ["---\ntitle: x\n---\n# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [ ] x\n\n<b>x</b>"],
    "html": lambda _: ["<h1>A</h1><table><tr><th>a<td rowspan=2>b</table><dl><dt>x<dd>y</dl><pre>z"],
    "csv": lambda _: ["a;b;c\n1;\"x\ny\";3\n4;5", "a\tb\n1\t2"],
    "rst": lambda _: ["Title\n=====\n\n:Author: x\n\n* a\n\n.. note:: b\n\n+--+--+\n|a |b |\n+==+==+\n|1 |2 |\n+--+--+\n"],
    "asciidoc": lambda _: ["= Title\nAn Author\n\n== A\n\n* b\n\n|===\n|a |b\n\n|1 |2\n|===\n\n----\ncode\n----\n"],
    "eml": lambda _: ["From: a@b.example\nSubject: =?utf-8?b?5pSv5LuY?=\nMIME-Version: 1.0\nContent-Type: text/plain\n\nHello.\n> quoted\n-- \nsig"],
    "mhtml": lambda folder: [exports.word_doc(SPACE, HOME, resaved=True)],
    "docx": lambda _: [zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": (
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>Words.</w:t>'
        "</w:r></w:p><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl></w:body></w:document>")})],
    "pdf": lambda _: [files.pdf([["A line.", "Another line."]], header="H {page}")],
    "pdf-safe": lambda _: [files.pdf([["A line.", "Another line."]])],
    "confluence-html": lambda _: [exports.single_html(SPACE, HOME)],
    "confluence-word": lambda _: [exports.word_doc(SPACE, HOME)],
    "confluence-page": lambda folder: [stored_page(folder)],
    "zip": lambda _: [zipped({"a.txt": "x", "b/c.md": "# y"})],
    "confluence-html-space": lambda _: [exports.archive(SPACE, Export.HTML)],
    "confluence-xml-space": lambda _: [exports.archive(SPACE, Export.XML_CLOUD)],
    "confluence-csv-space": lambda _: [exports.archive(SPACE, Export.CSV)],
}  # fmt: skip


def test_every_reader_has_seeds() -> None:
    assert set(SEEDS) == set(sniff.READERS) | set(sniff.EXPANDERS)


@pytest.mark.slow
@pytest.mark.parametrize("reader", SEEDS)
def test_no_file_makes_a_reader_raise_anything_but_read_errors(reader: str, tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    seeds.mkdir()
    for number, content in enumerate(SEEDS[reader](tmp_path)):
        files.write(seeds, f"seed-{number}", content)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz_readers", reader, str(seeds), f"-max_total_time={SECONDS}", "-timeout=30",
         "-rss_limit_mb=2000", "-max_len=20000", f"-artifact_prefix={tmp_path}/"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:] + ended.stdout[-500:]
    assert "DONE" in ended.stderr or "Done" in ended.stderr, ended.stderr[-1000:]
