"""Tables of Word → one text a row, and the blocks of what tables only arrange on the page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from docradar.documents import Kind
from ingest.readers.docx_package import attribute, child, is_on, name_of
from ingest.readers.docx_text import Piece
from ingest.readers.rows import column_name, row_text

_MOST_COLUMNS: Final = 63  # Word's own limit
_REPEATED_CHARS: Final = 200
_UNSHADED: Final = frozenset({"auto", "ffffff", "none", ""})
_WRAPPERS: Final = frozenset({"w:sdt", "w:sdtContent", "w:customXml", "w:ins", "w:moveTo"})


@dataclass(frozen=True, slots=True)
class CellContent:
    """A cell's blocks; `emphasised` where all of its text is bold."""

    pieces: tuple[Piece, ...]
    emphasised: bool

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(" ".join(piece.text for piece in self.pieces).split())


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    content: CellContent
    first: int
    columns: int
    begins_merge: bool = False
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    cells: tuple[_Cell, ...]
    repeated: bool

    @property
    def groups_columns(self) -> bool:
        """Whether names of single columns follow below: some cells reach down to them, others span them."""
        return any(cell.begins_merge for cell in self.cells) and any(cell.columns > 1 for cell in self.cells)

    @property
    def goes_on(self) -> bool:
        """Whether a cell of the row above reaches into it."""
        return any(cell.goes_on for cell in self.cells)

    def column_values(self) -> list[str]:
        """The values by column; a cell that spans several stands in its first one."""
        values = [""] * (self.cells[-1].first + 1 if self.cells else 0)
        for cell in self.cells:
            values[cell.first] = cell.text
        return values


class Table:
    """Takes rows one after the other and gives their texts; only the first is held back, to tell whether it is a header."""

    def __init__(self, content_of: Callable[[etree._Element], CellContent]) -> None:
        self._content_of = content_of
        self._names: list[str] = []
        self._first: _Row | None = None
        self._in_header = True
        self._labelled = False
        self._hanging: dict[int, str] = {}

    def add(self, element: etree._Element) -> Iterator[Piece]:
        """What can be told once this child of the table is known: a row, or what holds some."""
        for row in _rows(element):
            yield from self._take(self._row(row))

    def finish(self) -> Iterator[Piece]:
        """The row that was held back, where no other followed."""
        first, self._first = self._first, None
        if first is not None and any(len(cell.content.pieces) > 1 for cell in first.cells):
            for cell in first.cells:
                yield from cell.content.pieces
        elif first is not None:
            yield Piece(Kind.TABLE_ROW, "; ".join(cell.text for cell in first.cells if cell.text))

    def _take(self, row: _Row) -> Iterator[Piece]:
        if not any(cell.text for cell in row.cells):
            return
        if len(row.cells) == 1:  # it spans the table, and belongs to no column
            yield from row.cells[0].content.pieces
            return
        if self._in_header and self._first is None and not self._names:
            self._first = row
            return
        if self._first is not None:
            first, self._first = self._first, None
            self._labelled = _is_labelled(first)
            if self._labelled:
                yield self._piece(first)
            else:
                self._name_columns(first)
            self._in_header = not self._labelled and (first.repeated or first.groups_columns)
        if self._in_header and (row.repeated or row.goes_on):
            self._name_columns(row)
            return
        self._in_header = False
        yield self._piece(row)

    def _piece(self, row: _Row) -> Piece:
        return Piece(Kind.TABLE_ROW, self._text(row))

    def _text(self, row: _Row) -> str:
        if self._labelled:
            return "; ".join(_labelled(row))
        return row_text(self._names, row.column_values())

    def _name_columns(self, row: _Row) -> None:
        """Adds a header row to the names of the columns that its cells span."""
        for cell in row.cells:
            for column in range(cell.first, cell.first + cell.columns):
                self._names += [""] * (column + 1 - len(self._names))
                above = self._names[column]
                if cell.text and cell.text != above:
                    self._names[column] = column_name(f"{above} {cell.text}")

    def _row(self, element: etree._Element) -> _Row:
        properties = child(element, "w:trPr")
        before = child(properties, "w:gridBefore") if properties is not None else None
        header = child(properties, "w:tblHeader") if properties is not None else None
        column = _count(before) if before is not None else 0
        cells: list[_Cell] = []
        for cell in _below(element, "w:tc"):
            made = self._cell(cell, column)
            if made is not None:
                cells.append(made)
                column += made.columns
        return _Row(tuple(cells), header is not None and is_on(header))

    def _cell(self, element: etree._Element, column: int) -> _Cell | None:
        properties = child(element, "w:tcPr")
        span = merge = None
        if properties is not None:
            if child(properties, "w:cellDel") is not None:
                return None
            span, merge = child(properties, "w:gridSpan"), child(properties, "w:vMerge")
        columns = max(1, _count(span)) if span is not None and column < _MOST_COLUMNS else 1
        content = self._content_of(element)
        if properties is not None and _is_shaded(properties):
            content = replace(content, emphasised=True)
        text = content.text
        begins_merge = merge is not None and attribute(merge, "val") == "restart"
        if merge is None:
            self._hanging.pop(column, None)
        elif begins_merge:
            self._hanging[column] = text if len(text) <= _REPEATED_CHARS else ""
        else:
            text = text or self._hanging.get(column, "")
        return _Cell(text, content, column, columns, begins_merge, merge is not None and not begins_merge)


def _rows(element: etree._Element) -> Iterator[etree._Element]:
    """The rows that an element is or holds, without deleted ones."""
    if name_of(element) == "w:tr":
        properties = child(element, "w:trPr")
        if properties is None or child(properties, "w:del") is None:
            yield element
    elif name_of(element) in _WRAPPERS:
        for below in element:
            yield from _rows(below)


def _below(element: etree._Element, name: str) -> Iterator[etree._Element]:
    for below in element:
        if name_of(below) == name:
            yield below
        elif name_of(below) in _WRAPPERS:
            yield from _below(below, name)


def _is_labelled(row: _Row) -> bool:
    """Whether cells name what stands to the right of them: the first is emphasised, and another one is not.

    Of two columns the left one does, unless the first row is emphasised: read that way, names of columns cost one odd row,
    while labels taken for names of columns would make every row wrong.
    """
    if row.repeated or not row.cells[0].text:
        return False
    if not row.cells[0].content.emphasised and row.cells[-1].first + row.cells[-1].columns != 2:
        return False
    return any(cell.text and not cell.content.emphasised for cell in row.cells)


def _labelled(row: _Row) -> Iterator[str]:
    """`label: value` of each emphasised cell, or else of the first, with the cells up to the next.

    The last one has nothing to name.
    """
    label, values = "", list[str]()
    last = len(row.cells) - 1
    for place, cell in enumerate(row.cells):
        if place and (place == last or not (cell.content.emphasised and cell.text)):
            values += [cell.text] if cell.text else []
            continue
        if label or values:
            yield _entry(label, values)
        label, values = cell.text.rstrip(":：").rstrip(), []  # said once: it need not be cut
    yield _entry(label, values)


def _entry(label: str, values: list[str]) -> str:
    return ": ".join(filter(None, (label, ", ".join(values))))


def _is_shaded(properties: etree._Element) -> bool:
    shading = child(properties, "w:shd")
    return shading is not None and (attribute(shading, "fill") or "auto").lower() not in _UNSHADED


def _count(element: etree._Element) -> int:
    value = attribute(element, "val") or ""
    return min(int(value), _MOST_COLUMNS) if value.isascii() and value.isdigit() and len(value) < 9 else 0
