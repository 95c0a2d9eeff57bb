"""Directives of reStructuredText (`.. name:: argument`), and what each of them is to a reader."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from ingest.readers.markup_lines import dedented


class Role(Enum):
    """What is to be read of a directive."""

    TEXT = auto()  # its argument begins, or entitles, its content
    BODY = auto()  # its content only: the argument is a file's or a class's name
    OBJECT = auto()  # the argument names what the content describes
    CODE = auto()
    TABLE = auto()
    VERSION = auto()  # the argument is a version, and then text
    INCLUDE = auto()
    NOTHING = auto()
    UNKNOWN = auto()  # its content, and it is counted


_ROLES: Final = {
    Role.TEXT: (
        "note warning tip important hint caution danger error attention admonition seealso todo topic sidebar rubric centered epigraph "
        "highlights pull-quote compound line-block impl-detail dropdown tab tab-item card grid-item-card glossary"
    ),
    Role.BODY: "figure container class cssclass rst-class only ifconfig hlist tabs tab-set grid toggle details availability",
    Role.OBJECT: (
        "function method classmethod staticmethod attribute property data exception decorator decoratormethod option cmdoption "
        "envvar confval setting describe object macro type typedef struct union member var enum enumerator enum-class concept "
        "directive directive:option role opcode pdbcommand command signature"
    ),
    Role.CODE: "code code-block sourcecode parsed-literal doctest testcode testoutput prompt math productionlist console terminal",
    Role.TABLE: "list-table csv-table table",
    Role.VERSION: "versionadded versionchanged deprecated deprecated-removed versionremoved",
    Role.INCLUDE: "include literalinclude",
    Role.NOTHING: (
        "contents toctree index meta highlight role default-role currentmodule module sectnum section-numbering header footer image "
        "target-notes tabularcolumns default-domain title program codeauthor sectionauthor moduleauthor testsetup testcleanup replace "
        "unicode date"
    ),
}
_BY_NAME: Final = {name: role for role, names in _ROLES.items() for name in names.split()}
_HEAD: Final = re.compile(r"\.\. +(?:\|[^|]+\| +)?([A-Za-z0-9][\w:+.-]{0,60}?) ?::(?: +|$)")
_OPTION: Final = re.compile(r":([A-Za-z][\w-]*):(?: +(.*))?$")


@dataclass(frozen=True, slots=True)
class Directive:
    """`arguments` are the lines up to the options or the first blank one; `content` is dedented."""

    name: str
    arguments: list[str]
    options: dict[str, str]
    content: list[str]

    @property
    def role(self) -> Role:
        """By its name; one with a domain (`py:function`) describes an object. `class` does where it has a domain."""
        domain, _, name = self.name.rpartition(":")
        if domain and _BY_NAME.get(name) in (Role.BODY, Role.OBJECT):
            return Role.OBJECT
        return _BY_NAME.get(name, Role.OBJECT if domain else Role.UNKNOWN)


def parse_directive(lines: Sequence[str]) -> Directive | None:
    """The directive that is these lines, the first of them with its two dots; None for what is something else."""
    match = _HEAD.match(lines[0])
    if match is None:
        return None
    name = match[1].lower()
    body = dedented(lines[1:])
    arguments = [text] if (text := lines[0][match.end() :].strip()) else []
    place = 0
    one_line = _BY_NAME.get(name) is Role.CODE and name != "math"  # a language, never more
    while place < len(body) and body[place] and not one_line and not _OPTION.match(body[place]):
        arguments.append(body[place].strip())
        place += 1
    options: dict[str, str] = {}
    while place < len(body) and (option := _OPTION.match(body[place])):
        options[option[1].lower()] = (option[2] or "").strip()
        place += 1
        while place < len(body) and body[place].startswith(" "):  # an option's value goes on
            place += 1
    return Directive(name, arguments, options, body[place:])
