"""The headings above the place being read."""

from collections.abc import Iterable
from typing import Final

TITLE_CHARS: Final = 200
DEEPEST_LEVEL: Final = 10


class HeadingPath:
    """Open headings by level; a new one closes those of its level and deeper.

    Every unit carries its path, so what a file can put into it is bounded: a title is cut to `TITLE_CHARS`, and levels
    below `DEEPEST_LEVEL` count as that one. `path` holds the titles, outermost first.
    """

    def __init__(self, above: Iterable[str] = ()) -> None:
        """`above`: titles that stay open above all headings."""
        self._above = tuple(_cut(title) for title in above)
        self._open: list[tuple[int, str]] = []
        self.path = self._above

    def enter(self, level: int, title: str) -> tuple[str, ...]:
        """Opens a heading and returns the path above it."""
        level = min(level, DEEPEST_LEVEL)
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        above = self._titles()
        self._open.append((level, _cut(title)))
        self.path = self._titles()
        return above

    def _titles(self) -> tuple[str, ...]:
        return (*self._above, *(title for _, title in self._open))


def _cut(title: str) -> str:
    return title if len(title) <= TITLE_CHARS else f"{title[: TITLE_CHARS - 1].rstrip()}…"
