"""A table's row as one statement."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ingest.readers.headings import TITLE_CHARS

_NAME_CHARS: Final = TITLE_CHARS


@contextmanager
def csv_values_up_to(chars: int) -> Iterator[None]:
    """Has the csv module take values of that many characters, which it otherwise does for the whole process and for good."""
    before = csv.field_size_limit(chars)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def row_text(names: Sequence[str], values: Sequence[str]) -> str:
    """`name: value; name: value`, without what is empty. Columns past the last name have none."""
    named = [*names, *[""] * (len(values) - len(names))]
    return "; ".join(
        f"{name}: {value}" if name else value for name, value in zip(named, values, strict=False) if value
    )


def column_name(text: str) -> str:
    """A header cell as it stands before each value of its column: on one line, cut where it is no name any more.

    Every row repeats it, so what a file can put into it is bounded.
    """
    name = " ".join(text.split()).rstrip(":：").rstrip()
    return name if len(name) <= _NAME_CHARS else f"{name[: _NAME_CHARS - 1].rstrip()}…"
