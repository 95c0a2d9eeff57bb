"""The four ways to write a table in reStructuredText → its rows."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ingest.readers.markup_lines import PAD, indent_of, joined, padded
from ingest.readers.rows import column_name, csv_values_up_to, row_text

Row = list[str]

_GRID_RULE: Final = re.compile(r"\+(?:[-=]+\+)+")
_SIMPLE_RULE: Final = re.compile(r"=+(?: +=+)+")
_SPAN_RULE: Final = re.compile(r"-[- ]*")
_LIST_ROW: Final = re.compile(r"[*+-]( +)[*+-](?: +(.*))?$")


def is_grid(line: str) -> bool:
    """Whether a line begins a grid table."""
    return line.startswith("+") and _GRID_RULE.fullmatch(line.rstrip()) is not None


def is_simple(line: str) -> bool:
    """Whether a line begins a simple table."""
    return line.startswith("=") and _SIMPLE_RULE.fullmatch(line.rstrip()) is not None


def grid_rows(lines: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """Header and body of the grid table that is these lines. A cell that spans rows stands in each of them."""
    wide = [padded(line.rstrip()) for line in lines]
    edges = [place for place, mark in enumerate(wide[0]) if mark == "+"]
    header: list[Row] = []
    rows: list[Row] = []
    open_rows = [_empty_cells(edges)]
    for line in wide[1:]:
        if _GRID_RULE.fullmatch(line):
            rows += [_texts(cells) for cells in open_rows]
            open_rows = [_empty_cells(edges)]
            if "=" in line and not header:
                header, rows = rows, []
        else:
            _take_grid_line(line, edges, open_rows)
    rows += [_texts(cells) for cells in open_rows if any(cells)]
    return header, [row for row in rows if any(row)]


def _empty_cells(edges: Sequence[int]) -> list[list[str]]:
    return [[] for _ in edges[1:]]


def _take_grid_line(line: str, edges: Sequence[int], open_rows: list[list[list[str]]]) -> None:
    cells = list(_grid_cells(line, edges))
    ruled = {column for column, text in cells if text and not text.strip("-")}
    if ruled and "+" in line:
        # A rule through some of the columns: the others' cells go on into the next row.
        open_rows.append([[] if column in ruled else cell for column, cell in enumerate(open_rows[-1])])
        return
    for column, text in cells:
        open_rows[-1][column].append(text)


def _grid_cells(line: str, edges: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Each cell's first column and its text on this line; a cell ends at the next edge that has a border."""
    column, left = 0, edges[0] + 1
    for place, edge in enumerate(edges[1:], start=1):
        if place == len(edges) - 1 or line[edge : edge + 1] in ("|", "+"):
            yield column, line[left:edge]
            column, left = place, edge + 1


def _texts(cells: Sequence[Sequence[str]]) -> Row:
    return [joined(line.replace(PAD, "") for line in cell) for cell in cells]


def simple_end(lines: Sequence[str], start: int) -> int:
    """Where the simple table that begins at `start` ends: at its second rule, or its third where that one is below a header."""
    below_header = False
    for place in range(start + 1, len(lines)):
        if not is_simple(lines[place]):
            continue
        if below_header or place + 1 == len(lines) or not lines[place + 1].strip():
            return place + 1
        below_header = True
    blank = next((place for place in range(start + 1, len(lines)) if not lines[place].strip()), len(lines))
    return max(blank, start + 1)


def simple_rows(lines: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """Header and body of the simple table that is these lines."""
    rule = lines[0].rstrip()
    starts = [match.start() for match in re.finditer("=+", rule)]
    header: list[Row] = []
    rows: list[list[list[str]]] = []
    for line in map(padded, lines[1:]):
        if is_simple(line):
            if not header:
                header, rows = [_texts(row) for row in rows], []
            continue
        if not line.strip() or _SPAN_RULE.fullmatch(line.rstrip()):
            continue
        cells = [line[left:right].rstrip() for left, right in zip(starts, [*starts[1:], None], strict=True)]
        if rows and not cells[0].strip():
            for cell, more in zip(rows[-1], cells, strict=True):
                cell.append(more)
        else:
            rows.append([[cell] for cell in cells])
    body = [_texts(row) for row in rows]
    # Between two rules only, the first of them has closed the header of nothing.
    return (header, body) if body else ([], header)


def list_rows(lines: Sequence[str], header_rows: int) -> tuple[list[Row], list[Row]]:
    """Header and body of a list-table, whose rows are items and whose cells are items in them."""
    rows: list[list[list[str]]] = []
    cell_indent = 0
    for line in lines:
        match = _LIST_ROW.match(line)
        if match:
            cell_indent = 1 + len(match[1])
            rows.append([[match[2] or ""]])
        elif (
            rows and indent_of(line) == cell_indent and line.strip()[:2] in ("-", "- ", "*", "* ", "+", "+ ")
        ):
            rows[-1].append([line.strip()[1:]])
        elif rows:
            rows[-1][-1].append(line)
    texts = [[joined(cell) for cell in row] for row in rows]
    return texts[:header_rows], texts[header_rows:]


def csv_rows(lines: Sequence[str], options: Mapping[str, str]) -> tuple[list[Row], list[Row]]:
    """Header and body of a csv-table."""
    delimiter = {"tab": "\t", "space": " "}.get(
        options.get("delim", ","), options.get("delim", ",")[:1] or ","
    )
    header = list(_csv([options["header"]], ",")) if options.get("header") else []
    count = int(options["header-rows"]) if options.get("header-rows", "").isdigit() else 0
    rows = list(_csv(lines, delimiter))
    return header + rows[:count], rows[count:]


def _csv(lines: Sequence[str], delimiter: str) -> Iterator[Row]:
    with csv_values_up_to(sum(len(line) + 1 for line in lines) + 1):
        reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
        yield from (row for row in reader if row)


def table_texts(header: Sequence[Row], rows: Sequence[Row]) -> Iterator[str]:
    """One text a row, under the names that all header rows together give to the columns."""
    width = max(map(len, header), default=0)
    names = [
        column_name(" ".join(dict.fromkeys(row[column] for row in header if column < len(row))))
        for column in range(width)
    ]
    for row in rows or header:
        yield row_text(names if rows else [], row)
