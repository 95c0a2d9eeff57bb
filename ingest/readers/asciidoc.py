"""AsciiDoc as its reader sees it: a parser of lines for what documents are made of.

Nothing is ever included from other files; what was to be is counted in the report. Of conditions, all branches are read.
"""

from pathlib import Path
from typing import Final

from docradar.documents import IngestReport
from ingest.readers.asciidoc_blocks import Parser
from ingest.readers.dates import parse_date
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.encoding import decode
from ingest.readers.markup_lines import not_included

_TAB_COLUMNS: Final = 4


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError when the bytes are not text, or hold more of it than is allowed."""
    decoded = decode(path.read_bytes())
    parser = Parser(TextBuilder(limits))
    parser.parse([line.expandtabs(_TAB_COLUMNS).rstrip() for line in clean(decoded.text).split("\n")])
    text, blocks = parser.builder.build()
    attributes = parser.attributes
    warnings = list(decoded.warnings)
    if parser.includes:
        warnings.append(not_included(parser.includes))
    keywords = (tag.strip() for tag in attributes.get("keywords", "").split(","))
    return ReadDocument(
        text,
        blocks,
        title=parser.title,
        author=attributes.get("author") or attributes.get("authors") or None,
        language=attributes.get("lang", "")[:2].lower() or None,
        tags=tuple(filter(None, keywords)),
        updated_at=parse_date(attributes.get("revdate", "")),
        report=IngestReport(
            reader="asciidoc",
            encoding=decoded.encoding,
            encoding_confidence=decoded.confidence,
            characters_read=len(decoded.text),
            macros_dropped=parser.dropped,
            warnings=tuple(warnings),
        ),
    )
