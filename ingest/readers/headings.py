"""The headings above the place being read."""


class HeadingPath:
    """Open headings by level; a new one closes those of its level and deeper."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def enter(self, level: int, title: str) -> tuple[str, ...]:
        """Opens a heading and returns the path above it."""
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        above = self.path
        self._open.append((level, title))
        return above

    @property
    def path(self) -> tuple[str, ...]:
        """Titles, outermost first."""
        return tuple(title for _, title in self._open)
