"""Reading PDFs: speed, and how many of the words that a reader sees on real documents' pages are in their units.

The documents are manuals out of Debian's packages, fetched when the bench is run. What a reader sees is what poppler's
`pdftotext` finds; running headers and footers are told from the text by a check that shares nothing with the reader's.
"""

import html
import re
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.figures import Figure, median_of
from bench.recall import Recall, recall, words
from bench.texts import pdf as many_pages
from bench.texts import sentences
from docradar.documents import Kind
from ingest.readers import pdf
from ingest.readers.document import ReadDocument, ReadLimits
from ingest.units import SplitCounts, statements

# What each is good for: chapters' names in headers, an index in columns; sections' names; tables; three columns.
DOCUMENTS: Final = {
    "gri-pdf-doc": "gri.pdf",
    "why3-doc-pdf": "manual.pdf",
    "siscone-doc-pdf": "refman.pdf",
    "systemtap-doc": "SystemTap_Beginners_Guide.pdf",
    "auto-multiple-choice-doc-pdf": "auto-multiple-choice.en.pdf",
    "pari-doc": "refcard.pdf",
}
PAGES: Final = 250
_EDGE_LINES: Final = 2
_LEAST_REPEATS: Final = 3
_SAME_ROW_POINTS: Final = 3.0
_COUNTED_SHARE: Final = 0.3  # of the pages, whose lines count them alike
_PAGE: Final = re.compile(r"<page [^>]*>(.*?)</page>", re.DOTALL)
_LINE: Final = re.compile(
    r'<line xMin="([\d.-]+)" yMin="[\d.-]+" xMax="[\d.-]+" yMax="([\d.-]+)">(.*?)</line>', re.DOTALL
)
_WORD: Final = re.compile(r"<word [^>]*>(.*?)</word>", re.DOTALL)
_NUMBER: Final = re.compile(r"\d{1,4}|\b[ivxlc]+\b")
_CONTENTS: Final = re.compile(r"(?:\.\s?){5,}\s*[\divxlc]*\s*$")
_LIMITS: Final = ReadLimits()


class _Line(NamedTuple):
    x: float
    y: float
    text: str


def run() -> list[Figure]:
    """The room's figures; targets are the issue's."""
    with tempfile.TemporaryDirectory(prefix="docradar-bench-") as folder:
        return [*_speed(Path(folder)), *_recalls(Path(folder))]


def _speed(folder: Path) -> Iterator[Figure]:
    latin = [line for line in sentences(12_000) if line.isascii()]
    path = folder / "pages.pdf"
    path.write_bytes(many_pages([" ".join(latin[i % 3_000 : i % 3_000 + 20]) for i in range(PAGES)]))
    pdf.read(path, _LIMITS)  # loads the libraries
    characters = len(pdf.read(path, _LIMITS).text) // PAGES
    fast = median_of(lambda: _seconds(path))
    yield Figure(f"PDF of {PAGES} pages with {characters:,} characters each, pypdfium2", fast, "s", "< 2")


def _seconds(path: Path) -> float:
    started = time.perf_counter()
    pdf.read(path, _LIMITS)
    return time.perf_counter() - started


def _recalls(folder: Path) -> Iterator[Figure]:
    if not all(map(shutil.which, ("apt-get", "dpkg-deb", "pdftotext"))):
        print("skipped: recall on PDFs needs Debian and its package poppler-utils")
        return
    for package, name in DOCUMENTS.items():
        path = _fetched(folder, package, name)
        if path is None:
            print(f"skipped: {name}, since apt-get could not fetch {package}")
            continue
        started = time.perf_counter()
        document = pdf.read(path, _LIMITS)
        rate = (document.report.pages or 0) / (time.perf_counter() - started)
        slow = pdf.read_with_pypdf(path, _LIMITS)
        seen = _reader_words(path)
        fast_recall, slow_recall = (recall(seen, unit_words(read)) for read in (document, slow))
        yield Figure(f"{name} ({document.report.pages} pages), pypdfium2", rate, "pages/s")
        yield from _figures(f"{name}, pypdfium2", fast_recall)
        yield from _figures(f"{name}, pypdf", slow_recall)


def _figures(name: str, found: Recall) -> Iterator[Figure]:
    yield Figure(f"{name}: words a reader sees that are in the units", found.recall * 100, "%", "≥ 99")
    yield Figure(f"{name}: words of the units that are furniture", found.furniture_share * 100, "%", "≤ 1")


def _fetched(folder: Path, package: str, name: str) -> Path | None:
    target = folder / package
    target.mkdir()
    fetched = subprocess.run(["apt-get", "download", package], cwd=target, capture_output=True, check=False)
    for archive in target.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, target], check=True)
    found = sorted((*target.rglob(name), *target.rglob(f"{name}.gz")))
    if fetched.returncode or not found:
        return None
    if found[0].suffix == ".gz":
        subprocess.run(["gunzip", "--force", found[0]], check=True)
    return found[0].with_name(name)


def unit_words(document: ReadDocument) -> list[str]:
    """The words of the document's units, and of the headings above them; a table's header once a table, as it is seen."""
    headings = {block.span for block in document.blocks if block.kind is Kind.HEADING}
    units = {
        statement.span: statement.kind
        for statement in statements(document.text, document.blocks, SplitCounts())
    }
    found: list[str] = []
    heads: set[tuple[int, str]] = set()
    for span in sorted(headings | set(units)):
        text = document.text[slice(*span)]
        if units.get(span) is Kind.TABLE_ROW:
            text = _without_heads(text, heads)
        else:
            heads.clear()
        found += words(text)
    return found


def _without_heads(row: str, heads: set[tuple[int, str]]) -> str:
    """The row without the names of columns that stood in the rows before it already."""
    cells = []
    for place, cell in enumerate(row.split("; ")):
        head, colon, value = cell.partition(": ")
        cells.append(value if colon and (place, head) in heads else cell)
        if colon:
            heads.add((place, head))
    return " ".join(cells)


# What a reader sees.


def _reader_words(path: Path) -> list[str]:
    """The words on the pages, without running headers and footers and without lines of a contents page."""
    shown = subprocess.run(["pdftotext", "-bbox-layout", path, "-"], capture_output=True, check=True).stdout
    pages = [
        [
            _Line(float(x), float(y), html.unescape(" ".join(_WORD.findall(line))))
            for x, y, line in _LINE.findall(page)
        ]
        for page in _PAGE.findall(shown.decode("utf-8", "replace"))
    ]
    rows = [_rows(page) for page in pages]
    edges = [[*page[:_EDGE_LINES], *page[_EDGE_LINES:][-_EDGE_LINES:]] for page in rows]
    repeated = Counter(shape for page in edges for shape in set(map(_shape, page)))
    counting = _counting(edges)
    text: list[str] = []
    for number, page in enumerate(pages):
        dropped = {line for row in rows[number] if _CONTENTS.search(_text(row)) for line in row}
        running = (row for row in edges[number] if _is_running(row, number, repeated, counting))
        dropped.update(line for row in running for line in row)
        text += [line.text for line in page if line not in dropped]
    return words(re.sub(r"(?<=[^\W\d_])[-\u2010]\n(?=[^\W\d_])", "", "\n".join(text)))


def _rows(page: Sequence[_Line]) -> list[list[_Line]]:
    """The page's lines that stand beside each other, from the top down, each row from the left."""
    rows: list[list[_Line]] = []
    for line in sorted(page, key=lambda line: line.y):
        if rows and line.y - rows[-1][0].y < _SAME_ROW_POINTS:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row) for row in rows]


def _text(row: Sequence[_Line]) -> str:
    return " ".join(line.text for line in row)


def _shape(row: Sequence[_Line]) -> tuple[str, int]:
    """What a running row has in common on its pages: its words, and its height to three points."""
    return _NUMBER.sub("#", _text(row)), round(row[0].y / 3)


def _counts(line: str, number: int) -> set[int]:
    """How far the line's first and last number are from the page's, which counts from 0."""
    numbers = [int(found) for found in re.findall(r"\d{1,4}", line)]
    return {found - number for found in numbers[:1] + numbers[-1:]}


def _counting(edges: Sequence[Sequence[Sequence[_Line]]]) -> set[int]:
    """The distances that many pages have in common: those of their printed numbers."""
    votes = Counter(
        distance
        for number, page in enumerate(edges)
        for distance in set().union(*(_counts(_text(row), number) for row in page))
    )
    return {distance for distance, count in votes.items() if count >= _COUNTED_SHARE * len(edges)}


def _is_running(
    row: Sequence[_Line], number: int, repeated: Counter[tuple[str, int]], counting: set[int]
) -> bool:
    text = _text(row)
    return (
        repeated[_shape(row)] >= _LEAST_REPEATS
        or not _NUMBER.sub("", text).strip()
        or not counting.isdisjoint(_counts(text, number))
    )
