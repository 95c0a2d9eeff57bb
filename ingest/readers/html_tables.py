"""Tables of HTML → one text a row: `header: value; header: value`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from selectolax.lexbor import LexborNode

from ingest.readers.html_text import line_of
from ingest.readers.rows import column_name, row_text

_LAYOUT_CELLS: Final = ("h1", "h2", "h3", "h4", "h5", "h6", "pre")
_LAYOUT_SIGNS: Final = ", ".join(("table", "tr", "td", "th", *_LAYOUT_CELLS))
_LAYOUT_CHARS: Final = 1500
_MOST_COLUMNS: Final = 200
_MOST_ROWS: Final = 1000


@dataclass(slots=True)
class _Cell:
    text: str
    is_header: bool
    rows_left: int = 0
    spanned_by: str = ""
    """The text of the cell to the left that spans this one's column as well."""


@dataclass(frozen=True, slots=True)
class _Row:
    cells: tuple[_Cell, ...]
    in_head: bool


def is_layout(table: LexborNode) -> bool:
    """Whether a table only arranges what stands in it, so that its cells are read one after the other."""
    if table.attributes.get("role") in ("presentation", "none"):
        return True
    tags = Counter(node.tag for node in table.css(_LAYOUT_SIGNS))
    if tags["table"] > 1 or any(tags[tag] for tag in _LAYOUT_CELLS):
        return True
    cells = tags["td"] + tags["th"]
    if cells <= tags["tr"]:  # a single column
        return True
    if tags["tr"] == 1 and not tags["th"]:
        return True
    return len(table.text()) > _LAYOUT_CHARS * cells


def table_rows(table: LexborNode, left_out: AbstractSet[int] = frozenset()) -> Iterator[str]:
    """The caption, then one line a row, without what is empty.

    Columns have names where the table has a head, or its first row has header cells only. Elsewhere a header cell that a
    row begins with names the rest of it.
    """
    for caption in table.css("caption"):
        if caption.mem_id not in left_out:
            yield line_of(caption, left_out)
    rows = list(_rows(table, left_out))
    titles = _titles(rows)
    yield from (row.cells[0].text for row in rows[:titles])
    header, rest = _header(rows[titles:])
    for row in rest:
        yield row_text(header, [cell.text for cell in row.cells]) if header else _unnamed(row.cells)


def _unnamed(cells: Sequence[_Cell]) -> str:
    values = [cell.text for cell in cells if cell.text]
    if len(values) > 1 and cells[0].is_header and cells[0].text:
        return f"{column_name(values[0])}: {'; '.join(values[1:])}"
    return "; ".join(values)


def _titles(rows: Sequence[_Row]) -> int:
    """How many rows the table begins with that are a single cell as wide as the row below them."""
    count = 0
    while count + 1 < len(rows) and _is_title(rows[count], len(rows[count + 1].cells)):
        count += 1
    return count


def _is_title(row: _Row, width: int) -> bool:
    first, *others = row.cells
    return len(row.cells) >= max(2, width) and bool(first.text) and all(cell.spanned_by for cell in others)


def _header(rows: Sequence[_Row]) -> tuple[list[str], Sequence[_Row]]:
    """The columns' names, and the rows below them."""
    height = _header_height(rows)
    if not height or height == len(rows):
        return [], rows
    width = max(len(row.cells) for row in rows[:height])
    names: list[str] = []
    for column in range(width):
        cells = (row.cells[column] for row in rows[:height] if column < len(row.cells))
        parts = (cell.text or cell.spanned_by for cell in cells)
        names.append(column_name(" ".join(dict.fromkeys(filter(None, parts)))))
    return names, rows[height:]


def _header_height(rows: Sequence[_Row]) -> int:
    """The rows of the head, or the first of header cells only; and those of header cells only that follow, where others do."""
    height = 0
    while height < len(rows) and rows[height].in_head:
        height += 1
    if not height and rows and _is_of_header_cells(rows[0]):
        height = 1
    further = height
    while 0 < further < len(rows) and _is_of_header_cells(rows[further]) and not _is_title(rows[further], 2):
        further += 1
    return further if further < len(rows) else height


def _is_of_header_cells(row: _Row) -> bool:
    return all(cell.is_header for cell in row.cells)


def _rows(table: LexborNode, left_out: AbstractSet[int]) -> Iterator[_Row]:
    """The rows, each as wide as it looks: a cell that spans columns counts once, one that spans rows in each of them."""
    hanging: dict[int, _Cell] = {}
    for row in table.css("tr"):
        if row.mem_id in left_out:
            continue
        cells = list(_cells(row, hanging, left_out))
        if any(cell.text for cell in cells):
            in_head = row.parent is not None and row.parent.tag == "thead"
            yield _Row(tuple(cells), in_head)


def _cells(row: LexborNode, hanging: dict[int, _Cell], left_out: AbstractSet[int]) -> Iterator[_Cell]:
    column = 0
    node = row.first_child
    while (node is not None or column in hanging) and column < _MOST_COLUMNS:
        if column in hanging:
            cell = hanging[column]
            cell.rows_left -= 1
            if not cell.rows_left:
                del hanging[column]
            yield _Cell(cell.text, cell.is_header, spanned_by=cell.spanned_by)
            column += 1
            continue
        assert node is not None
        if node.tag in ("td", "th") and node.mem_id not in left_out:
            attributes = node.attributes
            rows_left = _span(attributes.get("rowspan"), _MOST_ROWS) - 1
            text, is_header = line_of(node, left_out), node.tag == "th"
            for place in range(_span(attributes.get("colspan"), _MOST_COLUMNS)):
                cell = _Cell("", is_header, rows_left, text) if place else _Cell(text, is_header, rows_left)
                yield cell
                if rows_left:
                    hanging[column] = cell
                column += 1
        node = node.next


def _span(value: str | None, most: int) -> int:
    if not value:
        return 1
    value = value.strip()
    return min(int(value), most) or 1 if value.isascii() and value.isdigit() and len(value) < 9 else 1
