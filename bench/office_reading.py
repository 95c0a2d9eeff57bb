"""Reading of office files, mail and light markup: seconds for a usual document, MB/s for large ones, memory for a huge one."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from bench.figures import Figure, median_of
from bench.texts import sentences
from ingest.readers import asciidoc, docx, mail, mhtml, rst, tables
from ingest.readers.document import ReadDocument, ReadLimits
from tests import mail_files, office_files

LIMITS: Final = ReadLimits()
XML_BYTES: Final = 400_000
SENTENCES: Final = 20_000
HUGE_ROWS: Final = 100_000
ATTACHMENT_BYTES: Final = 8_000_000

Reader = Callable[[Path, ReadLimits], ReadDocument]


def run() -> list[Figure]:
    """The figures; targets are the issue's."""
    lines = sentences(SENTENCES)
    with tempfile.TemporaryDirectory(prefix="docradar-bench-") as folder:
        path = Path(folder) / "file"
        return [
            Figure(
                f"DOCX of {XML_BYTES // 1000} KB XML", _seconds(path, docx.read, _usual(lines)), "s", "< 0.3"
            ),
            *_huge_table(path),
            Figure("CSV", _megabytes_per_second(path, tables.read, _csv(lines)), "MB/s"),
            Figure(
                "reStructuredText",
                _megabytes_per_second(path, rst.read, _sections(lines, "{}\n----")),
                "MB/s",
            ),
            Figure("AsciiDoc", _megabytes_per_second(path, asciidoc.read, _sections(lines, "== {}")), "MB/s"),
            Figure("mail with an attachment", _megabytes_per_second(path, mail.read, _mail(lines)), "MB/s"),
            Figure("saved page (MHTML)", _megabytes_per_second(path, mhtml.read, _page(lines)), "MB/s"),
        ]


def _seconds(path: Path, reader: Reader, content: bytes) -> float:
    path.write_bytes(content)

    def once() -> float:
        started = time.perf_counter()
        reader(path, LIMITS)
        return time.perf_counter() - started

    return median_of(once, 5)


def _megabytes_per_second(path: Path, reader: Reader, content: bytes) -> float:
    return len(content) / 1e6 / _seconds(path, reader, content)


def _usual(lines: Sequence[str]) -> bytes:
    """Headings, paragraphs of several runs, and a table, as much as makes the main part as large as it is to be."""
    header = office_files.row("Case", "What to do", "Whom to ask")
    pieces: list[str] = []
    size_bytes = 0
    for number in range(0, len(lines), 6):
        title, first, second, *cells = lines[number : number + 6]
        piece = (
            office_files.paragraph(title, "1" if number % 60 == 0 else "2")
            + office_files.paragraph(first, inner=office_files.run(second, "<w:b/>"))
            + office_files.table(header, office_files.row(*cells))
        )
        size_bytes += len(piece.encode())
        if size_bytes > XML_BYTES:
            break
        pieces.append(piece)
    return office_files.docx("".join(pieces))


def _huge_table(path: Path) -> list[Figure]:
    """A table of many rows, read in a process of its own whose memory is then known."""
    rows = "".join(
        office_files.row(f"case {number}", "wait three days", "support") for number in range(HUGE_ROWS)
    )
    path.write_bytes(office_files.docx(office_files.table(rows)))
    # Not `ru_maxrss`, which a program inherits from the one that starts it.
    program = (
        "import re, sys, time; from pathlib import Path\n"
        "from ingest.readers import docx; from ingest.readers.document import ReadLimits\n"
        "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1024\n"
        "before, started = peak(), time.perf_counter(); docx.read(Path(sys.argv[1]), ReadLimits())\n"
        "print(time.perf_counter() - started, peak() - before)"
    )
    output = subprocess.run(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, check=True
    )
    seconds, megabytes = map(float, output.stdout.split())
    return [
        Figure(f"DOCX table of {HUGE_ROWS:,} rows", len(rows) / 1e6 / seconds, "MB of XML/s"),
        Figure(f"memory for its {len(rows) / 1e6:.0f} MB of XML", megabytes, "MB"),
    ]


def _csv(lines: Sequence[str]) -> bytes:
    rows = (f'{number},"{line}",open' for number, line in enumerate(lines))
    return "\n".join(("Number,Question,State", *rows)).encode()


def _sections(lines: Sequence[str], title: str) -> bytes:
    """Sections of a title, a paragraph and two items."""
    stanzas: list[str] = []
    for number in range(0, len(lines), 4):
        paragraph, *items = lines[number : number + 4]
        stanzas += (title.format(f"Section {number:06}"), paragraph, "\n".join(f"* {item}" for item in items))
    return "\n\n".join(stanzas).encode()


def _mail(lines: Sequence[str]) -> bytes:
    text = mail_files.part("\n\n".join(lines[:200]), coding="base64")
    attachment = mail_files.part(bytes(ATTACHMENT_BYTES), "application/pdf", charset="", coding="base64")
    return mail_files.message(mail_files.multipart("mixed", [text, attachment]))


def _page(lines: Sequence[str]) -> bytes:
    markup = "".join(f"<p>{line}</p>\n" for line in lines)
    page = mail_files.part(f"<html><body>{markup}</body></html>", "text/html", coding="base64")
    return mail_files.message(mail_files.multipart("related", [page]))
