"""Tables of AsciiDoc → their rows."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ingest.readers.rows import csv_values_up_to

_SPECIFIER: Final = re.compile(
    r"(?<![^\s|])(?:(?P<count>\d{1,3})?(?:\.(?P<rows>\d{1,3}))?(?P<sign>[+*]))?(?:[<^>](?:\.[<^>])?|\.[<^>])?[adehlmsv]?\|"
    r"|(?<!\\)(?P<plain>\|)"
)
_REPEATED_COLUMNS: Final = re.compile(r"(\d{1,3})\*.*")
_MOST_COLUMNS: Final = 200
_SEPARATORS: Final = {"csv": ",", "tsv": "\t", "dsv": ":"}

Row = list[str]


class _Cell(NamedTuple):
    text: str
    columns: int = 1
    rows: int = 1


def table_rows(lines: Sequence[str], attributes: Mapping[str, str], delimiter: str) -> tuple[Row, list[Row]]:
    """The header, empty where there is none, and the rows of the lines between a table's delimiters."""
    separator = _SEPARATORS.get(
        attributes.get("format", ""), "," if delimiter[0] == "," else ":" if delimiter[0] == ":" else ""
    )
    separator = attributes.get("separator", separator)[:1] if separator else ""
    filled = [line for line in lines if line.strip()]
    if not filled:
        return [], []
    if separator:
        rows = _separated(filled, separator)
    else:
        width = _width(attributes.get("cols", "")) or len(list(_cells(filled[0])))
        rows = list(_arranged(_cells("\n".join(lines)), width))
    options = attributes.get("options", "") + attributes.get("opts", "")
    first_is_alone = bool(lines[0].strip()) and len(lines) > 1 and not lines[1].strip()
    if rows and ("header" in options or (first_is_alone and "noheader" not in options and len(rows) > 1)):
        return rows[0], rows[1:]
    return [], rows


def _separated(lines: Sequence[str], separator: str) -> list[Row]:
    with csv_values_up_to(sum(len(line) + 1 for line in lines) + 1):
        return [row for row in csv.reader((f"{line}\n" for line in lines), delimiter=separator) if row]


def _width(columns: str) -> int:
    """The number of columns that `cols` declares."""
    parts = [part.strip() for part in columns.replace(";", ",").split(",") if part.strip()]
    counts = [int(match[1]) if (match := _REPEATED_COLUMNS.fullmatch(part)) else 1 for part in parts]
    return min(sum(counts), _MOST_COLUMNS)


def _cells(text: str) -> Iterator[_Cell]:
    """The cells of a text: each begins at a bar, which how many it spans or stands for may precede."""
    marks = list(_SPECIFIER.finditer(text))
    for place, mark in enumerate(marks):
        end = marks[place + 1].start() if place + 1 < len(marks) else len(text)
        content = " ".join(text[mark.end() : end].replace("\\|", "|").split())
        count = int(mark["count"] or 1)
        if mark["sign"] == "*":
            yield from [_Cell(content)] * max(1, min(count, _MOST_COLUMNS))
        elif mark["sign"] == "+":
            yield _Cell(content, max(1, min(count, _MOST_COLUMNS)), max(1, int(mark["rows"] or 1)))
        else:
            yield _Cell(content)


def _arranged(cells: Iterator[_Cell], width: int) -> Iterator[Row]:
    """Rows of `width` columns; a cell that spans rows stands in each of them."""
    hanging: dict[int, _Cell] = {}
    row: Row = []
    for cell in cells:
        _hang(row, hanging, width)
        column = len(row)
        row += [cell.text, *[""] * (cell.columns - 1)]
        if cell.rows > 1:
            hanging[column] = cell._replace(rows=cell.rows - 1)
        _hang(row, hanging, width)
        if len(row) >= width:
            yield row
            row = []
    if any(row):
        yield row


def _hang(row: Row, hanging: dict[int, _Cell], width: int) -> None:
    """Adds the cells that begin further up, as far as the next free column."""
    while len(row) < width and (cell := hanging.get(len(row))):
        column = len(row)
        row += [cell.text, *[""] * (cell.columns - 1)]
        if cell.rows > 1:
            hanging[column] = cell._replace(rows=cell.rows - 1)
        else:
            del hanging[column]
