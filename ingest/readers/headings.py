"""The headings above the place being read."""

from typing import Final

TITLE_CHARS: Final = 200
DEEPEST_LEVEL: Final = 10


class HeadingPath:
    """Open headings by level; a new one closes those of its level and deeper.

    Every unit carries its path, so what a file can put into it is bounded: a title is cut to `TITLE_CHARS`, and levels
    below `DEEPEST_LEVEL` count as that one.
    """

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> tuple[str, ...]:
        """Opens a heading and returns the path above it."""
        level = min(level, DEEPEST_LEVEL)
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        above = self.path
        self._open.append((level, _cut(title)))
        return above

    @property
    def path(self) -> tuple[str, ...]:
        """Titles, outermost first."""
        return tuple(title for _, title in self._open)


def _cut(title: str) -> str:
    return title if len(title) <= TITLE_CHARS else f"{title[: TITLE_CHARS - 1].rstrip()}…"
