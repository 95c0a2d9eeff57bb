"""Lines that end where a page's or an editor's width does, back into paragraphs, headings and list items."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from docradar.documents import Kind


class Paragraph(NamedTuple):
    """Text whose soft line breaks are undone. `level` counts from 1, and is 0 for all but headings."""

    kind: Kind
    text: str
    level: int = 0


# A line at least this wide was probably broken by its width, not by its writer. Columns: a Han character has two.
_WRAPPED_COLUMNS: Final = 60
_NARROW_WRAPPED_COLUMNS: Final = 36
_LIST_ITEM: Final = re.compile(
    r"([-*+•·●○■▪◦‣–][ \t\u3000]+)?((?:[(（]?\d{1,3}[.)、）]|[a-z](?:\)|\.(?=[ \t])(?![ \t]?[a-z]\.))"
    r"|[A-Z]\)|[①-⑳])[ \t]*(?=[^\d\s])\S)?"
)
_ORDINAL: Final = re.compile(r"[(（]?(?:(\d{1,3})|([a-z]))[.)）][ \t]*(?=(\S))")
_HEADING: Final = re.compile(
    r"(?P<chapter>第[一二三四五六七八九十百零\d]{1,5}[章部篇]|(?:Chapter|Part) [\dIVX]{1,5}\b)"
    r"|(?P<section>第[一二三四五六七八九十百零\d]{1,5}节|[一二三四五六七八九十]{1,3}、)"
    r"|(?P<number>\d{1,2}(?:\.\d{1,2}){1,4})[ \u3000]+\S"
)
_HEADING_CHARS: Final = 60
_UNDERLINE: Final = re.compile(r"(={3,}|-{3,})")
_RULE: Final = re.compile(r"[-=*_~#]{3,}")
_NOT_HEADING_END: Final = tuple("。！？.!?;；,，:：")
_SENTENCE_END: Final = tuple('.!?。！？…:：;；”"」)）')
_WIDE: Final = re.compile(
    "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\U0001f300-\U0003fffd]"
)
_HAN: Final = re.compile("[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef\u3000-\u303f]")


def columns(text: str) -> int:
    """Width in a terminal: wide characters count twice."""
    return len(text) if text.isascii() else len(text) + len(_WIDE.findall(text))


def paragraphs(lines: Iterable[str], *, headings: bool = True) -> Iterator[Paragraph]:
    """Paragraphs of `lines`; a blank line ends one."""
    stanza: list[str] = []
    for line in lines:
        if line.strip():
            stanza.append(line.rstrip())
        elif stanza:
            yield from _stanza(stanza, headings)
            stanza = []
    if stanza:
        yield from _stanza(stanza, headings)


def _stanza(stanza: list[str], headings: bool) -> Iterator[Paragraph]:
    if headings and len(stanza) <= 2:
        level = _heading_level(stanza)
        if level:
            yield Paragraph(Kind.HEADING, stanza[0].strip(), level)
            return
    widths = [columns(line) for line in stanza]
    widest = max(widths)
    kind, parts = Kind.PARAGRAPH, list[str]()
    wrapped = False
    for line, width in zip(stanza, widths, strict=True):
        text = line.strip()
        if _RULE.fullmatch(text):
            wrapped = False
            continue
        marked = _marked(text)
        if marked and parts and wrapped and _is_number_of_sentence(parts, text):
            marked = None
        if parts and (marked or not (wrapped or _continues(line, kind))):
            yield Paragraph(kind, _joined(parts))
            parts = []
        if not parts:
            kind = Kind.LIST_ITEM if marked else Kind.PARAGRAPH
        parts.append(marked or text)
        wrapped = _is_wrapped(text, width, widest, len(stanza))
    if parts:
        yield Paragraph(kind, _joined(parts))


def _joined(parts: list[str]) -> str:
    """One line: no space between Han characters."""
    pieces = [parts[0]]
    for before, part in pairwise(parts):
        if not (_HAN.match(before[-1]) and _HAN.match(part[0])):
            pieces.append(" ")
        pieces.append(part)
    return "".join(pieces)


def _marked(text: str) -> str | None:
    """A list item's text without its bullet, but with its number; None if this is not one."""
    match = _LIST_ITEM.match(text)
    if match is None or not match[0]:
        return None
    return text[match.end(1) :] if match[1] else text


def _is_number_of_sentence(parts: list[str], text: str) -> bool:
    """Whether a number begins a wrapped line by chance: words in lower case follow it, and no list counts up to it."""
    found = _ORDINAL.match(text)
    if found is None or not found[3].islower() or parts[-1].endswith(_SENTENCE_END):
        return False
    before = _ORDINAL.match(parts[0])
    return before is None or _ordinal(before) + 1 != _ordinal(found)


def _ordinal(match: re.Match[str]) -> int:
    return int(match[1]) if match[1] else ord(match[2]) - ord("a") + 1


def _continues(line: str, kind: Kind) -> bool:
    text = line.lstrip()
    if kind is Kind.LIST_ITEM and len(line) - len(text) >= 2:
        return True
    return text[:1].islower() or text[0] in ",.;:!?)]}，。；：！？）】》」”、"


def _is_wrapped(text: str, width: int, widest: int, lines: int) -> bool:
    if width >= _WRAPPED_COLUMNS and width >= 0.6 * widest:
        return True
    narrow = lines >= 3 and width >= _NARROW_WRAPPED_COLUMNS and width >= 0.8 * widest
    return narrow and not text.endswith(_SENTENCE_END)


def _heading_level(stanza: list[str]) -> int:
    text = stanza[0].strip()
    if len(text) > _HEADING_CHARS:
        return 0
    if len(stanza) == 2:
        underline = _UNDERLINE.fullmatch(stanza[1].strip())
        return 0 if underline is None or _marked(text) else 1 if underline[1][0] == "=" else 2
    match = _HEADING.match(text)
    if match is None or text.endswith(_NOT_HEADING_END):
        return 0
    if match["number"]:
        return match["number"].count(".") + 1
    return 1 if match["chapter"] else 2


def is_title(text: str) -> bool:
    """Whether a document's first line reads like its title: short, and not a sentence."""
    return len(text) <= _HEADING_CHARS and not text.endswith(_NOT_HEADING_END)
