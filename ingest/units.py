"""Blocks → statements: one sentence, list item, table row, piece of code or line each."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from docradar.documents import Block, Kind, Span
from ingest.readers.lines import columns
from ingest.sentences import sentence_spans

# Shorter than this says too little alone. Columns, so 8 Latin characters or 4 Han ones.
SHORT_COLUMNS: Final = 8
LONG_CHARS: Final = 500
_LEAST_CUT_CHARS: Final = 200

_WHOLE: Final = frozenset({Kind.TABLE_ROW, Kind.LINE, Kind.HEADING})
_CLAUSE_END: Final = re.compile(r"[;；，、：—。！？](?!\s*$)|[,:.!?](?=\s)")
_BLANK: Final = re.compile(r"\s+")
_BLANK_LINES: Final = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_JOINED_TO_NEXT: Final = frozenset("\u200d\ufe0f\ufe0e")


@dataclass(frozen=True, slots=True)
class Statement:
    """A unit before it has an id. Its text is `text[span.start:span.end]`; `block` counts the block it is from."""

    kind: Kind
    span: Span
    heading_path: tuple[str, ...]
    page: int | None
    block: int


@dataclass(slots=True)
class SplitCounts:
    """What splitting had to do to the document's own boundaries."""

    cut: int = 0
    merged: int = 0


def statements(text: str, blocks: Iterable[Block], counts: SplitCounts) -> Iterator[Statement]:
    """The statements of `text`, in order, none crossing a block's end; adds to `counts`.

    A heading is a statement only where nothing stands under it, or where it is too long to stand whole in the paths of
    what does: elsewhere it is the context.
    """
    for number, block in enumerate(_without_context_headings(text, blocks)):
        for start, end in _spans(text, block, counts):
            yield Statement(block.kind, Span(start, end), block.heading_path, block.page, number)


def _without_context_headings(text: str, blocks: Iterable[Block]) -> Iterator[Block]:
    heading: Block | None = None
    for block in blocks:
        if heading is not None:
            path = (*heading.heading_path, text[slice(*heading.span)])
            if block.heading_path[: len(path)] != path:
                yield heading
        heading = block if block.kind is Kind.HEADING else None
        if heading is None:
            yield block
    if heading is not None:
        yield heading


def _spans(text: str, block: Block, counts: SplitCounts) -> Iterator[tuple[int, int]]:
    for start, end in _uncut_spans(text, block, counts):
        if end - start > LONG_CHARS:
            counts.cut += 1
            yield from _cut(text, start, end)
        else:
            yield start, end


def _uncut_spans(text: str, block: Block, counts: SplitCounts) -> Iterable[tuple[int, int]]:
    start, end = block.span
    if block.kind is Kind.CODE:
        return _code_spans(text, start, end)
    if block.kind in _WHOLE:
        return [(start, end)]
    sentences = [(start + s, start + e) for s, e in sentence_spans(text[start:end])]
    merged = _merge_short(text, sentences)
    counts.merged += len(sentences) - len(merged)
    return merged


def _merge_short(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Lets each too short sentence join the one before it, or, at a block's beginning, the one after."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and (_is_short(text, start, end) or _is_short(text, *merged[-1])):
            first = merged[-1][0]
            if end - first <= LONG_CHARS:
                merged[-1] = (first, end)
                continue
        merged.append((start, end))
    return merged


def _is_short(text: str, start: int, end: int) -> bool:
    return end - start < SHORT_COLUMNS and columns(text[start:end]) < SHORT_COLUMNS


def _code_spans(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Short code whole, longer code by its blank lines, then by lines, as many together as fit."""
    if end - start <= LONG_CHARS:
        yield _trim_lines(text, start, end)
        return
    first = last = start
    for stop in _code_breaks(text, start, end):
        if stop - first > LONG_CHARS and last > first:
            yield from _filled(text, first, last)
            first = last
        last = stop
    yield from _filled(text, first, end)


def _code_breaks(text: str, start: int, end: int) -> Iterator[int]:
    at = start
    for match in (*_BLANK_LINES.finditer(text, start, end), None):
        stop = match.end() if match else end
        if stop - at > LONG_CHARS:
            line = text.find("\n", at, stop)
            while 0 <= line < stop - 1:
                yield line + 1
                line = text.find("\n", line + 1, stop)
        yield stop
        at = stop


def _filled(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    span = _trim_lines(text, start, end)
    if span[0] < span[1]:
        yield span


def _trim_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """Without blank lines at both ends; the first line's indentation means something in code, so it stays."""
    piece = text[start:end]
    body = piece.lstrip()
    if not body:
        return end, end
    lead = len(piece) - len(body)
    indent = lead - (piece.rfind("\n", 0, lead) + 1)
    return start + lead - indent, start + len(piece.rstrip())


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Pieces of at most `LONG_CHARS`: at the last clause mark that serves, else at white space, else anywhere."""
    while end - start > LONG_CHARS:
        stop = _cut_place(text, start)
        piece = text[start:stop].rstrip()
        if piece:
            yield start, start + len(piece)
        while stop < end and text[stop].isspace():
            stop += 1
        start = stop
    if start < end:
        yield start, end


def _cut_place(text: str, start: int) -> int:
    window = start + LONG_CHARS
    for mark in (_CLAUSE_END, _BLANK):
        places = [match.end() for match in mark.finditer(text, start + _LEAST_CUT_CHARS, window)]
        if places:
            return places[-1]
    place = window
    while place > window - 16 and _belongs_to_previous(text, place):
        place -= 1
    return place


def _belongs_to_previous(text: str, place: int) -> bool:
    character, previous = text[place], text[place - 1]
    return character in _JOINED_TO_NEXT or previous == "\u200d" or unicodedata.combining(character) > 0
