"""Word documents (.docx, .docm, .dotx) as their reader sees them, changes accepted.

Headings come from the styles' outline levels; tables become rows; a note follows the block that refers to it. Headers,
footers, comments, contents, deleted and hidden text are left out, and so are the numbers of lists and headings: an entry
more at the top would change all that follow.
"""

from pathlib import Path
from typing import Final

from docradar.documents import IngestReport, Kind
from docradar.errors import ReadError
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.docx_blocks import BlockReader, read_notes
from ingest.readers.docx_fields import core_properties
from ingest.readers.docx_package import Package, open_package
from ingest.readers.docx_styles import TITLE_LEVEL, Styles
from ingest.readers.docx_text import Piece
from ingest.readers.headings import HeadingPath

_USUAL_PART: Final = "word/document.xml"
_OTHERS: Final = {
    "xl/": "it is an Excel workbook; save it as CSV",
    "ppt/": "it is a PowerPoint presentation; save it as PDF",
}


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError for what is no sound Word document, is hostile, or holds more text than is allowed."""
    assembler = _Assembler(TextBuilder(limits))
    with open_package(path, limits) as package:
        part = _main_part(package)
        related = package.related(part)
        styles = Styles(package, related.get("styles"))
        reader = BlockReader(styles, read_notes(package, related, styles, limits))
        for piece in reader.stream(package, part):
            assembler.take(piece)
        assembler.flush()
        fields = core_properties(package)
    text, blocks = assembler.builder.build()
    return ReadDocument(
        text,
        blocks,
        title=assembler.title or fields.title or assembler.first_heading,
        author=fields.author,
        language=fields.language,
        tags=fields.tags,
        created_at=fields.created_at,
        updated_at=fields.updated_at,
        report=IngestReport(
            reader="docx",
            characters_read=len(text),
            macros_dropped=reader.text.dropped,
            warnings=_warnings(reader),
        ),
    )


def _main_part(package: Package) -> str:
    part = package.related().get("officeDocument", _USUAL_PART)
    for folder, kind in _OTHERS.items():
        if part.startswith(folder):
            raise ReadError(kind)
    if part not in package:
        raise ReadError(
            f"it is no Word document: {part[:200]} is missing in it; open it and save it as .docx"
        )
    return part


def _warnings(reader: BlockReader) -> tuple[str, ...]:
    if reader.text.is_in_dropped_field:
        return (
            "its table of contents or an index does not end, and what follows it was left out; update its fields",
        )
    return ()


class _Assembler:
    """Places blocks under their headings; code, which Word has a paragraph a line, becomes whole again."""

    def __init__(self, builder: TextBuilder) -> None:
        self.builder = builder
        self.title: str | None = None
        self.first_heading: str | None = None
        self._headings = HeadingPath()
        self._code: list[str] = []

    def take(self, piece: Piece) -> None:
        if piece.kind is Kind.CODE:
            self._code.append(piece.text)
            return
        self.flush()
        if piece.level is None:
            self.builder.add(piece.text, piece.kind, self._headings.path)
        else:
            self._heading(clean(piece.text).strip(), piece.level)

    def flush(self) -> None:
        """Adds the code that has gathered."""
        if self._code:
            self.builder.add("\n".join(self._code), Kind.CODE, self._headings.path)
            self._code.clear()

    def _heading(self, title: str, level: int) -> None:
        if not title:
            return
        if level == TITLE_LEVEL:
            self.title = self.title or title
        self.first_heading = self.first_heading or title
        self.builder.add(title, Kind.HEADING, self._headings.enter(level, title))
