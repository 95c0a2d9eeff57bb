"""A page's words into lines in reading order: columns one after the other, tables row by row.

The page is cut at its gutters, upright strips that no word crosses and that have running text on both sides. What
spans several columns (a title, an abstract, a figure's caption) cuts the columns in two: above it, and below it.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from statistics import median
from typing import Final, NamedTuple

from ingest.readers.lines import columns
from ingest.readers.pdf_lines import Line, is_contents_line, line_of, text_lines
from ingest.readers.pdf_page import Page
from ingest.readers.pdf_segments import Row, as_rows, is_turned, joined_words, segments
from ingest.readers.pdf_tables import aligned_table, ruled_tables

_BINS: Final = 240  # how finely a region's width is looked at
_DEEPEST: Final = 6
_CANDIDATES: Final = 4
_LEAST_LINES: Final = 4  # on each side of a gutter
_LEAST_GUTTER_EMS: Final = 0.8
_LEAST_LINE_COLUMNS: Final = 14  # of running text; a table's cells are shorter
_LEAST_FILL: Final = 0.6  # of a column's width, by the line in the middle
_LEAST_OVERLAP: Final = 0.5  # of the shorter column's height with the longer's
_PARTING_PITCHES: Final = 1.7


def lay_out(page: Page) -> list[Line]:
    """The lines of a page whose words have places, in reading order. Text that stands upright comes last."""
    rows = page.rows or []
    turned = [Line(joined_words(row), runs_on=False) for row in rows if is_turned(row)]
    level = [row for row in rows if not is_turned(row)]
    tables, level = ruled_tables(page.rules or [], level)
    placed = chain(segments(level), tables)
    lines = [line for region in _regions(as_rows(placed), 0) for line in _region_lines(region, page.height)]
    return lines + turned


def _regions(rows: list[Row], depth: int) -> Iterator[list[Row]]:
    """The page's parts of one column each, in reading order."""
    gutter = _gutter(rows) if depth < _DEEPEST else None
    if gutter is None:
        yield rows
        return
    first, last, x = gutter
    yield from _regions(rows[:first], depth + 1) if first else ()
    for side in _sides(rows[first:last], x):
        yield from _regions(side, depth + 1)
    yield from _regions(rows[last:], depth + 1) if last < len(rows) else ()


class _Gutter(NamedTuple):
    """Rows `first` up to `last` have nothing at `x`."""

    first: int
    last: int
    x: float


def _sides(rows: Sequence[Row], x: float) -> tuple[list[Row], list[Row]]:
    left = [[s for s in row if s.x1 <= x] for row in rows]
    right = [[s for s in row if s.x1 > x] for row in rows]
    return [row for row in left if row], [row for row in right if row]


def _gutter(rows: list[Row], *, nested: bool = False) -> _Gutter | None:
    """The gutter with the most lines beside it."""
    if len(rows) < _LEAST_LINES:
        return None
    left = min(row[0].x0 for row in rows)
    right = max(segment.x1 for row in rows for segment in row)
    step = (right - left) / _BINS
    if step <= 0:
        return None
    found: list[_Gutter] = []
    for place in _candidates(rows, left, step):
        x = left + (place + 0.5) * step
        first = 0
        for i in range(len(rows) + 1):
            if i == len(rows) or any(s.x0 < x < s.x1 for s in rows[i]):
                if i - first >= _LEAST_LINES and (gutter := _checked(rows, first, i, x, nested=nested)):
                    found.append(gutter)
                first = i + 1
    return max(found, key=lambda gutter: gutter.last - gutter.first, default=None)


def _candidates(rows: Sequence[Row], left: float, step: float) -> list[int]:
    """The places, in steps from the left, that most rows leave free between two of their words or their neighbours'."""
    changes = [0] * (_BINS + 2)

    def free(x0: float, x1: float) -> None:
        start, end = int((x0 - left) / step), int((x1 - left) / step)
        if end > start:
            changes[start] += 1
            changes[end] -= 1

    for i, row in enumerate(rows):
        for a, b in pairwise(row):
            free(a.x1, b.x0)
        if i and row[0].x0 > rows[i - 1][-1].x1:
            free(rows[i - 1][-1].x1, row[0].x0)
        elif i and rows[i - 1][0].x0 > row[-1].x1:
            free(row[-1].x1, rows[i - 1][0].x0)
    votes, total = list[int](), 0
    for change in changes:
        total += change
        votes.append(total)
    chosen: list[int] = []
    for place in _by_votes(votes):
        if all(abs(place - other) > _BINS // 20 for other in chosen):
            chosen.append(place)
            if len(chosen) == _CANDIDATES:
                break
    return chosen


def _by_votes(votes: Sequence[int]) -> list[int]:
    """Places with votes, most first; of a stretch of equal ones its middle before its ends."""
    places = []
    start = 0
    for i in range(1, len(votes) + 1):
        if i == len(votes) or votes[i] != votes[start]:
            if votes[start] >= _LEAST_LINES - 1:
                places.append((votes[start], (start + i - 1) // 2))
            start = i
    return [place for _, place in sorted(places, reverse=True)]


def _checked(rows: list[Row], first: int, last: int, x: float, *, nested: bool) -> _Gutter | None:
    """The gutter without what stands on one side alone above and below it; None where it parts no columns of text."""
    first, last = _without_ends(rows, first, last, x)
    if last - first < _LEAST_LINES:
        return None
    left, right = _sides(rows[first:last], x)
    if min(len(left), len(right)) < _LEAST_LINES:
        return None
    width = min(row[0].x0 for row in right) - max(row[-1].x1 for row in left)
    size = median(row[0].size for row in left)
    if width < _LEAST_GUTTER_EMS * size or not all(
        _is_prose(side) or (not nested and _gutter(side, nested=True)) for side in (left, right)
    ):
        return None
    (left_top, left_bottom), (right_top, right_bottom) = _extent(left), _extent(right)
    overlap = min(left_top, right_top) - max(left_bottom, right_bottom)
    if overlap < _LEAST_OVERLAP * min(left_top - left_bottom, right_top - right_bottom):
        return None
    return _Gutter(first, last, x)


def _without_ends(rows: list[Row], first: int, last: int, x: float) -> tuple[int, int]:
    """Takes off rows on one side only, up to a space that parts them from the rest."""
    pitch = _pitch(rows[first:last])

    def parted(above: int) -> bool:
        return rows[above][0].middle - rows[above + 1][0].middle > _PARTING_PITCHES * pitch

    tops = [i for i in range(first, last - 1) if parted(i)]
    for i in tops:
        left, right = _sides(rows[first : i + 1], x)
        if left and right:
            break
        first = i + 1
    for i in reversed(tops):
        left, right = _sides(rows[i + 1 : last], x)
        if i < first or (left and right):
            break
        last = i + 1
    return first, last


def _pitch(rows: Sequence[Row]) -> float:
    """The usual distance between one line and the next, in points."""
    steps = [a[0].middle - b[0].middle for a, b in pairwise(rows)]
    size = median(row[0].size for row in rows)
    near = [step for step in steps if 0.5 * size < step < 3 * size]
    return median(near) if near else 1.4 * size


def _extent(rows: Sequence[Row]) -> tuple[float, float]:
    return max(s.y1 for row in rows for s in row), min(s.y0 for row in rows for s in row)


def _is_prose(rows: Sequence[Row]) -> bool:
    """Whether most lines are long, and reach far to their column's right."""
    text = [row for row in rows if not row[0].table]
    if not text:
        return False
    left, right = min(row[0].x0 for row in text), max(row[-1].x1 for row in text)
    if median(sum(columns(s.text) for s in row) for row in text) < _LEAST_LINE_COLUMNS:
        return False
    return median(row[-1].x1 - row[0].x0 for row in text) >= _LEAST_FILL * (right - left)


def _region_lines(rows: list[Row], height: float) -> Iterator[Line]:
    """A column's lines, its tables' rows among them."""
    rows = [row for row in rows if not is_contents_line(" ".join(segment.text for segment in row))]
    if not rows:
        return
    pitch = _pitch(rows)
    right = max(row[-1].x1 for row in rows)
    text: list[Row] = []
    at = 0
    while at < len(rows):
        table = None if rows[at][0].table else aligned_table(rows, at)
        if table is None and not rows[at][0].table:
            text.append(rows[at])
            at += 1
            continue
        yield from text_lines(text, pitch, right, height)
        text = []
        if table is None:
            yield from (line_of(rows[at], line, height, is_row=True) for line in rows[at][0].table)
            at += 1
        else:
            at, cells = table
            yield from (line_of(row, line, height, is_row=True) for row, line in cells)
    yield from text_lines(text, pitch, right, height)
