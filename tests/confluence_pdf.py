"""The PDF export of a space: a contents page with dotted lines, then its pages, a running header and footer on each.

The built-in fonts of PDF have no Chinese, so what of the space they can show is in it and the rest is not. `tests/data`
has a Chinese PDF.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from confluence_expected import line_text
from confluence_model import Block, Export, Heading, Listing, Page, Paragraph, Space
from fpdf import FPDF

from docradar.documents import Kind
from ingest.readers.document import ReadLimits, TextBuilder
from ingest.readers.headings import HeadingPath
from ingest.units import SplitCounts, statements

_HEADER: Final = "Lumen Pay internal handbook"
_FOOTER: Final = "Exported on 24 Nov 2026, page"
PDF_FURNITURE: Final = (_HEADER, _FOOTER, "Table of Contents", "....")
"""What no unit of the PDF export may hold."""

_LINE_MM: Final = 6


@dataclass(frozen=True, slots=True)
class _Piece:
    """A heading, paragraph or list item; `path` is that above it, page titles included, with its own text for a heading."""

    kind: Kind
    text: str
    path: tuple[str, ...]


class _Pdf(FPDF):
    def header(self) -> None:
        self.set_font("helvetica", size=8)
        self.cell(text=_HEADER, new_x="LMARGIN", new_y="NEXT")
        self.ln(8)

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("helvetica", size=8)
        self.cell(text=f"{_FOOTER} {self.page_no()}")


def pdf_export(space: Space) -> bytes:
    """A4, a page of the space beginning on a page of the paper; titles and headings are in the outline."""
    pages = [(page, list(_pieces(space, page))) for page in _latin_pages(space)]
    document = _Pdf(format="A4")
    document.set_auto_page_break(True, margin=22)
    document.set_title(space.key)
    document.add_page()
    document.set_font("helvetica", "B", 16)
    document.cell(text="Table of Contents", new_x="LMARGIN", new_y="NEXT", h=10)
    document.set_font("helvetica", size=11)
    for number, (page, _) in enumerate(pages, start=2):
        document.cell(text=_dotted(document, page.title, number), new_x="LMARGIN", new_y="NEXT", h=_LINE_MM)
    for _, pieces in pages:
        document.add_page()
        for piece in pieces:
            _write(document, piece)
    return bytes(document.output())


def pdf_units(space: Space) -> list[tuple[Kind, str, tuple[str, ...]]]:
    """The units of the PDF export: kind, text, and the path that its outline gives; a list item keeps its number."""
    builder = TextBuilder(ReadLimits())
    for page in _latin_pages(space):
        for piece in _pieces(space, page):
            path = piece.path[:-1] if piece.kind is Kind.HEADING else piece.path
            builder.add(piece.text, piece.kind, path)
    text, blocks = builder.build()
    return [
        (statement.kind, text[slice(*statement.span)], statement.heading_path)
        for statement in statements(text, blocks, SplitCounts())
    ]


def _latin_pages(space: Space) -> list[Page]:
    """In the order of the tree, those whose own and whose ancestors' titles can be shown."""

    def below(parent: int | None) -> Iterator[Page]:
        for page in space.children(parent):
            if _is_latin(page.title):
                yield page
                yield from below(page.id)

    return list(below(None))


def _pieces(space: Space, page: Page) -> Iterator[_Piece]:
    above = (*(ancestor.title for ancestor in space.ancestors(page)), page.title)
    headings = HeadingPath()
    yield _Piece(Kind.HEADING, page.title, above)
    for block in page.body:
        if isinstance(block, Heading):
            if block.text and _is_latin(block.text):
                headings.enter(block.level, block.text)
                yield _Piece(Kind.HEADING, block.text, (*above, *headings.path))
        else:
            for kind, text in _texts(block):
                if text and _is_latin(text):
                    yield _Piece(kind, text, (*above, *headings.path))


def _texts(block: Block) -> Iterator[tuple[Kind, str]]:
    match block:
        case Paragraph():
            yield Kind.PARAGRAPH, " ".join(line_text(block.line, Export.HTML).split())
        case Listing(numbered=True):
            for number, entry in enumerate(block.entries, start=1):
                yield Kind.LIST_ITEM, f"{number}. {line_text(entry.line, Export.HTML)}"


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def _dotted(document: FPDF, title: str, number: int) -> str:
    room = document.epw - document.get_string_width(f"{title}  {number}") - 4
    return f"{title} {'.' * int(room / document.get_string_width('.'))} {number}"


def _write(document: FPDF, piece: _Piece) -> None:
    if piece.kind is Kind.HEADING:
        document.set_font("helvetica", "B", 14)
        document.start_section(piece.text, level=len(piece.path) - 1)
    else:
        document.set_font("helvetica", size=11)
    document.multi_cell(0, _LINE_MM, piece.text, new_x="LMARGIN", new_y="NEXT")
    document.ln(2)
