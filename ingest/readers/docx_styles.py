"""What a paragraph's style makes of it: a heading of some level, code, a quotation, an entry of the contents."""

import re
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from docradar.documents import Kind
from ingest.readers.docx_package import Package, attribute, child, is_on, name_of

TITLE_LEVEL: Final = 0
_MOST_ANCESTORS: Final = 20  # Word allows ten
_BODY_LEVEL: Final = 9
_HEADING: Final = re.compile(r"(?:heading|标题|標題|见出し|見出し)[ _]*([1-9])", re.IGNORECASE)
_TITLE: Final = re.compile(r"title|标题|標題|文档标题", re.IGNORECASE)
_CONTENTS: Final = re.compile(
    r"(?:toc|contents|目录|目錄)[ _]*(?:[1-9]|heading|标题)|table of (?:figures|contents|authorities)|(?:user|object) index [1-9]",
    re.IGNORECASE,
)
_CODE: Final = re.compile(
    r"(?:source |preformatted )?code(?: block)?|sourcecode|html preformatted|preformatted text|html 预设格式|代码块?|源代码",
    re.IGNORECASE,
)
_QUOTE: Final = re.compile(r"(?:intense |明显)?(?:quote|quotations?|引用)|block text|文本块", re.IGNORECASE)
_LIST: Final = re.compile(r"list (?:bullet|number)(?: [2-5])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Role:
    """`level` is `TITLE_LEVEL` for a title, from 1 for headings, None for all else. `hidden` text is not shown."""

    kind: Kind = Kind.PARAGRAPH
    level: int | None = None
    in_contents: bool = False
    hidden: bool = False
    bold: bool = False


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    based_on: str | None
    outline_level: int | None
    listed: bool
    hidden: bool | None
    bold: bool | None


class Styles:
    """The styles of a document by id. An id that is not among them is taken for a name."""

    def __init__(self, package: Package, part: str | None) -> None:
        self._styles: dict[str, _Style] = {}
        self._roles: dict[str, Role] = {"": Role()}
        if part is None or part not in package:
            return
        for element in package.elements(part, ("w:style",)):
            self._styles[attribute(element, "styleId") or ""] = _style(element)
            element.clear()

    def role(self, style_id: str) -> Role:
        """What a style makes of a paragraph or of a run."""
        found = self._roles.get(style_id)
        if found is None:
            self._roles[style_id] = found = self._resolved(style_id)
        return found

    def paragraph_role(self, properties: etree._Element | None) -> Role:
        """What its style and its own properties (`w:pPr`) make of a paragraph."""
        if properties is None:
            return self.role("")
        style_id, outline_level, listed = "", None, None
        for element in properties:
            name = name_of(element)
            if name == "w:pStyle":
                style_id = attribute(element, "val") or ""
            elif name == "w:outlineLvl":
                outline_level = _number(element)
            elif name == "w:numPr":
                listed = _is_listed(element)
        role = self.role(style_id)
        if outline_level is not None and role.level != TITLE_LEVEL:
            role = replace(role, level=_level(outline_level))
        if listed is not None and role.kind in (Kind.PARAGRAPH, Kind.LIST_ITEM):
            role = replace(role, kind=Kind.LIST_ITEM if listed else Kind.PARAGRAPH)
        return role

    def _resolved(self, style_id: str) -> Role:
        chain = self._chain(style_id)
        own = chain[0].name
        in_contents = any(_CONTENTS.fullmatch(style.name) for style in chain)
        return Role(
            kind=_kind(chain),
            level=None if in_contents else TITLE_LEVEL if _TITLE.fullmatch(own) else _first_level(chain),
            in_contents=in_contents,
            hidden=next((style.hidden for style in chain if style.hidden is not None), False),
            bold=next((style.bold for style in chain if style.bold is not None), False),
        )

    def _chain(self, style_id: str) -> list[_Style]:
        """The style, then what it is based on; a circle ends where it closes."""
        chain: list[_Style] = []
        seen: set[str] = set()
        at: str | None = style_id
        while at is not None and at not in seen and at in self._styles and len(chain) < _MOST_ANCESTORS:
            seen.add(at)
            chain.append(self._styles[at])
            at = self._styles[at].based_on
        return chain or [_Style(style_id, None, None, False, None, None)]


def _style(element: etree._Element) -> _Style:
    name, based_on = child(element, "w:name"), child(element, "w:basedOn")
    outline, numbering = child(element, "w:pPr", "w:outlineLvl"), child(element, "w:pPr", "w:numPr")
    hidden, bold = child(element, "w:rPr", "w:vanish"), child(element, "w:rPr", "w:b")
    return _Style(
        name=(attribute(name, "val") or "").strip() if name is not None else "",
        based_on=attribute(based_on, "val") if based_on is not None else None,
        outline_level=_number(outline) if outline is not None else None,
        listed=numbering is not None and _is_listed(numbering),
        hidden=is_on(hidden) if hidden is not None else None,
        bold=is_on(bold) if bold is not None else None,
    )


def _kind(chain: list[_Style]) -> Kind:
    for style in chain:
        if _CODE.fullmatch(style.name):
            return Kind.CODE
        if _QUOTE.fullmatch(style.name):
            return Kind.QUOTE
        if style.listed or _LIST.fullmatch(style.name):
            return Kind.LIST_ITEM
    return Kind.PARAGRAPH


def _first_level(chain: list[_Style]) -> int | None:
    for style in chain:
        if style.outline_level is not None:
            return _level(style.outline_level)
        match = _HEADING.fullmatch(style.name)
        if match:
            return int(match[1])
    return None


def _level(outline_level: int) -> int | None:
    return outline_level + 1 if 0 <= outline_level < _BODY_LEVEL else None


def _is_listed(numbering: etree._Element) -> bool:
    """Number 0 takes a paragraph out of the list that its style puts it into."""
    number = child(numbering, "w:numId")
    return number is None or attribute(number, "val") != "0"


def _number(element: etree._Element) -> int:
    value = attribute(element, "val") or ""
    return int(value) if value.isascii() and value.isdigit() and len(value) < 4 else _BODY_LEVEL
