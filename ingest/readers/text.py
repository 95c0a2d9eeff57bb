"""Plain text: paragraphs by blank lines with soft wraps undone, lists and plain headings; or line by line."""

import re
from pathlib import Path
from typing import Final

from docradar.documents import IngestReport, Kind
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.encoding import Decoded, decode
from ingest.readers.headings import HeadingPath
from ingest.readers.lines import is_title, paragraphs

_BLANKS: Final = re.compile(r"[\t\u3000\xa0 ]*\t[\t\u3000\xa0 ]*")


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError when the bytes are not text, or hold more of it than is allowed."""
    decoded = decode(path.read_bytes())
    builder = TextBuilder(limits)
    headings = HeadingPath()
    title: str | None = None
    for place, (kind, text, level) in enumerate(paragraphs(clean(decoded.text).split("\n"))):
        if place == 0 and is_title(text):
            title = text
        if kind is Kind.HEADING:
            builder.add(text, kind, headings.enter(level, text))
        else:
            builder.add(text, kind, headings.path)
    return _document(builder, decoded, "text", title)


def read_lines(path: Path, limits: ReadLimits) -> ReadDocument:
    """One line, one block: blank lines go, tabs become single spaces, everything else stays.

    Raises ReadError as `read` does.
    """
    decoded = decode(path.read_bytes())
    builder = TextBuilder(limits)
    for line in clean(decoded.text).split("\n"):
        builder.add(_BLANKS.sub(" ", line), Kind.LINE)
    return _document(builder, decoded, "lines", None)


def _document(builder: TextBuilder, decoded: Decoded, reader: str, title: str | None) -> ReadDocument:
    text, blocks = builder.build()
    report = IngestReport(
        reader=reader,
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
        characters_read=len(decoded.text),
        warnings=decoded.warnings,
    )
    return ReadDocument(text, blocks, title=title, report=report)
