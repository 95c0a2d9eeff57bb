"""What line-oriented markup languages have in common: indentation, and lines that end where the page does."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

_HAN: Final = re.compile("[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef]")
_NAMED_FILES: Final = 5
PAD: Final = "\x1f"
"""Stands after a wide character, so that places in a line are columns on a screen. Cleaned text holds none."""


def indent_of(line: str) -> int:
    """How many spaces a line begins with."""
    return len(line) - len(line.lstrip(" "))


def dedented(lines: Sequence[str]) -> list[str]:
    """The lines without the indentation that all of them have."""
    common = min((indent_of(line) for line in lines if line.strip()), default=0)
    return [line[common:] for line in lines]


def joined(lines: Iterable[str]) -> str:
    """One line of several: no space between Han characters."""
    texts = [text for line in lines if (text := line.strip())]
    pieces = texts[:1]
    for before, text in pairwise(texts):
        pieces.append(text if _HAN.match(before[-1]) and _HAN.match(text[0]) else f" {text}")
    return "".join(pieces)


def indented_end(lines: Sequence[str], start: int, least: int = 1) -> int:
    """Where the stretch from `start` on ends in which every line is blank or indented so far; blank lines at its end are not of it."""
    end = start
    for place in range(start, len(lines)):
        line = lines[place]
        if not line.strip():
            continue
        if indent_of(line) < least:
            break
        end = place + 1
    return end


def padded(line: str) -> str:
    """The line with a pad after each character that is two columns wide."""
    if line.isascii():
        return line
    return "".join(f"{c}{PAD}" if unicodedata.east_asian_width(c) in ("W", "F") else c for c in line)


def not_included(names: Sequence[str]) -> str:
    """What the report says of files that a text wants to have put into it."""
    more = len(names) - _NAMED_FILES
    named = ", ".join(names[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
    return f"files that it includes were not read: {named}; upload them by themselves"
