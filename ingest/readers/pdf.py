"""PDF: text by page, without what repeats on every page, under the headings of the outline.

Text comes from pypdfium2 where it is installed, else from pypdf, which is twenty times slower. pypdfium2 can be
crashed by hostile files; the sandbox then reads again with `read_with_pypdf`. Blocks end with their page, so a
sentence that runs over a page break becomes two.
"""

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from docradar.documents import IngestReport, Kind
from docradar.errors import ReadError
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.headings import HeadingPath
from ingest.readers.lines import paragraphs
from ingest.readers.pdf_engines import OutlineEntry, Page, PdfFile, open_pdfium, open_pypdf

_EDGE_LINES: Final = 3  # how far from a page's top and bottom headers and footers are looked for
_FURNITURE_SHARE: Final = 0.45
_FURNITURE_PAGES: Final = 3
_GARBLED_SHARE: Final = 0.2
_NUMBER: Final = re.compile(r"\d{1,6}")
_PAGE_NUMBER: Final = re.compile(
    r"[-–—·|\s]{0,8}(?:page|p\.|第)?\s?(\d{1,6})(?:\s?(?:of|/|页?[,，/\s]{0,2}共)\s?\d{1,6})?\s?页?[-–—·|\s]{0,8}",
    re.IGNORECASE,
)
_GARBLED: Final = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]|\\(cid:\\d+\\)")
_CONTENTS_DOTS: Final = re.compile(r"(?:\.\s?|…|·\s?){4,}\s*\d*\s*$")


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError for what is no PDF, is encrypted, needs OCR, or has more pages or text than allowed."""
    return _read(path, limits, open_pdfium if importlib.util.find_spec("pypdfium2") else open_pypdf)


def read_with_pypdf(path: Path, limits: ReadLimits) -> ReadDocument:
    """As `read`, in Python only."""
    return _read(path, limits, open_pypdf)


def _read(
    path: Path, limits: ReadLimits, open_pdf: Callable[[Path], AbstractContextManager[PdfFile]]
) -> ReadDocument:
    with open_pdf(path) as pdf:
        if pdf.page_count > limits.pages:
            raise ReadError(
                f"it has {pdf.page_count:,} pages and {limits.pages:,} are allowed; split it, or raise the setting max_pages"
            )
        pages = list(_pages(pdf, limits))
        outline, title, author, engine = pdf.outline, pdf.title, pdf.author, pdf.engine
    report = _report(pages, engine)
    builder = TextBuilder(limits)
    _add_pages(builder, pages, outline)
    text, blocks = builder.build()
    if not blocks:
        raise ReadError(_why_empty(report))
    return ReadDocument(text, blocks, title=title, author=author, report=report)


def _pages(pdf: PdfFile, limits: ReadLimits) -> Iterator[Page]:
    chars = 0
    for page in pdf.pages():
        chars += len(page.text)
        if chars > limits.text_chars:
            raise ReadError(
                f"it holds more than {limits.text_chars:,} characters of text; split it, or raise the setting max_text_chars"
            )
        yield page


def _report(pages: Sequence[Page], engine: str) -> IngestReport:
    empty = [p.number for p in pages if not p.text.strip()]
    need_ocr = tuple(p.number for p in pages if p.has_image and not p.text.strip())
    garbled = tuple(p.number for p in pages if _is_garbled(p.text))
    warnings = [f"page {p.number} could not be read ({p.error})" for p in pages if p.error][:20]
    if need_ocr:
        warnings.append(f"{len(need_ocr)} of {len(pages)} pages are images and need OCR")
    if garbled:
        warnings.append(f"{len(garbled)} of {len(pages)} pages have fonts that give no readable text")
    return IngestReport(
        reader=f"pdf ({engine})",
        pages=len(pages),
        pages_empty=tuple(number for number in empty if number not in set(need_ocr)),
        pages_garbled=garbled,
        pages_need_ocr=need_ocr,
        characters_read=sum(len(p.text) for p in pages),
        warnings=tuple(warnings),
    )


def _is_garbled(text: str) -> bool:
    visible = sum(map(len, text.split()))
    return visible > 0 and len(_GARBLED.findall(text)) > _GARBLED_SHARE * visible


def _why_empty(report: IngestReport) -> str:
    if report.pages_need_ocr:
        return f"it needs OCR: its {report.pages} pages are images without text; make a searchable PDF of it first"
    if report.pages_garbled:
        return "its fonts give no readable text; print it to a new PDF, or run OCR over it"
    return f"its {report.pages} pages hold no text"


def _add_pages(builder: TextBuilder, pages: Sequence[Page], outline: Sequence[OutlineEntry]) -> None:
    lines_by_page = [_lines(page) for page in pages]
    furniture = _furniture(pages, lines_by_page)
    contents = _Contents(outline)
    for page, lines in zip(pages, lines_by_page, strict=True):
        contents.begin_page(page.number)
        stretch: list[str] = []
        for line in (*_without_furniture(page, lines, furniture), None):
            heading = contents.heading(line, page.number) if line else None
            if line is not None and heading is None:
                stretch.append(line)
                continue
            for kind, text, _ in paragraphs(stretch, hyphenated=True, headings=False):
                builder.add(text, kind, contents.path, page.number)
            stretch = []
            if heading is not None:
                above = contents.enter(heading)
                builder.add(heading.title, Kind.HEADING, above, page.number)


def _lines(page: Page) -> list[str]:
    if _is_garbled(page.text):
        return []
    return [line for line in clean(page.text).split("\n") if not _CONTENTS_DOTS.search(line)]


def _edges(lines: list[str]) -> set[int]:
    filled = [i for i, line in enumerate(lines) if line.strip()]
    return {*filled[:_EDGE_LINES], *filled[-_EDGE_LINES:]}


def _shapes(line: str, page: int) -> set[str]:
    """What a header or footer has in common on all its pages: its words, and a number that counts the pages.

    The line as it is, and with its first, its last or all of its numbers written as their distance to `page`.
    """
    text = " ".join(line.split())
    numbers = list(_NUMBER.finditer(text))
    shapes = {text, _NUMBER.sub(lambda match: f"#{int(match[0]) - page}", text)}
    for number in numbers[:1] + numbers[-1:]:
        shapes.add(f"{text[: number.start()]}#{int(number[0]) - page}{text[number.end() :]}")
    return shapes


def _furniture(pages: Sequence[Page], lines_by_page: list[list[str]]) -> set[str]:
    """Shapes of the lines at the edges of at least every other page."""
    votes: Counter[str] = Counter()
    for page, lines in zip(pages, lines_by_page, strict=True):
        votes.update(set().union(*(_shapes(lines[i], page.number) for i in _edges(lines))))
    filled = sum(1 for lines in lines_by_page if lines)
    # Left and right pages may differ, and a chapter's first page often has none.
    least = max(_FURNITURE_PAGES, _FURNITURE_SHARE * filled)
    return {shape for shape, count in votes.items() if count >= least}


def _without_furniture(page: Page, lines: list[str], furniture: set[str]) -> Iterator[str]:
    edges = _edges(lines)
    for i, line in enumerate(lines):
        if i in edges and (
            _is_page_number(line, page.number) or not furniture.isdisjoint(_shapes(line, page.number))
        ):
            continue
        yield line


def _is_page_number(line: str, page: int) -> bool:
    match = _PAGE_NUMBER.fullmatch(line.strip())
    return match is not None and int(match[1]) == page


class _Contents:
    """Walks the outline along with the pages: a line that repeats an entry's title on its page is that heading."""

    def __init__(self, outline: Sequence[OutlineEntry]) -> None:
        self._entries = sorted(outline, key=lambda entry: entry.page)
        self._next = 0
        self._headings = HeadingPath()

    @property
    def path(self) -> tuple[str, ...]:
        return self._headings.path

    def enter(self, entry: OutlineEntry) -> tuple[str, ...]:
        """Opens the heading; gives the path above it."""
        return self._headings.enter(entry.level, entry.title)

    def begin_page(self, page: int) -> None:
        """Opens what the pages before should have shown, but did not."""
        while self._next < len(self._entries) and self._entries[self._next].page < page:
            self.enter(self._entries[self._next])
            self._next += 1

    def heading(self, line: str, page: int) -> OutlineEntry | None:
        """The entry that `line` is the heading of."""
        key = _letters(line)
        for i in range(self._next, min(self._next + 8, len(self._entries))):
            entry = self._entries[i]
            if entry.page != page:
                break
            if key and key == _letters(entry.title):
                for missed in self._entries[self._next : i]:
                    self.enter(missed)
                self._next = i + 1
                return entry
        return None


def _letters(text: str) -> str:
    """Letters and digits only, lower case: outlines and pages disagree about spaces and dots."""
    return "".join(filter(str.isalnum, text)).lower()
