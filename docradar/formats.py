"""What the first bytes of a file say of it: patterns only, so that it can be asked before anything is read in the sandbox."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

HEAD_BYTES: Final = 256 * 1024
"""How much of a file is looked at. A page of Confluence begins with navigation, styles and scripts."""

CONFLUENCE: Final = "confluence"
_WORD_EXPORT: Final = re.compile(rb"^Subject:[ \t]*Exported From Confluence", re.MULTILINE | re.IGNORECASE)
_CONTENT_ID: Final = re.compile(rb"""\bid=["']main-content["']""")
_PAGE_ID: Final = re.compile(rb"""\bcontent=["'](\d{1,20})["']""")
_TAG_BYTES: Final = 500
_LOOKED_AT: Final = 20
_EXPORTED_NAME: Final = re.compile(r"(?:.*_)?(\d{3,20})\.html?", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ConfluencePage:
    """A page exported by itself. `page_id` is None where nothing says it."""

    page_id: str | None


def is_confluence_word(head: bytes) -> bool:
    """Whether a file begins as a page exported to Word does."""
    return _WORD_EXPORT.search(head[:4096]) is not None


def is_confluence_html(head: bytes) -> bool:
    """Whether a file begins as a page of an HTML export does."""
    return any(
        b"wiki-content" in tag and _CONTENT_ID.search(tag) for tag in _tags_with(head, b"main-content")
    )


def confluence_page(head: bytes, filename: str) -> ConfluencePage | None:
    """What an upload of that name that begins so is, if it is a page of Confluence."""
    if is_confluence_word(head):
        return ConfluencePage(None)
    if PurePath(filename).suffix.lower() not in (".html", ".htm") or not is_confluence_html(head):
        return None
    named = _EXPORTED_NAME.fullmatch(filename)
    said = next(filter(None, (_PAGE_ID.search(tag) for tag in _tags_with(head, b"ajs-page-id"))), None)
    return ConfluencePage(named[1] if named else said[1].decode() if said else None)


def _tags_with(head: bytes, word: bytes) -> Iterator[bytes]:
    """The first tags that hold a word, each cut at `_TAG_BYTES` before and behind it. Takes time in proportion to `head`."""
    at = head.find(word)
    for _ in range(_LOOKED_AT):
        if at < 0:
            return
        start = head.rfind(b"<", max(0, at - _TAG_BYTES), at)
        end = head.find(b">", at, at + _TAG_BYTES)
        if start >= 0 and end >= 0:
            yield head[start:end]
        at = head.find(word, at + len(word))
