"""Running headers, footers and page numbers: found by vote over the pages, and left out."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from ingest.readers.pdf_lines import Line

_EDGE_ROWS: Final = 3  # how far from a page's top and bottom headers and footers are looked for
_SAME_ROW_POINTS: Final = 3.0
_GAP: Final = 1.5  # between header and body, in distances of the page's rows
_SHARE: Final = 0.45
_SHARE_OF_SIDE: Final = 0.7  # of the left, or of the right pages
_LEAST_PAGES: Final = 3
_SLOT_SHARE: Final = 0.75
_LEAST_SLOT_PAGES: Final = 5
_LONGEST_CHARS: Final = 300  # of a header
_SLOT_CHARS: Final = 120
_TITLE: Final = "\n"  # the shape that all titles have in common
_NUMBER: Final = re.compile(r"\d{1,6}")
_PAGE_NUMBER: Final = re.compile(
    r"[-–—·|\s]{0,8}(page|p\.|第)?\s?(\d{1,6})(\s?(?:of|/|页?[,，/\s]{0,2}共)\s?\d{1,6})?\s?(页)?[-–—·|\s]{0,8}",
    re.IGNORECASE,
)


class Leaf(NamedTuple):
    """What is kept of a page while the others are read. `number` counts from 1."""

    number: int
    lines: list[Line]


class _Slot(NamedTuple):
    """A height at the top or bottom of pages, in two points from there: of all, or of the left or the right ones."""

    side: int | None
    at_top: bool
    distance: int


class Furniture:
    """What repeats at the pages' edges: the same words, or words at a height where almost every page repeats some.

    `titles` are the outline's, which headers often show too.
    """

    def __init__(self, leaves: Sequence[Leaf], titles: Iterable[str] = ()) -> None:
        self._pages = len(leaves)
        self._titles = {key for title in titles if (key := _title_key(title))}
        self._body_size = _body_size(leaves)
        filled = [leaf for leaf in leaves if leaf.lines]
        votes: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        by_slot: dict[_Slot, list[set[str]]] = defaultdict(list)
        for leaf in filled:
            edges = self._edges(leaf)
            shapes = {i: _shapes(leaf.lines[i].text, leaf.number) for i in edges}
            votes[leaf.number % 2].update(set().union(*shapes.values()))
            for i, found in shapes.items():
                if self._shows_title(leaf.lines[i]):
                    found.add(_TITLE)
                for slot in _slots(leaf.lines[i], leaf.number):
                    by_slot[slot].append(found)
        self._shapes = _elected(votes, filled)
        self._slots = {
            slot
            for slot, shapes in by_slot.items()
            if _repeats(shapes, len(filled) if slot.side is None else len(filled) / 2)
        }

    def without(self, leaf: Leaf) -> list[Line]:
        """The page's lines that are its own."""
        edges = self._edges(leaf)
        return [
            line for i, line in enumerate(leaf.lines) if i not in edges or not self._is_furniture(line, leaf)
        ]

    def _edges(self, leaf: Leaf) -> set[int]:
        """The lines in the first and last rows: by their places where those are known, else by their order."""
        lines = leaf.lines
        filled = [i for i, line in enumerate(lines) if line.text.strip()]
        placed = [i for i in filled if lines[i].top is not None]
        if not placed:
            return {*filled[:_EDGE_ROWS], *filled[-_EDGE_ROWS:]}
        headings = {i for i in placed if self._is_heading(lines[i], leaf.number)}
        return _outermost([(lines[i].top or 0.0, i) for i in placed], headings) | _outermost(
            [(lines[i].bottom or 0.0, i) for i in placed], headings
        )

    def _is_heading(self, line: Line, page: int) -> bool:
        """Whether a line is larger than the text, as headers are not; page numbers may be."""
        return line.size > self._body_size and not _is_page_number(line.text, page, self._pages)

    def _shows_title(self, line: Line) -> bool:
        """Whether a line is a title in letters no larger than the text's, as headers are and slides' headings are not."""
        return 0 < line.size <= self._body_size and _title_key(line.text) in self._titles

    def _is_furniture(self, line: Line, leaf: Leaf) -> bool:
        if _is_page_number(line.text, leaf.number, self._pages):
            return True
        if not self._shapes.isdisjoint(_shapes(line.text, leaf.number)):
            return True
        return len(line.text) <= _SLOT_CHARS and not self._slots.isdisjoint(_slots(line, leaf.number))


def _outermost(places: list[tuple[float, int]], headings: AbstractSet[int]) -> set[int]:
    """The lines of the rows that may be furniture: the first, and the next ones where a gap parts them from the body.

    A heading begins the body.
    """
    rows: list[tuple[float, list[int]]] = []
    for distance, i in sorted(places):
        if not rows or distance - rows[-1][0] > _SAME_ROW_POINTS:
            rows.append((distance, []))
        rows[-1][1].append(i)
    gaps = [below - above for (above, _), (below, _) in pairwise(rows)]
    least = _GAP * median(gaps) if gaps else 0.0
    outer = rows[:_EDGE_ROWS]
    ends = [place + 1 for place in range(len(outer)) if place == len(gaps) or gaps[place] > least]
    chosen: set[int] = set()
    for _, lines in outer[: max(ends, default=1)]:
        if not headings.isdisjoint(lines):
            break
        chosen.update(lines)
    return chosen


def _shapes(line: str, page: int) -> set[str]:
    """What a header or footer has in common on all its pages: its words, and a number that counts the pages.

    The line as it is, and with its first, its last or all of its numbers written as their distance to `page`.
    """
    if len(line) > _LONGEST_CHARS:
        return set()
    text = " ".join(line.split())
    numbers = list(_NUMBER.finditer(text))
    shapes = {text, _NUMBER.sub(lambda match: f"#{int(match[0]) - page}", text)}
    for number in numbers[:1] + numbers[-1:]:
        shapes.add(f"{text[: number.start()]}#{int(number[0]) - page}{text[number.end() :]}")
    return shapes


def _body_size(leaves: Iterable[Leaf]) -> float:
    """The size of most text, rounded up by what two faces of a font differ in."""
    chars: Counter[float] = Counter()
    for leaf in leaves:
        for line in leaf.lines:
            chars[line.size] += len(line.text)
    return chars.most_common(1)[0][0] * 1.1 if chars else 0.0


def _title_key(text: str) -> str:
    """Letters only, lower case: headers show titles with page numbers, and without their own."""
    return "".join(filter(str.isalpha, text[:_LONGEST_CHARS])).lower()


def _elected(votes: tuple[Counter[str], Counter[str]], filled: Sequence[Leaf]) -> set[str]:
    """Shapes on about every other page, or on most of the left or of the right pages."""
    sides = Counter(leaf.number % 2 for leaf in filled)
    elected = {
        shape
        for side in (0, 1)
        for shape, count in votes[side].items()
        if count >= max(_LEAST_PAGES, _SHARE_OF_SIDE * sides[side])
    }
    least = max(_LEAST_PAGES, _SHARE * len(filled))
    return elected | {shape for shape, count in (votes[0] + votes[1]).items() if count >= least}


def _slots(line: Line, page: int) -> set[_Slot]:
    """The slots that a line stands in; its height can be two, since places are rounded."""
    if line.top is None or line.bottom is None:
        return set()
    at_top = line.top < line.bottom
    distance = line.top if at_top else line.bottom
    heights = {int(distance / 2), int(distance / 2 + 0.5)}
    return {_Slot(side, at_top, height) for side in (None, page % 2) for height in heights}


def _repeats(found: Sequence[set[str]], pages: float) -> bool:
    """Whether nearly all lines in a slot share their shape with another's, as chapters' names in headers do."""
    if len(found) < max(_LEAST_SLOT_PAGES, _SHARE * pages):
        return False
    counts = Counter(shape for shapes in found for shape in shapes)
    return sum(any(counts[shape] > 1 for shape in shapes) for shapes in found) >= _SLOT_SHARE * len(found)


def _is_page_number(line: str, page: int, pages: int) -> bool:
    """Whether a line is its page's number alone; where there is but one page, only if it says so."""
    match = _PAGE_NUMBER.fullmatch(line.strip())
    return match is not None and int(match[2]) == page and (pages > 1 or any((match[1], match[3], match[4])))
