"""A column's rows as lines, each knowing whether it runs on from the line before it."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from docradar.documents import Kind
from ingest.readers.document import clean
from ingest.readers.lines import paragraphs
from ingest.readers.pdf_segments import HAN, HYPHENS, Row

_PARTING_PITCHES: Final = 1.35
_OTHER_SIZE: Final = 1.12
_INDENT_EMS: Final = 0.6
_SPACE_EMS: Final = 0.2
_SENTENCE_ENDS: Final = tuple(".!?。！？…:：;；")
_RUNNING_ON: Final = tuple(",.;:!?)]}，。；：！？）】》」”、")
_WORD_START: Final = re.compile(r"[^\W\d_]{2}")
_CONTENTS_CHARS: Final = 200  # of a line's end that are looked at
_CONTENTS_TITLE: Final = re.compile(r"(?:table of )?contents|目\s*[录錄次]", re.IGNORECASE)
_CONTENTS_DOTS: Final = re.compile(r"(?:\.\s?|…|·\s?){4,}\s*(?:\d+|[ivxlc]+)?\s*$")


class Line(NamedTuple):
    """`top` and `bottom` are its distances, in points, from the page's; None where the engine gives no places.

    `runs_on` says whether it goes on with the paragraph of the line before; None where that is not known. `size` is its
    font's height in points, 0 where unknown. A `row` is a table's.
    """

    text: str
    runs_on: bool | None = None
    top: float | None = None
    bottom: float | None = None
    size: float = 0
    bold: bool = False
    row: bool = False


def text_lines(rows: Sequence[Row], pitch: float, right: float, height: float) -> Iterator[Line]:
    """The lines of a column whose lines are usually `pitch` apart and end at `right` at the latest, both in points."""
    begins: Row | None = None  # the first line of the paragraph
    is_item = False
    for i, row in enumerate(rows):
        text = " ".join(segment.text for segment in row)
        marked = is_list_item(text)
        goes_on = (
            begins is not None
            and not marked
            and _same_style(rows[i - 1], row, pitch)
            and not (not is_item and _is_indented(rows, i))
            and _goes_on(rows[i - 1], row, right, begins if is_item else None)
        )
        if not goes_on:
            begins, is_item = row, marked
        yield line_of(row, text, height, runs_on=goes_on)


def line_of(row: Row, text: str, height: float, *, runs_on: bool = False, is_row: bool = False) -> Line:
    """A line where `row` stands."""
    return Line(
        text,
        runs_on,
        round(height - max(s.y1 for s in row), 1),
        round(min(s.y0 for s in row), 1),
        round(2 * _size(row)) / 2,
        all(s.bold for s in row),
        is_row,
    )


def is_list_item(text: str) -> bool:
    """Whether a line begins with a bullet or a number as a list's items do."""
    if _WORD_START.match(text):
        return False  # as nearly all lines: it saves a second in a thousand pages
    found = next(iter(paragraphs([text], headings=False)), None)
    return found is not None and found.kind is Kind.LIST_ITEM


def without_contents_title(lines: list["Line"], page_text: str) -> list["Line"]:
    """The lines of a page without the title of its table of contents, whose entries are not among them any more."""
    titles = [line for line in lines if _CONTENTS_TITLE.fullmatch(line.text.strip())]
    if not titles or not any(map(is_contents_line, clean(page_text).split("\n"))):
        return lines
    return [line for line in lines if line not in titles]


def is_contents_line(text: str) -> bool:
    """Whether a line is a contents page's: dots lead to its end, or to a page number there."""
    return _CONTENTS_DOTS.search(text[-_CONTENTS_CHARS:]) is not None


def _size(row: Row) -> float:
    return max(row, key=lambda s: len(s.text)).size


def _same_style(before: Row, row: Row, pitch: float) -> bool:
    a, b = _size(before), _size(row)
    if max(a, b) > _OTHER_SIZE * min(a, b):
        return False
    if before[0].middle - row[0].middle > _PARTING_PITCHES * max(pitch, min(a, b)):
        return False
    return all(s.bold for s in before) == all(s.bold for s in row) or len(row) + len(before) > 2


def _is_indented(rows: Sequence[Row], i: int) -> bool:
    """Whether the line stands further right than both its neighbours, as a paragraph's first."""
    least = rows[i][0].x0 - _INDENT_EMS * rows[i][0].size
    return rows[i - 1][0].x0 < least and (i + 1 == len(rows) or rows[i + 1][0].x0 < least)


def _goes_on(before: Row, row: Row, right: float, begun: Row | None) -> bool:
    end, start = before[-1], row[0]
    if end.text.endswith(HYPHENS):
        return True
    space = 0.0 if HAN.match(end.text[-1]) and HAN.match(start.text[0]) else _SPACE_EMS * start.size
    if right - end.x1 < space + start.first_width + 0.1 * start.size:
        return True  # the next word would not have fitted into the line before
    if start.text[0].islower() or start.text.startswith(_RUNNING_ON):
        return not end.text.endswith(_SENTENCE_ENDS)
    return begun is not None and start.x0 > begun[0].x0 + _INDENT_EMS * start.size
