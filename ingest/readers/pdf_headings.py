"""Headings: by the outline where a document has one, else by the size and the weight of their font."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ingest.readers.headings import HeadingPath
from ingest.readers.pdf_lines import Line
from ingest.readers.pdf_page import OutlineEntry

_ENTRIES_AHEAD: Final = 8
_HEADING_SIZE: Final = 1.15
_SAME_SIZE: Final = 0.94
_BODY_SIZE: Final = 0.9  # a font's bold face can be a little lower
_HEADING_CHARS: Final = 160
_HEADING_LEVELS: Final = 4
_MOST_LARGE: Final = 0.15  # of a document's characters, in one size
_MOST_BOLD: Final = 0.12  # of a document's characters; where more is bold, bold says little
_SENTENCE_END: Final = tuple(".!?;:,。！？；：，")
_DIGITS: Final = "0123456789"
_SAME_HEADING_EMS: Final = 1.7  # from one line of a heading to the next


class Contents:
    """The headings open at the place being read; walks the outline along with the pages."""

    def __init__(self, outline: Sequence[OutlineEntry]) -> None:
        self._entries = sorted(outline, key=lambda entry: entry.page)
        self._next = 0
        self._headings = HeadingPath()

    @property
    def path(self) -> tuple[str, ...]:
        return self._headings.path

    def enter(self, level: int, title: str) -> tuple[str, ...]:
        """Opens the heading; gives the path above it."""
        return self._headings.enter(level, title)

    def begin_page(self, page: int) -> None:
        """Opens what the pages before should have shown, but did not."""
        while self._next < len(self._entries) and self._entries[self._next].page < page:
            self.enter(self._entries[self._next].level, self._entries[self._next].title)
            self._next += 1

    def level(self, text: str, page: int) -> int:
        """The level of the outline's entry on this page that `text` is the heading of, from 1; 0 if there is none.

        An entry is found once, and the entries before it count as passed.
        """
        if len(text) > 2 * _HEADING_CHARS:
            return 0
        key = _letters(text)
        for i in range(self._next, min(self._next + _ENTRIES_AHEAD, len(self._entries))):
            entry = self._entries[i]
            if entry.page != page:
                break
            title = _letters(entry.title)
            # Titles often come without the number that the page shows, and the other way round.
            if key and title and (key == title or key.lstrip(_DIGITS) == title.lstrip(_DIGITS) != ""):
                for missed in self._entries[self._next : i]:
                    self.enter(missed.level, missed.title)
                self._next = i + 1
                return entry.level
        return 0


def _letters(text: str) -> str:
    """Letters and digits only, lower case: outlines and pages disagree about spaces and dots."""
    return "".join(filter(str.isalnum, text)).lower()


class HeadingSizes:
    """Tells headings by their font where a document has no outline: larger than its text, or bold, and short."""

    def __init__(self, pages: Iterable[Sequence[Line]]) -> None:
        chars: Counter[float] = Counter()
        bold: Counter[float] = Counter()
        for lines in pages:
            for line in lines:
                if line.size:
                    chars[line.size] += len(line.text)
                    bold[line.size] += len(line.text) if line.bold else 0
        self._body = chars.most_common(1)[0][0] if chars else 0.0
        larger = sorted((size for size in chars if size >= _HEADING_SIZE * self._body), reverse=True)
        self._levels: dict[float, int] = {}
        level, before = 0, float("inf")
        for size in larger:
            if chars[size] <= _MOST_LARGE * chars.total():
                level += size < before * _SAME_SIZE
                self._levels[size] = min(level, _HEADING_LEVELS)
                before = size
        self._bold = bold[self._body] <= _MOST_BOLD * chars[self._body]

    def level(self, stretch: Sequence[Line]) -> int:
        """The level of the heading that a stretch is, from 1; 0 for other text."""
        first = stretch[0]
        chars = sum(len(line.text) for line in stretch)
        if not self._body or first.row or not first.size or not 2 <= chars <= _HEADING_CHARS:
            return 0
        text = stretch[-1].text
        if text.endswith(_SENTENCE_END) or not any(map(str.isalpha, first.text)):
            return 0
        if first.size in self._levels:
            return self._levels[first.size]
        if self._bold and first.size >= _BODY_SIZE * self._body and all(line.bold for line in stretch):
            return len(set(self._levels.values())) + 1
        return 0


def with_levels(stretches: Iterable[list[Line]], sizes: HeadingSizes) -> Iterator[tuple[int, list[Line]]]:
    """Each stretch with its level by `sizes`; the lines of a heading that is broken over several are together."""
    level, held = 0, list[Line]()
    for stretch in stretches:
        own = sizes.level(stretch)
        if held and own == level and _is_close(held[-1], stretch[0]):
            held += stretch
            continue
        if held:
            yield level, held
        level, held = own, []
        if own:
            held = stretch
        else:
            yield 0, stretch
    if held:
        yield level, held


def _is_close(above: Line, below: Line) -> bool:
    if above.top is None or below.top is None or above.size != below.size or above.bold != below.bold:
        return False
    return 0 < below.top - above.top <= _SAME_HEADING_EMS * below.size
