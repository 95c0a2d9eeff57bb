"""Tables: those with ruled lines by their rules, others by cells that stand under each other."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import Final, NamedTuple

from ingest.readers.lines import columns
from ingest.readers.pdf_page import Rule, Word
from ingest.readers.pdf_segments import Row, Segment, joined_lines, joined_words

_TOUCHING_POINTS: Final = 3.0
_MOST_RULES: Final = 400
_LEAST_ROWS: Final = 3  # of a table without rules
_MOST_ROWS: Final = 150
_CELL_GAP_EMS: Final = 0.9
_ALIGNED_POINTS: Final = 2.0
_ALIGNED_SHARE: Final = 0.75
_CONTINUED_PITCH_EMS: Final = 1.45
_LEAST_HEADED_COLUMNS: Final = 3  # from which on a first row without figures is taken for a header
_PROSE_COLUMNS: Final = 60
_MARK: Final = re.compile(r"\W{0,2}(?:\d{1,3}(?:\.\d{1,3}){0,4}|[A-Za-z]|[ivxIVX]{1,5}|\W)?\W{0,2}")
_FIGURE_CHARS: Final = 40
_FIGURE: Final = re.compile(r"[-+±~≈<>≤≥$€£¥]?\s?[\d.,:/%\s()–-]*\d[\d.,:/%\s()–-]*[a-zA-Z%°]{0,3}")


# Rules, and the words between them.


class _Grid(NamedTuple):
    """`xs` and `ys` ascend. `uprights` are the upright rules."""

    xs: list[float]
    ys: list[float]
    uprights: list[Rule]

    def holds(self, x: float, y: float) -> bool:
        return self.xs[0] <= x <= self.xs[-1] and self.ys[0] <= y <= self.ys[-1]

    def borders(self, y: float) -> list[float]:
        """Where upright rules cross the height `y`: cells that span columns have fewer."""
        crossing = [
            rule.x0 for rule in self.uprights if rule.y0 - _TOUCHING_POINTS <= y <= rule.y1 + _TOUCHING_POINTS
        ]
        return _clustered(crossing)


def ruled_tables(rules: Sequence[Rule], rows: list[list[Word]]) -> tuple[list[Segment], list[list[Word]]]:
    """The ruled tables, a segment each, and the words outside of them, by line."""
    grids = list(_grids(rules)) if len(rules) >= 6 else []
    if not grids:
        return [], rows
    inside: list[list[list[Word]]] = [[] for _ in grids]
    outside: list[list[Word]] = []
    for row in rows:
        for place, words in groupby(row, lambda word: _place(grids, word)):
            (outside if place is None else inside[place]).append(list(words))
    tables = [_ruled_table(grid, found) for grid, found in zip(grids, inside, strict=True) if found]
    return tables, outside


def _place(grids: Sequence[_Grid], word: Word) -> int | None:
    x, y = (word.x0 + word.x1) / 2, (word.y0 + word.y1) / 2
    return next((i for i, grid in enumerate(grids) if grid.holds(x, y)), None)


def _grids(rules: Sequence[Rule]) -> Iterator[_Grid]:
    """Rules that touch each other and part at least two columns and two rows."""
    level = _merged([(r.y0 + r.y1, r.x0, r.x1) for r in rules if r.x1 - r.x0 > r.y1 - r.y0])
    upright = _merged([(r.x0 + r.x1, r.y0, r.y1) for r in rules if r.x1 - r.x0 <= r.y1 - r.y0])
    if not 0 < len(level) + len(upright) <= _MOST_RULES:
        return
    group = list(range(len(level) + len(upright)))

    def root(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    near = _TOUCHING_POINTS
    for i, (y, x0, x1) in enumerate(level):
        for j, (x, y0, y1) in enumerate(upright, start=len(level)):
            if x0 - near <= x <= x1 + near and y0 - near <= y <= y1 + near:
                group[root(i)] = root(j)
    members: dict[int, list[int]] = {}
    for i in range(len(group)):
        members.setdefault(root(i), []).append(i)
    for touching in members.values():
        ys = _clustered([level[i][0] for i in touching if i < len(level)])
        standing = [upright[i - len(level)] for i in touching if i >= len(level)]
        xs = _clustered([x for x, _, _ in standing])
        if len(xs) >= 3 and len(ys) >= 3:
            yield _Grid(xs, ys, [Rule(x, y0, x, y1) for x, y0, y1 in standing])


def _merged(rules: Iterable[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Rules given as (twice their place, start, end), as (place, start, end): those on one line that touch are one."""
    found: list[tuple[float, float, float]] = []
    for _, line in groupby(sorted(rules), lambda rule: round(rule[0])):
        for double, start, end in sorted(line, key=lambda rule: rule[1]):
            if found and abs(found[-1][0] - double / 2) < 1 and start <= found[-1][2] + _TOUCHING_POINTS:
                found[-1] = (found[-1][0], found[-1][1], max(found[-1][2], end))
            else:
                found.append((double / 2, start, end))
    return found


def _clustered(values: Iterable[float]) -> list[float]:
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > _TOUCHING_POINTS:
            found.append(value)
    return found


def _ruled_table(grid: _Grid, lines: Sequence[Sequence[Word]]) -> Segment:
    cells: dict[tuple[int, int], dict[int, list[Word]]] = {}
    borders = [grid.borders((low + high) / 2) for low, high in pairwise(grid.ys)]
    for number, line in enumerate(lines):
        for word in line:
            level = min(bisect_right(grid.ys, (word.y0 + word.y1) / 2), len(grid.ys) - 1) - 1
            at = bisect_right(borders[level], (word.x0 + word.x1) / 2)
            start = borders[level][at - 1] if at else grid.xs[0]
            column = min(bisect_right(grid.xs, start + _TOUCHING_POINTS), len(grid.xs) - 1) - 1
            cells.setdefault((-level, column), {}).setdefault(number, []).append(word)
    levels = sorted({level for level, _ in cells})
    width = len(grid.xs) - 1
    table = [
        [
            joined_lines([joined_words(line) for line in cells.get((level, i), {}).values()])
            for i in range(width)
        ]
        for level in levels
    ]
    bold = [
        _is_bold([w for i in range(width) for line in cells.get((level, i), {}).values() for w in line])
        for level in levels
    ]
    size = median(word.y1 - word.y0 for line in lines for word in line)
    middle = (grid.ys[0] + grid.ys[-1]) / 2
    texts = tuple(_row_texts(table, bold, ruled=True))
    return Segment(
        grid.xs[0], grid.ys[0], grid.xs[-1], grid.ys[-1], middle, max(size, 1.0), False, "", 0, texts
    )


def _is_bold(words: Iterable[Word]) -> bool:
    return all(word.bold for word in words)


# Cells that stand under each other.


class _Cell(NamedTuple):
    x0: float
    x1: float
    text: str
    bold: bool


class _Column(NamedTuple):
    x0: float
    x1: float


def aligned_table(rows: Sequence[Row], first: int) -> tuple[int, list[tuple[Row, str]]] | None:
    """The table that begins with the row `first`, and where it ends: its rows' texts, each with the row it began in.

    None where there is none for sure.
    """
    taken, places = _aligned_rows(rows, first)
    full = [cells for cells in taken if len(cells) > 1]
    if len(full) < _LEAST_ROWS or not _is_clear(taken, places):
        return None
    table: list[list[str]] = []
    begun: list[Row] = []
    bold: list[bool] = []
    for i, cells in enumerate(taken):
        if len(cells) == 1 and _place_of(cells[0], places) > 0:
            column = _place_of(cells[0], places)
            table[-1][column] = joined_lines(list(filter(None, (table[-1][column], cells[0].text))))
            continue
        texts = [""] * len(places)
        for cell in cells:
            texts[_place_of(cell, places)] = cell.text
        table.append(texts)
        begun.append(rows[first + i])
        bold.append(all(cell.bold for cell in cells))
    texts_by_row = list(_row_texts(table, bold, ruled=False))
    # With a header, the first text is the second row's.
    return first + len(taken), list(zip(begun[len(begun) - len(texts_by_row) :], texts_by_row, strict=True))


def _aligned_rows(rows: Sequence[Row], first: int) -> tuple[list[list[_Cell]], list[_Column]]:
    """As many rows as keep their cells in columns of their own, and the columns."""
    taken: list[list[_Cell]] = []
    places: list[_Column] = []
    most = 0
    for i in range(first, min(len(rows), first + _MOST_ROWS)):
        cells = _cells(rows[i])
        if len(cells) < 2 and not (taken and _continues(rows[i - 1], rows[i], cells, places)):
            break
        if taken and rows[i - 1][0].middle - rows[i][0].middle > 3 * rows[i][0].size:
            break
        wider = _widened(places, cells)
        if len(wider) < max(most, len(cells)):
            break
        places, most = wider, max(most, len(cells))
        taken.append(cells)
    return taken, places


def _cells(row: Row) -> list[_Cell]:
    if row[0].table:
        return []
    cells: list[_Cell] = []
    for segment in row:
        if cells and segment.x0 - cells[-1].x1 < _CELL_GAP_EMS * segment.size:
            before = cells.pop()
            cells.append(
                _Cell(before.x0, segment.x1, f"{before.text} {segment.text}", before.bold and segment.bold)
            )
        else:
            cells.append(_Cell(segment.x0, segment.x1, segment.text, segment.bold))
    return cells


def _continues(above: Row, row: Row, cells: Sequence[_Cell], places: Sequence[_Column]) -> bool:
    """Whether a row's only cell goes on with the cell above it, in any column but the first."""
    if len(cells) != 1 or above[0].middle - row[0].middle > _CONTINUED_PITCH_EMS * row[0].size:
        return False
    return cells[0].x0 > places[0].x1


def _widened(places: Sequence[_Column], cells: Sequence[_Cell]) -> list[_Column]:
    """The columns with these cells in them: what overlaps is one column."""
    found: list[_Column] = []
    for x0, x1 in sorted([*places, *((cell.x0, cell.x1) for cell in cells)]):
        if found and x0 < found[-1].x1:
            found[-1] = _Column(found[-1].x0, max(found[-1].x1, x1))
        else:
            found.append(_Column(x0, x1))
    return found


def _place_of(cell: _Cell, places: Sequence[_Column]) -> int:
    return max(0, bisect_right(places, cell.x0, key=lambda column: column.x0) - 1)


def _is_clear(taken: Sequence[Sequence[_Cell]], places: Sequence[_Column]) -> bool:
    """Whether the columns are aligned at an edge, or centred, and are neither a list's marks nor columns of prose."""
    by_column: list[list[_Cell]] = [[] for _ in places]
    for cells in taken:
        for cell in cells:
            by_column[_place_of(cell, places)].append(cell)
    if len(places) == 2 and sum(bool(_MARK.fullmatch(c.text)) for c in by_column[0]) * 2 > len(by_column[0]):
        return False
    wide = sum(median(columns(cell.text) for cell in cells) > _PROSE_COLUMNS for cells in by_column)
    return wide < 2 and all(map(_is_aligned, by_column))


def _is_aligned(cells: Sequence[_Cell]) -> bool:
    for edge in ([c.x0 for c in cells], [c.x1 for c in cells], [(c.x0 + c.x1) / 2 for c in cells]):
        middle = median(edge)
        if sum(abs(x - middle) <= _ALIGNED_POINTS for x in edge) >= _ALIGNED_SHARE * len(edge):
            return True
    return False


# Rows as text.


def _row_texts(table: Sequence[Sequence[str]], bold: Sequence[bool], *, ruled: bool) -> Iterator[str]:
    """`header: value; header: value`, without what is empty; without a header for sure, the values alone."""
    if not _is_headed(table, bold, ruled=ruled):
        yield from ("; ".join(filter(None, row)) for row in table)
        return
    header, body = table[0], table[1:]
    if any(head and not any(row[i] for row in body) for i, head in enumerate(header)):
        yield "; ".join(filter(None, header))  # else the heads of empty columns would be lost
    for row in body:
        cells = zip(header, row, strict=True)
        yield "; ".join(f"{head}: {cell}" if head else cell for head, cell in cells if cell)


def _is_headed(table: Sequence[Sequence[str]], bold: Sequence[bool], *, ruled: bool) -> bool:
    """Whether the first row names the columns: bold over others that are not, or without figures over some.

    Rules alone make a table of three or more columns sure enough to have a header.
    """
    names = [head for head in table[0] if head]
    if len(table) < 2 or len(names) < 2:
        return False
    if bold[0] and not all(bold):
        return True
    if len(names) < len(table[0]) or len(set(names)) < len(names) or any(map(_is_figure, names)):
        return False
    return (ruled and len(names) >= _LEAST_HEADED_COLUMNS) or any(
        2 * sum(_is_figure(row[i]) for row in table[1:]) > len(table) - 1 for i in range(len(names))
    )


def _is_figure(text: str) -> bool:
    return len(text) <= _FIGURE_CHARS and _FIGURE.fullmatch(text) is not None
