"""The blocks of AsciiDoc: titles, paragraphs, items, delimited blocks, tables."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from docradar.documents import Kind
from ingest.readers.asciidoc_inline import resolved, shown
from ingest.readers.asciidoc_tables import table_rows
from ingest.readers.document import TextBuilder, clean
from ingest.readers.headings import HeadingPath
from ingest.readers.markup_lines import indented_end, joined, padded
from ingest.readers.rows import column_name, row_text

_MOST_NESTED: Final = 40
_ATTRIBUTE_CHARS: Final = 1000
_TITLE_CHARS: Final = 300
_SECTION: Final = re.compile(r"(={1,6}|#{1,6})[ ]+(\S.*?)(?:[ ]+\1)?$")
_UNDERLINES: Final = "=-~^+"
_DELIMITER: Final = re.compile(
    r"(?:-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|--|```+.*|~~~~+|[|,:!]={3,})$"
)
_ATTRIBUTE: Final = re.compile(r":(!?[A-Za-z0-9_][\w-]*!?):(?:[ ]+(.*))?$")
_BLOCK_ATTRIBUTES: Final = re.compile(r"\[(?:\[[^\]]*\]|[^\]\[]*(?:\[[^\]\[]*\][^\]\[]*)*)\]$")
_BLOCK_TITLE: Final = re.compile(r"\.([^\s.].*)$")
_MACRO: Final = re.compile(
    r"(include|image|video|audio|toc|ifdef|ifndef|ifeval|endif|menu|icon|leveloffset)::([^\[\]]*)\[(.*)\]$"
)
_ITEM: Final = re.compile(
    r"[ ]*(?:\*{1,6}|-|\.{1,6}|\d{1,4}\.|[A-Za-z]\.|[ivxIVX]{1,6}\)|<(?:\d{1,3}|\.)>)[ ]+(?:\[[ xX*]\][ ]+)?(?=\S)"
)
_TERM: Final = re.compile(r"[ ]*(\S.*?)(?::{2,4}|;;)(?:[ ]+(.*))?$")
_ADMONITION: Final = re.compile(r"(?:NOTE|TIP|IMPORTANT|WARNING|CAUTION): ")
_AUTHORS: Final = re.compile(
    r"[^\W\d_][\w.'-]{0,40}(?: [\w.'-]{1,40}){0,3}(?: <[^<>]{1,200}>)?(?:; ?[^\W\d_][\w.'-]{0,40}(?: [\w.'-]{1,40}){0,3}(?: <[^<>]{1,200}>)?){0,20}"
)
_REVISION: Final = re.compile(r"v?\d[^:]{0,100}(?::.{0,200})?", re.IGNORECASE)
_ATTACHED: Final = "+"
_BREAK: Final = re.compile(r"'{3,}|<{3,}|(?:- ?){3}|(?:\* ?){3}")
_HARD_BREAK: Final = " +"
_DEFINITION_CHARS: Final = 400
_CALLOUT: Final = re.compile(r".*?(<(?:\d{1,3}|\.)>)$")
_VERBATIM: Final = frozenset("-.`~")
_COMMENT: Final = "/"


class Parser:
    """Reads lines, and what delimited blocks hold, into the builder."""

    def __init__(self, builder: TextBuilder) -> None:
        self.builder = builder
        self.title: str | None = None
        self.attributes: dict[str, str] = {}
        self.includes: list[str] = []
        self.dropped: dict[str, int] = {}
        self._headings = HeadingPath()
        self._style = ""
        self._named: dict[str, str] = {}
        self._is_attached = False

    def parse(self, lines: Sequence[str], kind: Kind = Kind.PARAGRAPH, depth: int = 0) -> None:
        """Adds the blocks of these lines; `kind` is that of paragraphs among them."""
        at = 0
        unclosed: set[str] = set()
        while at < len(lines):
            line = lines[at]
            if not line.strip() or (line.startswith("//") and not _DELIMITER.match(line)):
                at += 1
            elif line == _ATTACHED:  # what follows belongs to the item above
                self._is_attached = True
                at += 1
            elif _DELIMITER.match(line) and (
                end := self._delimited(lines, at, self._kind(kind), depth, unclosed)
            ):
                at = end
            elif self._take_mark(line):
                at += 1
            else:
                at = self._block(lines, at, self._kind(kind), depth)
                self._style, self._named = "", {}

    def _kind(self, kind: Kind) -> Kind:
        """What paragraphs are here."""
        attached, self._is_attached = self._is_attached, False
        return Kind.LIST_ITEM if attached else kind

    def _take_mark(self, line: str) -> bool:
        """Reads a line that says something of the block below it, or of the document."""
        if line.startswith(":") and (match := _ATTRIBUTE.match(line)):
            self._set_attribute(match[1], match[2] or "")
        elif line.startswith("[") and _BLOCK_ATTRIBUTES.match(line):
            self._read_attributes(line[1:-1])
        elif line.startswith(".") and (match := _BLOCK_TITLE.match(line)):
            self._add(match[1], Kind.PARAGRAPH)
        elif "::" in line and (match := _MACRO.match(line)):
            self._macro(match[1], match[2], match[3])
        else:
            return bool(_BREAK.fullmatch(line))
        return True

    def _set_attribute(self, name: str, value: str) -> None:
        if name.startswith("!") or name.endswith("!"):
            self.attributes.pop(name.strip("!").lower(), None)
        elif len(self.attributes) < 1000:
            self.attributes[name.lower()] = resolved(value, self.attributes)[:_ATTRIBUTE_CHARS]

    def _read_attributes(self, content: str) -> None:
        for place, part in enumerate(
            re.split(r",(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", content[:_ATTRIBUTE_CHARS])
        ):
            name, equals, value = part.strip().partition("=")
            if equals:
                self._named[name.strip()] = value.strip().strip('"')
            elif place == 0:
                self._style = re.split(r"[.#%]", name)[0].lower()
            if "%" in name and not equals:
                self._named["options"] = f"{self._named.get('options', '')},{name.partition('%')[2]}"

    def _macro(self, name: str, target: str, content: str) -> None:
        if name == "include":
            self.includes.append(target[:100])
        elif name in ("ifdef", "ifndef") and content:
            self._add(content, Kind.PARAGRAPH)

    def _block(self, lines: Sequence[str], at: int, kind: Kind, depth: int) -> int:
        """Reads the block at a line that is neither blank nor a mark, and returns where the next one begins."""
        line = lines[at]
        if depth == 0 and (end := self._section(lines, at)):
            return end
        if _ITEM.match(line):
            return self._item(lines, at)
        if "::" in line or ";;" in line:
            match = _TERM.match(line)
            if match and not line.startswith(("http://", "https://")):
                return self._described(lines, at, match[1], match[2] or "")
        if line.startswith(" "):
            end = indented_end(lines, at)
            stop = next((place for place in range(at, end) if not lines[place].strip()), end)
            self._add_code(lines[at:stop])
            return stop
        if line.startswith("|===") or _DELIMITER.match(line):  # a delimiter without its end
            return at + 1
        return self._paragraph(lines, at, kind)

    def _section(self, lines: Sequence[str], at: int) -> int:
        """Reads a title, with marks before it or a line under it; 0 where there is none."""
        match = _SECTION.match(lines[at])
        if match:
            title, level, end = match[2], len(match[1]), at + 1
        elif at + 1 < len(lines) and _is_underline(lines[at], lines[at + 1]):
            title, level, end = lines[at], _UNDERLINES.index(lines[at + 1][0]) + 1, at + 2
        else:
            return 0
        is_first = self.title is None
        title = clean(self._shown(title)).strip()
        if title:
            self.title = self.title or title
            self.builder.add(title, Kind.HEADING, self._headings.enter(level, title))
        return self._header_lines(lines, end) if is_first and level == 1 else end

    def _header_lines(self, lines: Sequence[str], at: int) -> int:
        """Reads who wrote the document and when, in the lines below its title."""
        if at < len(lines) and _AUTHORS.fullmatch(lines[at]):
            names = (part.partition("<")[0].strip() for part in lines[at].split(";"))
            self.attributes.setdefault("author", ", ".join(names))
            at += 1
            if at < len(lines) and _REVISION.fullmatch(lines[at]):
                self.attributes.setdefault("revdate", lines[at])
                at += 1
        return at

    def _delimited(self, lines: Sequence[str], at: int, kind: Kind, depth: int, unclosed: set[str]) -> int:
        """Reads a block between two equal lines; 0 where the second is missing, which `unclosed` remembers."""
        mark = lines[at]
        close = "```" if mark.startswith("```") else mark
        end = 0
        if close not in unclosed:
            end = next((place for place in range(at + 1, len(lines)) if lines[place] == close), 0)
        if not end:
            unclosed.add(close)
            return 0
        inner, style, named = list(lines[at + 1 : end]), self._style, dict(self._named)
        self._style, self._named = "", {}
        if mark[0] in "|,:!":
            self._table(inner, named, mark)
        elif mark[0] in _VERBATIM and mark != "--":
            self._add_code(inner)
        elif mark[0] == "+" or style in ("stem", "latexmath", "asciimath"):
            self._passthrough(inner, style)
        elif mark[0] != _COMMENT and style != "comment":
            self._nested(inner, Kind.QUOTE if mark[0] == "_" or style == "quote" else kind, style, depth)
        return end + 1

    def _passthrough(self, inner: Sequence[str], style: str) -> None:
        """A formula stands as it is written; raw markup is not for readers."""
        if style:
            self._add_code(inner)
        else:
            self.dropped["passthrough"] = self.dropped.get("passthrough", 0) + 1

    def _nested(self, inner: Sequence[str], kind: Kind, style: str, depth: int) -> None:
        if style in ("source", "listing", "literal"):
            self._add_code(inner)
        elif depth < _MOST_NESTED:
            self.parse(inner, kind, depth + 1)
        else:
            self._add(joined(inner), kind)

    def _table(self, lines: Sequence[str], named: Mapping[str, str], mark: str) -> None:
        header, rows = table_rows(lines, named, mark)
        names = [column_name(self._shown(name)) for name in header]
        for row in rows:
            self.builder.add(
                row_text(names, [self._shown(cell) for cell in row]), Kind.TABLE_ROW, self._headings.path
            )

    def _item(self, lines: Sequence[str], at: int) -> int:
        match = _ITEM.match(lines[at])
        assert match is not None
        end = self._text_end(lines, at + 1)
        self._add_lines([lines[at][match.end() :], *lines[at + 1 : end]], Kind.LIST_ITEM)
        return end

    def _described(self, lines: Sequence[str], at: int, term: str, first: str) -> int:
        """A term and what is said of it, in one statement where that is short."""
        start = end = at + 1
        while not first and start < len(lines) and not lines[start].strip():
            start += 1
        if first:
            end = self._text_end(lines, start)
        elif start < len(lines) and not _begins_block(lines[start]) and not _SECTION.match(lines[start]):
            end = self._text_end(lines, start + 1)
        text = joined([first, *lines[at + 1 : end]])
        if text and len(text) <= _DEFINITION_CHARS:
            self._add(f"{term}: {text}", Kind.LIST_ITEM)
        else:
            self._add(term, Kind.LIST_ITEM)
            self._add(text, Kind.LIST_ITEM)
        return end

    def _text_end(self, lines: Sequence[str], at: int) -> int:
        """Where the text that goes on at a line ends: at a blank line, or at one that begins something else."""
        while at < len(lines) and lines[at].strip() and not _begins_block(lines[at]):
            at += 1
        return at

    def _paragraph(self, lines: Sequence[str], at: int, kind: Kind) -> int:
        end = self._text_end(lines, at + 1)
        stretch = list(lines[at:end])
        stretch[0] = _ADMONITION.sub("", stretch[0], count=1)
        if self._style in ("source", "listing", "literal"):
            self._add_code(stretch)
        elif self._style in ("quote", "verse"):
            self._add_lines(stretch, Kind.QUOTE)
        elif self._style != "comment":
            self._add_lines(stretch, kind)
        return end

    def _add_lines(self, lines: Sequence[str], kind: Kind) -> None:
        """Adds a text; a plus sign at a line's end breaks it there."""
        parts: list[list[str]] = [[]]
        for line in lines:
            parts[-1].append(line.removesuffix(_HARD_BREAK))
            if line.endswith(_HARD_BREAK):
                parts.append([])
        self._add("\n".join(filter(None, map(joined, parts))), kind)

    def _add_code(self, lines: Sequence[str]) -> None:
        self.builder.add("\n".join(_without_callouts(line) for line in lines), Kind.CODE, self._headings.path)

    def _add(self, text: str, kind: Kind) -> None:
        self.builder.add(self._shown(text), kind, self._headings.path)

    def _shown(self, text: str) -> str:
        return shown(text, self.attributes)


def _without_callouts(line: str) -> str:
    """A line of code without the numbers in angle brackets that refer to its explanation, and their comment marks."""
    if not line.endswith(">"):
        return line
    code = line
    while (match := _CALLOUT.match(code[-5:])) and code:
        code = code[: len(code) - len(match[1])].rstrip()
    return code if code == line else code.removesuffix("//").removesuffix("#").removesuffix("--").rstrip()


def _begins_block(line: str) -> bool:
    """Whether a line within a paragraph ends it."""
    if line == _ATTACHED or line.startswith("//") or _ITEM.match(line) or _DELIMITER.match(line):
        return True
    if line.startswith("[") and _BLOCK_ATTRIBUTES.match(line):
        return True
    return "::" in line and (bool(_MACRO.match(line)) or bool(_TERM.match(line)))


def _is_underline(title: str, line: str) -> bool:
    """Whether `line` stands under a title: it is of one kind of character, and about as long."""
    if not line or line[0] not in _UNDERLINES or len(title) > _TITLE_CHARS or not title[0].isalnum():
        return False
    return line == line[0] * len(line) and len(line) > 2 and abs(len(padded(title)) - len(line)) <= 2
