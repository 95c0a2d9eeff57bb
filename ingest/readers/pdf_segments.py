"""Stretches of words that stand close together on one line, and the rows that they form across a page."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from ingest.readers.pdf_page import Word

_GAP_EMS: Final = 0.75  # wider than the space of a typewriter font, and than most gaps of justified text
_BACK_EMS: Final = 0.2
_SAME_ROW_EMS: Final = 0.45
_TURNED_CHARS: Final = 3
_TURNED: Final = 1.3  # how much higher than wide
HYPHEN: Final = "\ufffe"
HYPHENS: Final = (HYPHEN, "-", "\u00ad", "\u2010")
HAN: Final = re.compile("[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef\u3000-\u303f]")


class Segment(NamedTuple):
    """Words on one line without a wide gap between them, or a ruled table, whose rows are in `table`.

    `middle` is the height of its longest word's middle, and `size` the height of that word's font: short ones are often
    raised or lowered, or signs of odd fonts. Of a table, `size` is that of an ordinary line.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    middle: float
    size: float
    bold: bool
    text: str
    first_width: float  # of what a line's end could not break: the first word, or a Han character
    table: tuple[str, ...] = ()


Row = list[Segment]


def is_turned(row: Sequence[Word]) -> bool:
    """Whether a line's words stand upright, as a stamp's in the margin."""
    long = [word for word in row if len(word.text) >= _TURNED_CHARS]
    return bool(long) and all(word.y1 - word.y0 > _TURNED * (word.x1 - word.x0) for word in long)


def segments(rows: Iterable[Sequence[Word]]) -> Iterator[Segment]:
    """Cuts lines at gaps, and where the next word does not stand to the right."""
    for row in rows:
        start = 0
        before = row[0]
        for i, word in enumerate(row):
            size = word.y1 - word.y0
            if i and (word.x0 - before.x1 > _GAP_EMS * size or word.x0 < before.x0 - _BACK_EMS * size):
                yield _segment(row[start:i])
                start = i
            before = word
        yield _segment(row[start:])


def _segment(words: Sequence[Word]) -> Segment:
    first = main = words[0]
    x0, y0, x1, y1 = first.x0, first.y0, first.x1, first.y1
    for word in words:
        text, left, bottom, right, top, _ = word
        if len(text) > len(main.text):
            main = word
        x0 = min(x0, left)
        y0 = min(y0, bottom)
        x1 = max(x1, right)
        y1 = max(y1, top)
    size = max(main.y1 - main.y0, 1.0)
    return Segment(
        x0,
        y0,
        x1,
        y1,
        (main.y0 + main.y1) / 2,
        size,
        all(w.bold for w in words),
        joined_words(words),
        size if HAN.match(first.text) else first.x1 - first.x0,
    )


def joined_words(words: Iterable[Word]) -> str:
    """Words with a space between them."""
    return " ".join([word.text for word in words])


def joined_lines(lines: Sequence[str]) -> str:
    """Lines as one: no space between Han characters, and U+FFFE for a hyphen that ended a line within a word."""
    pieces = list(lines[:1])
    for before, line in pairwise(lines):
        if before.endswith(HYPHENS) and before[-2:-1].isalpha() and line[:1].isalpha():
            pieces[-1] = pieces[-1][:-1] + HYPHEN
        elif not (before and line and HAN.match(before[-1]) and HAN.match(line[0])):
            pieces.append(" ")
        pieces.append(line)
    return "".join(pieces)


def as_rows(found: Iterable[Segment]) -> list[Row]:
    """Segments of about the same height together, from the top down, each row from the left. A table is its own row."""
    rows: list[Row] = []
    for segment in sorted(found, key=lambda s: (-s.middle, s.x0)):
        above = rows[-1][0] if rows else None
        if (
            above is not None
            and not segment.table
            and not above.table
            and above.middle - segment.middle <= _SAME_ROW_EMS * min(segment.size, above.size)
        ):
            rows[-1].append(segment)
        else:
            rows.append([segment])
    for row in rows:
        row.sort(key=lambda s: s.x0)
    return rows
