"""PDF: text by page, without what repeats on every page, under the headings of the outline.

Text comes from pypdfium2 where it is installed, else from pypdf, which is many times slower and gives no places: what is
told from places (columns, tables, headings without an outline) then comes as the file draws it. pypdfium2 can be
crashed by hostile files; the sandbox then reads again with `read_with_pypdf`. Blocks end with their page, so a
sentence that runs over a page break becomes two.
"""

import importlib.util
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from docradar.documents import IngestReport, Kind
from docradar.errors import ReadError
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.pdf_furniture import Furniture, Leaf
from ingest.readers.pdf_headings import Contents, HeadingSizes, with_levels
from ingest.readers.pdf_layout import lay_out
from ingest.readers.pdf_legibility import is_garbled, needs_ocr
from ingest.readers.pdf_lines import Line, is_contents_line, without_contents_title
from ingest.readers.pdf_page import OutlineEntry, Page, PdfFile
from ingest.readers.pdf_paragraphs import Hyphens, paragraphs_of, stretches
from ingest.readers.pdf_pdfium import open_pdfium
from ingest.readers.pdf_pypdf import open_pypdf
from ingest.readers.pdf_segments import joined_lines

_LISTED_ERRORS: Final = 20
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_CJK_LANGUAGES: Final = ("zh", "ja", "ko")


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
        gathered = _Gathered()
        for page in pdf.pages():
            gathered.take(page, limits)
        outline, fields, engine = pdf.outline, pdf.fields, pdf.engine
    report = gathered.report(engine)
    builder = TextBuilder(limits)
    _add_pages(builder, gathered.leaves, outline)
    text, blocks = builder.build()
    if not blocks or len(report.pages_need_ocr) == report.pages:
        raise ReadError(_why_empty(report))
    return ReadDocument(
        text,
        blocks,
        title=fields.title,
        author=fields.author,
        language=_sound_language(fields.language, text),
        created_at=fields.created_at,
        updated_at=fields.updated_at,
        report=report,
    )


@dataclass(slots=True)
class _Gathered:
    """What is kept of the pages read so far: their lines, and what is to be reported."""

    leaves: list[Leaf] = field(default_factory=list)
    characters: int = 0
    empty: list[int] = field(default_factory=list)
    garbled: list[int] = field(default_factory=list)
    need_ocr: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def take(self, page: Page, limits: ReadLimits) -> None:
        """Raises ReadError when the pages hold more text than is allowed."""
        self.characters += len(page.text)
        if self.characters > limits.text_chars:
            raise ReadError(
                f"it holds more than {limits.text_chars:,} characters of text; split it, or raise the setting max_text_chars"
            )
        garbled = is_garbled(page)
        if garbled:
            self.garbled.append(page.number)
        if needs_ocr(page):
            self.need_ocr.append(page.number)
        elif not page.text.strip():
            self.empty.append(page.number)
        if page.error and len(self.errors) < _LISTED_ERRORS:
            self.errors.append(f"page {page.number} could not be read ({page.error})")
        lines = [] if garbled else without_contents_title(list(_lines(page)), page.text)
        self.leaves.append(Leaf(page.number, lines))

    def report(self, engine: str) -> IngestReport:
        """What a person should know of how the file was read."""
        pages = len(self.leaves)
        warnings = list(self.errors)
        if self.need_ocr:
            warnings.append(f"{len(self.need_ocr)} of {pages} pages are images and need OCR")
        if self.garbled:
            warnings.append(f"{len(self.garbled)} of {pages} pages have fonts that give no readable text")
        return IngestReport(
            reader=f"pdf ({engine})",
            pages=pages,
            pages_empty=tuple(self.empty),
            pages_garbled=tuple(self.garbled),
            pages_need_ocr=tuple(self.need_ocr),
            characters_read=self.characters,
            warnings=tuple(warnings),
        )


def _lines(page: Page) -> Iterator[Line]:
    """The page's lines in reading order, without those of a contents page."""
    if page.rows is not None:
        yield from lay_out(page)
        return
    for text in clean(page.text).split("\n"):
        if not is_contents_line(text):
            yield Line(text)


def _why_empty(report: IngestReport) -> str:
    if report.pages_need_ocr:
        return f"it needs OCR: its {report.pages} pages are images without text; make a searchable PDF of it first"
    if report.pages_garbled:
        return "its fonts give no readable text; print it to a new PDF, or run OCR over it"
    if report.warnings:
        return f"none of its {report.pages} pages could be read: {report.warnings[0]}; export it again"
    return f"its {report.pages} pages hold no text"


def _sound_language(language: str | None, text: str) -> str | None:
    """The language that the file names; None where its script says otherwise: programs name their own user's."""
    if language is None:
        return None
    sample = text[:20_000]
    share = len(_CJK.findall(sample)) / max(1, len(sample))
    return language if (language in _CJK_LANGUAGES) == (share > 0.1) else None


def _add_pages(builder: TextBuilder, leaves: Sequence[Leaf], outline: Sequence[OutlineEntry]) -> None:
    furniture = Furniture(leaves, (entry.title for entry in outline))
    own = [Leaf(leaf.number, furniture.without(leaf)) for leaf in leaves]
    lines = [leaf.lines for leaf in own]
    writer = _Writer(builder, Hyphens(lines), Contents(outline), HeadingSizes([] if outline else lines))
    for leaf in own:
        writer.add_page(leaf)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes the pages' lines as blocks, each under its headings."""

    builder: TextBuilder
    hyphens: Hyphens
    contents: Contents
    sizes: HeadingSizes

    def add_page(self, leaf: Leaf) -> None:
        self.contents.begin_page(leaf.number)
        for level, stretch in with_levels(stretches(leaf.lines), self.sizes):
            text = self.hyphens.undone(joined_lines([line.text for line in stretch]))
            outlined = self.contents.level(text, leaf.number)
            if level or outlined:
                self._add_heading(outlined or level, text, leaf.number)
            else:
                self._add_text(stretch, leaf.number)

    def _add_text(self, stretch: Sequence[Line], page: int) -> None:
        """A stretch's text, and the headings among its lines."""
        text: list[Line] = []
        for line in stretch:
            level = self.contents.level(line.text, page)
            if level:
                self._add_paragraphs(text, page)
                self._add_heading(level, line.text, page)
                text = []
            else:
                text.append(line)
        self._add_paragraphs(text, page)

    def _add_heading(self, level: int, text: str, page: int) -> None:
        title = clean(" ".join(text.split()))
        self.builder.add(title, Kind.HEADING, self.contents.enter(level, title), page)

    def _add_paragraphs(self, stretch: Sequence[Line], page: int) -> None:
        if stretch:
            for kind, text, _ in paragraphs_of(stretch):
                self.builder.add(self.hyphens.undone(text), kind, self.contents.path, page)
