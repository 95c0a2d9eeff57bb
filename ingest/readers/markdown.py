"""Markdown as its reader sees it: link texts without addresses, table rows with their headers, no marks."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyromark

from docradar.documents import IngestReport, Kind
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.encoding import decode
from ingest.readers.headings import HeadingPath

_OPTIONS: Final = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_TASKLISTS
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_GFM
    | pyromark.Options.ENABLE_YAML_STYLE_METADATA_BLOCKS
)
_INVISIBLE: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_BREAKING_TAG: Final = re.compile(
    r"</?(?:p|div|li|tr|h[1-6]|br|hr|ul|ol|table|summary|details)\b[^<>]*>", re.IGNORECASE
)
_TAG: Final = re.compile(r"<[^<>]*>")
_FRONT_MATTER_FIELD: Final = re.compile(r"^(title|author|tags|language|lang)[ \t]*:[ \t]*(.*)$", re.MULTILINE)

Event = Any  # pyromark gives a string, or a dict of one key: the event's name


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError when the bytes are not text, or hold more of it than is allowed."""
    decoded = decode(path.read_bytes())
    assembler = _Assembler(TextBuilder(limits))
    for event in pyromark.events(clean(decoded.text), options=_OPTIONS):
        name, value = next(iter(event.items())) if isinstance(event, dict) else (event, None)
        assembler.take(name, value)
    text, blocks = assembler.builder.build()
    fields = _front_matter(assembler.front_matter)
    report = IngestReport(
        reader="markdown",
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
        characters_read=len(decoded.text),
        warnings=decoded.warnings,
    )
    return ReadDocument(
        text,
        blocks,
        title=fields.get("title") or assembler.title,
        author=fields.get("author"),
        language=fields.get("language") or fields.get("lang"),
        tags=tuple(_list(fields.get("tags", ""))),
        report=report,
    )


def _front_matter(source: str) -> dict[str, str]:
    """The simple fields, each on its line; anything nested is not ours to read."""
    found = _FRONT_MATTER_FIELD.findall(source)
    return {name: value.strip().strip("\"'") for name, value in found if value.strip()}


def _list(value: str) -> Iterator[str]:
    for part in value.strip("[]").split(","):
        tag = part.strip().strip("\"'")
        if tag:
            yield tag


class _Assembler:
    """Turns the parser's events into blocks: inline text gathers until the block around it ends."""

    def __init__(self, builder: TextBuilder) -> None:
        self.builder = builder
        self.title: str | None = None
        self.front_matter = ""
        self._headings = HeadingPath()
        self._inline: list[str] = []
        self._containers: list[Kind] = []  # the list items and quotes around this place
        self._header: list[str] = []
        self._cells: list[str] = []
        self._code = False
        self._metadata = False

    def take(self, name: str, value: Event) -> None:
        """One event of the parser."""
        if name in ("Start", "End"):
            tag, detail = next(iter(value.items())) if isinstance(value, dict) else (value, None)
            self._start(tag) if name == "Start" else self._end(tag, detail)
        elif name == "Text" and self._metadata:
            self.front_matter += value
        elif name in ("Text", "Code"):
            self._inline.append(value)
        elif name in ("SoftBreak", "HardBreak"):
            self._inline.append("\n" if name == "HardBreak" else _SOFT_BREAK)
        elif name == "InlineHtml" and _BREAKING_TAG.match(value):
            self._inline.append(" ")
        elif name == "Html":
            self._inline.append(value)

    def _start(self, tag: str) -> None:
        if tag in ("Paragraph", "Heading", "List", "CodeBlock", "Table", "HtmlBlock", "BlockQuote", "Item"):
            self._flush()
        if tag == "Item":
            self._containers.append(Kind.LIST_ITEM)
        elif tag == "BlockQuote":
            self._containers.append(Kind.QUOTE)
        elif tag == "MetadataBlock":
            self._metadata = True

    def _end(self, tag: str, detail: Event) -> None:
        if tag == "Heading":
            self._heading(int(str(detail).lstrip("H")))
        elif tag == "CodeBlock":
            self._add("".join(self._inline), Kind.CODE)
        elif tag == "HtmlBlock":
            self._html("".join(self._inline))
        elif tag == "TableCell":
            self._cells.append(self._gathered())
        elif tag == "TableHead":
            self._header, self._cells = self._cells, []
        elif tag == "TableRow":
            self._row()
        elif tag in ("Item", "BlockQuote", "Paragraph", "FootnoteDefinition"):
            self._flush()
            if tag in ("Item", "BlockQuote") and self._containers:
                self._containers.pop()
        elif tag == "MetadataBlock":
            self._metadata = False

    def _gathered(self) -> str:
        """The inline text so far, soft line breaks undone."""
        text = _without_soft_breaks("".join(self._inline))
        self._inline.clear()
        return text.strip()

    def _flush(self) -> None:
        if self._inline:
            self._add(self._gathered(), self._containers[-1] if self._containers else Kind.PARAGRAPH)

    def _add(self, text: str, kind: Kind) -> None:
        self._inline.clear()
        self.builder.add(text, kind, self._headings.path)

    def _heading(self, level: int) -> None:
        title = clean(self._gathered()).replace("\n", " ")
        if not title:
            return
        if level == 1 and self.title is None:
            self.title = title
        self.builder.add(title, Kind.HEADING, self._headings.enter(level, title))

    def _row(self) -> None:
        """`header: value; header: value`, without what is empty."""
        cells = zip(self._cells, self._header + [""] * len(self._cells), strict=False)
        self._add(
            "; ".join(f"{head}: {cell}" if head else cell for cell, head in cells if cell), Kind.TABLE_ROW
        )
        self._cells = []

    def _html(self, source: str) -> None:
        visible = _BREAKING_TAG.sub("\n\n", _INVISIBLE.sub("", source))
        for paragraph in html.unescape(_TAG.sub("", visible)).split("\n\n"):
            self._add(
                " ".join(paragraph.split()), self._containers[-1] if self._containers else Kind.PARAGRAPH
            )


_SOFT_BREAK: Final = "\x1f"  # the parser's input is clean of it
_HAN_BREAK: Final = re.compile(
    "(?<=[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef])\x1f(?=[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef])"
)


def _without_soft_breaks(text: str) -> str:
    return _HAN_BREAK.sub("", text).replace(_SOFT_BREAK, " ")
