"""reStructuredText as its reader sees it: a parser of lines for what documents are made of, Sphinx's directives included.

Nothing is ever included from other files; what was to be is counted in the report.
"""

from pathlib import Path
from typing import Final

from docradar.documents import IngestReport
from ingest.readers.dates import parse_date
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.encoding import decode
from ingest.readers.markup_lines import not_included
from ingest.readers.rst_blocks import Parser
from ingest.readers.rst_inline import substitutions

_TAB_COLUMNS: Final = 8


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError when the bytes are not text, or hold more of it than is allowed."""
    decoded = decode(path.read_bytes())
    lines = [line.expandtabs(_TAB_COLUMNS).rstrip() for line in clean(decoded.text).split("\n")]
    parser = Parser(TextBuilder(limits), substitutions(lines))
    parser.parse(lines)
    text, blocks = parser.builder.build()
    warnings = list(decoded.warnings)
    if parser.includes:
        warnings.append(not_included(parser.includes))
    return ReadDocument(
        text,
        blocks,
        title=parser.title,
        author=parser.fields.get("author") or parser.fields.get("authors"),
        language=parser.fields.get("language"),
        tags=tuple(filter(None, (tag.strip() for tag in parser.fields.get("keywords", "").split(",")))),
        created_at=parse_date(parser.fields.get("date", "")),
        report=IngestReport(
            reader="rst",
            encoding=decoded.encoding,
            encoding_confidence=decoded.confidence,
            characters_read=len(decoded.text),
            macros_dropped=parser.dropped,
            warnings=tuple(warnings),
        ),
    )
