"""The plain text of a message: what its author wrote, what it quotes, and the signature, which goes."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from docradar.documents import Kind
from ingest.readers.lines import Paragraph, paragraphs

_QUOTE: Final = re.compile(r"(?:>[ \t]?)+")
_SIGNATURE_LINES: Final = 12  # a signature whose mark has lost its space is believed in if it is short
_TAIL: Final = re.compile(
    r"[-_*\s]{3,40}(?:original message|forwarded message|original appointment|原始邮件|原邮件|回复的原邮件|转发的邮件|转发邮件信息|邮件原件)"
    r"[-_*\s]{0,60}|begin forwarded message:",
    re.IGNORECASE,
)
_FROM: Final = re.compile(r"\*?(?:from|发件人|寄件者|寄件人)\s?\*?[:：]\*?\s?\S", re.IGNORECASE)
_SENT: Final = re.compile(
    r"\*?(?:sent|date|to|subject|发送时间|日期|收件人|主题|寄件日期|收件者)\s?\*?[:：]", re.IGNORECASE
)
_FIELD_LINES: Final = 4
_WROTE: Final = re.compile(r".{0,200}(?:wrote|写道|寫道|schrieb|a écrit|написал[аи]?)\s?[:：]", re.IGNORECASE)


def message_paragraphs(text: str, *, flowed: bool = False, joined: bool = False) -> Iterator[Paragraph]:
    """The paragraphs of a text/plain body; what is quoted, and what a reply carries along, as quotations.

    `flowed` undoes the soft line breaks of RFC 3676, `joined` without a space between (its DelSp).
    """
    lines = text.split("\n")
    if flowed:
        lines = list(_unflowed(lines, joined))
    own, tail = _split_tail(lines)
    yield from _with_quotes(own)
    for paragraph in paragraphs((_unquoted(line) for line in tail), headings=False):
        yield Paragraph(Kind.QUOTE, paragraph.text)


def tail_start(line: str, following: Sequence[str]) -> bool:
    """Whether a mail program has put this line before the message that is replied to, or sent on."""
    if _TAIL.fullmatch(line.strip()):
        return True
    if not _FROM.match(line):
        return False
    return sum(bool(_SENT.match(after)) for after in following[:_FIELD_LINES]) >= 2


def _is_signature_mark(line: str, lines_after: int) -> bool:
    """Whether the signature begins at this line."""
    return line == "-- " or (line.rstrip() in ("--", "—") and lines_after <= _SIGNATURE_LINES)


def _unflowed(lines: Sequence[str], joined: bool) -> Iterator[str]:
    """Lines as they were before they were wrapped: a space at the end says that the next one belongs to it."""
    open_line: list[str] = []
    open_depth = 0
    for line in lines:
        marks = len(line) - len(line.lstrip(">"))
        text = line[marks:].removeprefix(" ")
        if open_line and marks != open_depth:
            yield "".join(open_line)
            open_line = []
        if not open_line:
            open_depth = marks
            open_line = [">" * marks + " " if marks else ""]
        if text.endswith(" ") and text != "-- ":
            open_line.append(text[:-1] if joined else text)
        else:
            yield "".join((*open_line, text))
            open_line = []
    if open_line:
        yield "".join(open_line)


def _split_tail(lines: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    for place, line in enumerate(lines):
        if tail_start(line, lines[place + 1 : place + 1 + _FIELD_LINES]):
            return lines[:place], lines[place:]
    return lines, ()


def _with_quotes(lines: Sequence[str]) -> Iterator[Paragraph]:
    stretches = [(quoted, list(group)) for quoted, group in groupby(lines, key=_is_quoted)]
    for place, (quoted, stretch) in enumerate(stretches):
        if quoted:
            for paragraph in paragraphs((_unquoted(line) for line in stretch), headings=False):
                yield Paragraph(Kind.QUOTE, paragraph.text)
            continue
        is_introduction = place + 1 < len(stretches)
        own = list(paragraphs(_without_signature(stretch), headings=False))
        for number, paragraph in enumerate(own):
            if is_introduction and number == len(own) - 1 and _WROTE.fullmatch(paragraph.text):
                yield Paragraph(Kind.QUOTE, paragraph.text)
            else:
                yield paragraph


def _without_signature(lines: Sequence[str]) -> Sequence[str]:
    for place, line in enumerate(lines):
        if _is_signature_mark(line, len(lines) - place - 1):
            return lines[:place]
    return lines


def _is_quoted(line: str) -> bool:
    return line.startswith(">")


def _unquoted(line: str) -> str:
    return _QUOTE.sub("", line, count=1) if line.startswith(">") else line
