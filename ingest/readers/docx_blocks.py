"""The body of a Word document → its blocks in order."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lxml import etree

from docradar.documents import Kind
from docradar.errors import ReadError
from ingest.readers.document import ReadLimits
from ingest.readers.docx_package import Package, attribute, child, name_of
from ingest.readers.docx_styles import Styles
from ingest.readers.docx_tables import CellContent, Table
from ingest.readers.docx_text import Inline, Piece, TextReader, alternative

Notes = Mapping[tuple[str, str], tuple[str, ...]]
"""(part, id) → the paragraphs of a note."""

_STREAMED: Final = (
    "w:p", "w:tbl", "w:tr", "w:sdt", "w:customXml", "w:ins", "w:moveTo", "w:altChunk", "mc:AlternateContent",
)  # fmt: skip
_TRANSPARENT: Final = frozenset({"w:sdtContent", "w:customXml", "w:ins", "w:moveTo", "w:smartTag"})
_CONTENTS_GALLERIES: Final = frozenset({"Table of Contents", "目录"})


class BlockReader:
    """Reads blocks in order; what a note says comes after the block that refers to it, once."""

    def __init__(self, styles: Styles, notes: Notes) -> None:
        self.text = TextReader(styles)
        self._styles = styles
        self._notes = dict(notes)
        self._notes_due: list[str] = []
        self._all_bold = True

    def stream(self, package: Package, part: str) -> Iterator[Piece]:
        """The blocks of the document's main part, which is never in memory whole."""
        table: Table | None = None
        root_checked = False
        for element in package.elements(part, _STREAMED):
            if not root_checked:
                _check_root(element)
                root_checked = True
            parent = element.getparent()
            place = name_of(parent) if parent is not None else ""
            if place == "w:tbl" and name_of(parent.getparent()) == "w:body":
                if table is None:
                    table = Table(self._cell)
                    yield from self._rest()
                yield from self._with_notes(table.add(element))
            elif place == "w:body" and name_of(element) == "w:tbl":
                yield from self._with_notes(table.finish() if table is not None else ())
                table = None
            elif place == "w:body":
                yield from self._with_notes(self._block(element))
            else:
                continue
            _release(element)
        yield from self._with_notes(self._rest())

    def story(self, container: etree._Element) -> Iterator[Piece]:
        """The blocks of what is a text of its own: a note, a text box, a cell. The notes that it refers to are not among them."""
        yield from self._pieces(container)
        yield from self._rest()

    def _pieces(self, container: etree._Element) -> Iterator[Piece]:
        for element in container:
            yield from self._block(element)

    def _rest(self) -> Iterator[Piece]:
        """What was to join a paragraph that did not come."""
        yield from self._paragraphs(self.text.rest(), Kind.PARAGRAPH, None)

    def _with_notes(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            yield piece
            yield from self._due()
        yield from self._due()

    def _due(self) -> Iterator[Piece]:
        for text in self._notes_due:
            yield Piece(Kind.PARAGRAPH, text)
        self._notes_due.clear()

    def _block(self, element: etree._Element) -> Iterator[Piece]:
        name = name_of(element)
        if name == "w:p":
            yield from self._paragraph(element)
        elif name == "w:tbl":
            yield from self._table(element)
        elif name == "w:sdt":
            content = child(element, "w:sdtContent")
            if content is not None and not _is_contents(element):
                yield from self._pieces(content)
        elif name == "mc:AlternateContent":
            branch = alternative(element)
            if branch is not None:
                yield from self._pieces(branch)
        elif name == "w:altChunk":
            self.text.count_dropped("embedded document")
        elif name in _TRANSPARENT:
            yield from self._pieces(element)

    def _paragraph(self, element: etree._Element) -> Iterator[Piece]:
        properties = child(element, "w:pPr")
        role = self._styles.paragraph_role(properties)
        inline = self.text.read(element, properties, role)
        if inline is not None and not role.in_contents:
            yield from self._paragraphs(inline, role.kind, role.level)

    def _paragraphs(self, inline: Inline, kind: Kind, level: int | None) -> Iterator[Piece]:
        """A paragraph, and after it the text boxes that are anchored in it."""
        text = inline.source if kind is Kind.CODE else inline.text
        if text and level is not None:
            yield Piece(Kind.HEADING, " ".join(text.split()), level)
        elif text or kind is Kind.CODE:  # code may hold empty lines
            yield Piece(kind, text)
        if text and not inline.bold:
            self._all_bold = False
        for reference in inline.notes:
            self._notes_due += self._notes.pop(reference, ())
        for box in inline.boxes:
            yield from self.story(box)

    def _table(self, element: etree._Element) -> Iterator[Piece]:
        yield from self._rest()
        table = Table(self._cell)
        for below in element:
            yield from table.add(below)
        yield from table.finish()

    def _cell(self, element: etree._Element) -> CellContent:
        around, self._all_bold = self._all_bold, True
        pieces = tuple(piece for piece in self.story(element) if piece.text)
        bold, self._all_bold = self._all_bold, around and self._all_bold
        return CellContent(pieces, bold)


def read_notes(package: Package, parts: Mapping[str, str], styles: Styles, limits: ReadLimits) -> Notes:
    """The foot- and endnotes of a document whose parts these are, by their relationships.

    Raises:
        ReadError: They hold more text than is allowed.
    """
    notes: dict[tuple[str, str], tuple[str, ...]] = {}
    left_chars = limits.text_chars
    for kind, name in (("footnotes", "w:footnote"), ("endnotes", "w:endnote")):
        part = parts.get(kind)
        if part is None or part not in package:
            continue
        for element in package.elements(part, (name,)):
            texts = tuple(piece.text for piece in BlockReader(styles, {}).story(element) if piece.text)
            left_chars -= sum(map(len, texts))
            if left_chars < 0:
                raise ReadError(
                    f"its notes hold more than {limits.text_chars:,} characters; split it, or raise the setting max_text_chars"
                )
            notes[kind, attribute(element, "id") or ""] = texts
            _release(element)
    return notes


def _is_contents(control: etree._Element) -> bool:
    """Whether a content control holds the table of contents that Word inserts."""
    gallery = child(control, "w:sdtPr", "w:docPartObj", "w:docPartGallery")
    return gallery is not None and attribute(gallery, "val") in _CONTENTS_GALLERIES


def _check_root(element: etree._Element) -> None:
    root = element.getroottree().getroot()
    if name_of(root) != "w:document":
        raise ReadError(
            f"its main part is a {str(root.tag)[:100]} where Word has a document; open it in Word or LibreOffice and save it anew"
        )


def _release(element: etree._Element) -> None:
    """Frees what was read: the element's content, and all that stands before it."""
    parent = element.getparent()
    element.clear()
    if parent is not None:
        while parent[0] is not element:
            del parent[0]
