"""The blocks of reStructuredText: titles, paragraphs, items, fields, tables, directives."""

import re
from typing import Final

from docradar.documents import Kind
from ingest.readers.document import TextBuilder, clean
from ingest.readers.headings import HeadingPath
from ingest.readers.markup_lines import dedented, indented_end, joined, padded
from ingest.readers.rst_directives import Directive, Role, parse_directive
from ingest.readers.rst_inline import shown
from ingest.readers.rst_tables import (
    Row,
    csv_rows,
    grid_rows,
    is_grid,
    is_simple,
    list_rows,
    simple_end,
    simple_rows,
    table_texts,
)

_MOST_NESTED: Final = 40
_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])\1*$")
_TITLE_CHARS: Final = 300
_ITEM: Final = re.compile(r"(?:[-*+•‣⁃]|\(?(?:\d{1,4}|#|[A-Za-z]|[ivxlcIVXLC]{1,7})[.)])(?: +|$)")
_FIELD: Final = re.compile(r":((?:[^:\\\s]|\\.)(?:[^:\\]|\\.|:(?![ ]|$))*):(?: +|$)")
_OPTION: Final = re.compile(
    r"((?:--?|/)[A-Za-z0-9?][\w-]*(?:[ =]<?[\w-]+>?)?(?:, (?:--?|/)[\w?-]+(?:[ =]<?[\w-]+>?)?)*)(?:  +|$)"
)
_FOOTNOTE: Final = re.compile(r"\[(?:\d+|#[\w-]*|\*|[A-Za-z][\w.-]*)\](?: +|$)")
_DEFINITION_CHARS: Final = 400


class Parser:
    """Reads lines, and what is indented under them, into the builder."""

    def __init__(self, builder: TextBuilder, replacements: dict[str, str]) -> None:
        self.builder = builder
        self.title: str | None = None
        self.fields: dict[str, str] = {}
        self.includes: list[str] = []
        self.dropped: dict[str, int] = {}
        self._replacements = replacements
        self._headings = HeadingPath()
        self._adornments: list[str] = []
        self._before_text = True

    def parse(self, lines: list[str], kind: Kind = Kind.PARAGRAPH, depth: int = 0) -> None:
        """Adds the blocks of these lines; `kind` is that of paragraphs among them."""
        at = 0
        while at < len(lines):
            if not lines[at].strip():
                at += 1
            elif lines[at].startswith(" "):
                at = self._indented(lines, at, kind, depth)
            else:
                at = self._block(lines, at, kind, depth)

    def _block(self, lines: list[str], at: int, kind: Kind, depth: int) -> int:
        """Reads the block at a line that is not indented, and returns where the next one begins."""
        line = lines[at]
        if line == ".." or line.startswith(".. "):
            return self._explicit(lines, at, kind, depth)
        if depth == 0 and (end := self._section(lines, at)):
            return end
        if len(line) >= 4 and _PUNCTUATION.match(
            line
        ):  # a transition, or a title's adornment without a title
            return at + 1
        if is_grid(line) or is_simple(line):
            return self._table(lines, at)
        if line.startswith(">>> "):
            return self._doctest(lines, at)
        if line.startswith(("| ", "__ ")) or line == "|":
            return self._marked_line(lines, at, kind)
        if _ITEM.match(line):
            return self._item(lines, at, depth)
        if _FIELD.match(line):
            return self._field(lines, at, depth)
        if match := _OPTION.match(line):
            return self._described(lines, match[1], line[match.end() :], at + 1, depth)
        return self._paragraph(lines, at, kind, depth)

    def _indented(self, lines: list[str], at: int, kind: Kind, depth: int) -> int:
        end = indented_end(lines, at)
        quoted = Kind.QUOTE if kind is Kind.PARAGRAPH else kind
        self._inner(lines[at:end], quoted, depth)
        return end

    def _inner(self, lines: list[str], kind: Kind, depth: int) -> None:
        """What stands indented; too deep in, as plain lines."""
        if depth < _MOST_NESTED:
            self.parse(dedented(lines), kind, depth + 1)
        else:
            self._add(joined(lines), kind)

    def _section(self, lines: list[str], at: int) -> int:
        """Reads a title, with a line under it or around it; 0 where there is none."""
        line = lines[at]
        if _PUNCTUATION.match(line) and at + 2 < len(lines) and lines[at + 2] == line:
            title, adornment, end = lines[at + 1].strip(), line[0] * 2, at + 3
        elif at + 1 < len(lines) and _PUNCTUATION.match(lines[at + 1]):
            title, adornment, end = line, lines[at + 1][0], at + 2
        else:
            return 0
        rule = lines[end - 1]
        if not title or len(title) > _TITLE_CHARS or (len(rule) < len(padded(title)) and len(rule) < 4):
            return 0
        if _PUNCTUATION.match(title) and len(title) >= 4:
            return 0
        if adornment not in self._adornments:
            self._adornments.append(adornment)
        title = clean(self._shown(title)).strip()
        if title:
            self.title = self.title or title
            level = self._adornments.index(adornment) + 1
            self.builder.add(title, Kind.HEADING, self._headings.enter(level, title))
        return end

    def _explicit(self, lines: list[str], at: int, kind: Kind, depth: int) -> int:
        """Reads what begins with two dots: a directive, a note, or something that is not to be seen."""
        end = max(at + 1, indented_end(lines, at + 1))
        directive = parse_directive(lines[at:end])
        if directive is not None:
            self._directive(directive, kind, depth)
            return end
        note = _FOOTNOTE.match(lines[at], 3)
        if note:
            self._inner([lines[at][note.end() :], *dedented(lines[at + 1 : end])], kind, depth)
        return end

    def _directive(self, directive: Directive, kind: Kind, depth: int) -> None:
        role = directive.role
        words = joined(directive.arguments)
        if role is Role.INCLUDE or "file" in directive.options:
            self.includes.append((directive.options.get("file") or words)[:100])
        elif directive.name == "meta":
            self._meta(directive)
        elif role is Role.CODE:
            body = directive.arguments if directive.name == "math" else []
            self._add("\n".join([*body, *directive.content]), Kind.CODE, as_it_stands=True)
        elif role is Role.TABLE and directive.name != "table":
            self._add(words, Kind.PARAGRAPH)
            self._add_table(*_directive_rows(directive))
        elif role is Role.VERSION:
            version, _, text = words.partition(" ")
            self._add(f"{_VERSION_WORDS[directive.name]} {version}: {text}".rstrip(": "), kind)
            self._inner(directive.content, kind, depth)
        elif role is Role.NOTHING or directive.name == "raw":
            self._count_raw(directive)
        else:
            self._described_content(directive, words, kind, depth)

    def _described_content(self, directive: Directive, words: str, kind: Kind, depth: int) -> None:
        """The argument as far as it is to be read, and the content."""
        if directive.role is Role.OBJECT:
            for signature in directive.arguments:
                self._add(signature.rstrip("\\"), Kind.PARAGRAPH)
        elif directive.role in (Role.TEXT, Role.TABLE):
            self._add(words, kind)
        elif directive.role is Role.UNKNOWN:
            self._count(directive.name)
            self._add(words if directive.content else "", Kind.PARAGRAPH)
        self._inner(directive.content, kind, depth)

    def _count_raw(self, directive: Directive) -> None:
        if directive.name == "raw":
            self._count("raw")

    def _count(self, name: str) -> None:
        if name in self.dropped or len(self.dropped) < 100:
            self.dropped[name] = self.dropped.get(name, 0) + 1

    def _meta(self, directive: Directive) -> None:
        for name, value in directive.options.items():
            if name in ("keywords", "author", "date", "language"):
                self.fields.setdefault(name, value)

    def _table(self, lines: list[str], at: int) -> int:
        if is_simple(lines[at]):
            end = simple_end(lines, at)
            self._add_table(*simple_rows(lines[at:end]))
            return end
        end = at
        while end < len(lines) and lines[end].startswith(("+", "|")):
            end += 1
        self._add_table(*grid_rows(lines[at:end]))
        return end

    def _add_table(self, header: list[Row], rows: list[Row]) -> None:
        shown_rows = [[[self._shown(cell) for cell in row] for row in part] for part in (header, rows)]
        for text in table_texts(*shown_rows):
            self.builder.add(text, Kind.TABLE_ROW, self._headings.path)

    def _doctest(self, lines: list[str], at: int) -> int:
        end = at
        while end < len(lines) and lines[end].strip():
            end += 1
        self._add("\n".join(lines[at:end]), Kind.CODE, as_it_stands=True)
        return end

    def _marked_line(self, lines: list[str], at: int, kind: Kind) -> int:
        """A line block's line, with what goes on under it; an anonymous link's address is not to be read."""
        end = (
            max(at + 1, indented_end(lines, at + 1))
            if at + 1 < len(lines) and lines[at + 1].startswith(" ")
            else at + 1
        )
        if lines[at].startswith("|"):
            self._add(joined([lines[at][1:], *lines[at + 1 : end]]), kind)
        return end

    def _item(self, lines: list[str], at: int, depth: int) -> int:
        match = _ITEM.match(lines[at])
        assert match is not None
        width = match.end() if match[0].endswith(" ") else match.end() + 1
        end = max(at + 1, indented_end(lines, at + 1, min(width, 2)))
        self._inner([" " * width + lines[at][match.end() :], *lines[at + 1 : end]], Kind.LIST_ITEM, depth)
        return end

    def _field(self, lines: list[str], at: int, depth: int) -> int:
        match = _FIELD.match(lines[at])
        assert match is not None
        name, end = self._shown(match[1]), max(at + 1, indented_end(lines, at + 1))
        if depth == 0 and self._before_text:
            value = self._shown(joined([lines[at][match.end() :], *lines[at + 1 : end]]))
            self.fields.setdefault(name.lower(), value[:1000])
            return end
        return self._described(lines, name, lines[at][match.end() :], at + 1, depth)

    def _described(self, lines: list[str], term: str, first: str, following: int, depth: int) -> int:
        """A term and what is said of it, in one statement where that is short."""
        end = max(following, indented_end(lines, following))
        body = dedented(lines[following:end])
        stretch = body.index("") if "" in body else len(body)
        text = joined([first, *body[:stretch]])
        is_plain = not any(_ITEM.match(line) or line.startswith((" ", "..")) for line in body[:stretch])
        if text and is_plain and not text.endswith("::") and len(text) <= _DEFINITION_CHARS:
            self._add(f"{term.rstrip(':')}: {text}", Kind.LIST_ITEM)
            self._inner(body[stretch:], Kind.LIST_ITEM, depth)
        else:
            self._add(term, Kind.LIST_ITEM)
            self._inner([first, *body], Kind.LIST_ITEM, depth)
        return end

    def _paragraph(self, lines: list[str], at: int, kind: Kind, depth: int) -> int:
        end = at + 1
        while end < len(lines) and lines[end].strip() and not lines[end].startswith(" "):
            end += 1
        text = joined(lines[at:end])
        if end == at + 1 and end < len(lines) and lines[end].startswith(" ") and not text.endswith("::"):
            term = text.split(" : ")[0]
            return self._described(lines, term, "", end, depth)
        if not text.endswith("::"):
            self._add(text, kind)
            return end
        self._add("" if text == "::" else text[:-2].rstrip() if text[-3:-2] == " " else text[:-1], kind)
        literal_end = indented_end(lines, end)
        if literal_end > end:
            self._add("\n".join(dedented(lines[end:literal_end])), Kind.CODE, as_it_stands=True)
        return max(end, literal_end)

    def _shown(self, text: str) -> str:
        return shown(text, self._replacements)

    def _add(self, text: str, kind: Kind, *, as_it_stands: bool = False) -> None:
        self._before_text = False
        self.builder.add(text if as_it_stands else self._shown(text), kind, self._headings.path)


_VERSION_WORDS: Final = {
    "versionadded": "Added in version",
    "versionchanged": "Changed in version",
    "versionremoved": "Removed in version",
    "deprecated": "Deprecated since version",
    "deprecated-removed": "Deprecated since version",
}


def _directive_rows(directive: Directive) -> tuple[list[Row], list[Row]]:
    if directive.name == "csv-table":
        return csv_rows([line for line in directive.content if line], directive.options)
    count = directive.options.get("header-rows", "0")
    return list_rows(directive.content, int(count) if count.isdigit() and len(count) < 4 else 0)
