"""CSV and its relatives: a row a block, `header: value; header: value`; RFC 4180, and what programs write instead."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple

from docradar.documents import IngestReport, Kind
from docradar.errors import ReadError
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.encoding import decode
from ingest.readers.rows import column_name, csv_values_up_to, row_text

# Where two explain the lines equally well, the earlier one: a comma may be in numbers and in texts.
_DELIMITERS: Final = ("\t", ";", "|", ",")
_DECLARED: Final = re.compile(r'"?sep=([^\w\s"]|\t)"?', re.IGNORECASE)
_SNIFFED_LINES: Final = 200
_SNIFFED_CHARS: Final = 256 * 1024
_LOOKED_AT_ROWS: Final = 50
_MOST_TITLES: Final = 5
_LEAST_SHARE: Final = 0.3

_SWALLOWED_LINES: Final = 10
_SWALLOWED_SHARE: Final = 0.8
_CLOSING: Final = re.compile(r'[^"]*+(?:""[^"]*+)*+"(.?)')
_MOST_REPAIRS: Final = 20
_END: Final = "\x1f"  # cleaned text holds none

_LISTED_CHARS: Final = 500
_NAME_CHARS: Final = 80
_QUESTION_CHARS: Final = 300
_REPEATED_SHARE: Final = 0.1  # of a column's values, those that are its name
_QUESTIONS_SHARE: Final = 0.5
_VALUE: Final = re.compile(
    r"[-+(]?[$€£¥￥]?\s?\d[\d.,\s]*\)?\s?%?|\d{2,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?(?:[ T]\d{1,2}:\d{2}.*)?"
    r"|true|false|yes|no|是|否|n/?a|null|none|https?://.*|[^@\s]+@[^@\s]+\.[a-z]+",
    re.IGNORECASE,
)
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_SENTENCE_END: Final = tuple("。！!；;.,，")
_QUESTION_END: Final = ("?", "？")


class _Record(NamedTuple):
    """`line` counts from 1."""

    line: int
    values: list[str]


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError when the bytes are not text, or hold more of it than is allowed."""
    decoded = decode(path.read_bytes())
    lines = clean(decoded.text).split("\n")
    delimiter = _declared_delimiter(lines)
    reader = _RecordReader(
        lines, delimiter or _sniffed_delimiter(lines), limits, skipped=1 if delimiter else 0
    )
    builder = TextBuilder(limits)
    remarks = _add_rows(builder, reader.records())
    text, blocks = builder.build()
    return ReadDocument(
        text,
        blocks,
        report=IngestReport(
            reader="csv",
            encoding=decoded.encoding,
            encoding_confidence=decoded.confidence,
            characters_read=len(decoded.text),
            warnings=(*decoded.warnings, *reader.warnings, *remarks),
        ),
    )


def _add_rows(builder: TextBuilder, records: Iterator[_Record]) -> Iterator[str]:
    """Adds the rows, and what stands above the header; what the report is to say of the columns."""
    head = list(islice(records, _LOOKED_AT_ROWS))
    for title in _titles(head):
        builder.add(title, Kind.PARAGRAPH)
        head.pop(0)
    header = head.pop(0).values if _has_header([record.values for record in head]) else []
    names = [column_name(value) for value in header]
    unused = {column for column, name in enumerate(names) if name}
    for record in chain(head, records):
        if record.values == header:  # files put one after the other repeat it
            continue
        values = [" ".join(value.split()) for value in record.values]
        if unused:
            unused -= {column for column, value in enumerate(values) if value}
        builder.add(row_text(names, values), Kind.TABLE_ROW)
    return _remarks(names, sorted(unused))


def _remarks(names: Sequence[str], unused: Sequence[int]) -> Iterator[str]:
    if not names:
        yield "its first row does not look like a header, so the values have no names"
    if unused:
        listed = ", ".join(names[column] for column in unused)[:_LISTED_CHARS]
        yield f"columns in which no row has a value are not searched for: {listed}"


def _titles(head: Sequence[_Record]) -> list[str]:
    """The rows above the table that have a single value, where those of the table have more."""
    filled = [[value for value in record.values if value.strip()] for record in head]
    if max(map(len, filled), default=0) < 2:
        return []
    first = next((place for place, values in enumerate(filled) if len(values) > 1), 0)
    return [values[0] for values in filled[:first]] if first <= _MOST_TITLES else []


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: most of its cells differ from each other, and none looks like a value."""
    if len(rows) < 2:
        return False
    header = [cell.strip() for cell in rows[0]]
    body = [row for row in rows[1:] if row != rows[0]]
    names = [name for name in header if name]
    if len(names) < max(1, len(header) // 2) or 2 * len(set(names)) <= len(names):
        return False
    columns = [[row[place].strip() for row in body if place < len(row)] for place in range(len(header))]
    return all(_is_name(name, column) for name, column in zip(header, columns, strict=True) if name)


def _is_name(cell: str, below: Sequence[str]) -> bool:
    if below.count(cell) > _REPEATED_SHARE * len(below) or cell.endswith(_SENTENCE_END):
        return False
    if cell.endswith(
        _QUESTION_END
    ):  # a form's, whose answers stand below; or the first of a column of questions
        questions = sum(value.endswith(_QUESTION_END) for value in below)
        return len(cell) <= _QUESTION_CHARS and questions < _QUESTIONS_SHARE * len(below)
    if len(cell) > _NAME_CHARS:
        return False
    if _YEAR.fullmatch(cell):
        return not any(_YEAR.fullmatch(value) for value in below)
    return not _VALUE.fullmatch(cell)


def _declared_delimiter(lines: Sequence[str]) -> str | None:
    """The one that Excel writes into a line of its own above the table."""
    match = _DECLARED.fullmatch(lines[0].strip(" "))
    return match[1] if match else None


def _sniffed_delimiter(lines: Sequence[str]) -> str:
    """The one by which most of the first lines have the same number of cells, and more than one."""
    sample: list[str] = []
    left_chars = _SNIFFED_CHARS
    for line in islice((line for line in lines if line.strip()), _SNIFFED_LINES):
        left_chars -= len(line)
        if left_chars < 0 and sample:
            break
        sample.append(line)
    share, _, delimiter = max(
        (_regularity(sample, candidate), -place, candidate) for place, candidate in enumerate(_DELIMITERS)
    )
    return delimiter if share > _LEAST_SHARE else ","


def _regularity(sample: Sequence[str], delimiter: str) -> float:
    """The share of records with the commonest number of cells; 0 where that is one."""
    with csv_values_up_to(sum(len(line) + 1 for line in sample) + 1):
        records_of = csv.reader((f"{line}\n" for line in sample), delimiter=delimiter)
        counts = Counter(len(record) for record in records_of)
    cells, records = counts.most_common(1)[0] if counts else (1, 0)
    return records / counts.total() if cells > 1 else 0.0


class _RecordReader:
    """Records of a table, in which a quotation mark that is never closed costs its own line only."""

    def __init__(self, lines: Sequence[str], delimiter: str, limits: ReadLimits, *, skipped: int) -> None:
        self.warnings: list[str] = []
        self._lines = lines
        self._delimiter = delimiter
        self._limits = limits
        self._next = skipped
        self._repairs = 0
        self._cells = 0

    def records(self) -> Iterator[_Record]:
        """The records that hold anything.

        Raises:
            ReadError: A single value is longer than a document's text may be.
        """
        try:
            with csv_values_up_to(self._limits.text_chars + 1):
                yield from self._all()
        except csv.Error as error:
            raise ReadError(
                f"line {self._next:,} of it holds a value of more than {self._limits.text_chars:,} characters; split it, or raise "
                "the setting max_text_chars"
            ) from error

    def _all(self) -> Iterator[_Record]:
        while self._next < len(self._lines):
            for first, values in self._quoted():
                if values and values[-1].endswith(_END):
                    if values == [_END]:
                        return
                    self._repair(first, "is not closed")
                    break
                if self._swallows_rows(first):
                    self._repair(first, f"is closed only in line {self._next:,}")
                    break
                if any(map(str.strip, values)):
                    self._cells = self._cells if self._cells > 1 else len(values)
                    yield _Record(first + 1, values)
            else:
                return
            yield _Record(self._next, self._lines[self._next - 1].split(self._delimiter))

    def _quoted(self) -> Iterator[tuple[int, list[str]]]:
        """Records from the next line on, each with the index of its first line."""
        first = self._next
        quoted = self._repairs < _MOST_REPAIRS
        for values in csv.reader(
            self._feed(), delimiter=self._delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        ):
            yield first, values
            first = self._next

    def _feed(self) -> Iterator[str]:
        while self._next < len(self._lines):
            self._next += 1
            yield f"{self._lines[self._next - 1]}\n"
        yield _END

    def _swallows_rows(self, first: int) -> bool:
        """Whether a record of many lines is rather many records.

        Then most of its lines have the cells of one, and the mark that ends the value stands in the middle of another.
        """
        if self._next - first <= _SWALLOWED_LINES:
            return False
        *between, last = self._lines[first + 1 : self._next]
        alike = sum(line.count(self._delimiter) == self._cells - 1 for line in between)
        closing = _CLOSING.match(last)
        if alike < _SWALLOWED_SHARE * len(between) or closing is None:
            return False
        return closing[1] not in ("", self._delimiter)

    def _repair(self, first: int, what: str) -> None:
        """Goes back to the line after `first`."""
        self._repairs += 1
        self._next = first + 1
        if self._repairs <= 3:
            self.warnings.append(
                f"a quotation mark in line {first + 1:,} {what}; the line was read as it stands"
            )
        elif self._repairs == _MOST_REPAIRS:
            self.warnings.append(
                f"quotation marks are not closed in many lines; from line {first + 2:,} on they were read as they stand"
            )
