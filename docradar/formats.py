"""What the first bytes of a file say of it: patterns only, so that it can be asked before anything is read in the sandbox."""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

HEAD_BYTES: Final = 256 * 1024
"""How much of a file is looked at. A page of Confluence begins with navigation, styles and scripts."""

CONFLUENCE: Final = "confluence"
_WORD_EXPORT: Final = re.compile(rb"^Subject:[ \t]*Exported From Confluence", re.MULTILINE | re.IGNORECASE)
_PAGE: Final = re.compile(
    rb"<div[^>]{0,500}\bid=[\"']main-content[\"'][^>]{0,500}\bwiki-content\b"
    rb"|<div[^>]{0,500}\bwiki-content\b[^>]{0,500}\bid=[\"']main-content[\"']"
)
_PAGE_ID: Final = re.compile(
    rb"<meta[^>]{0,200}\bname=[\"']ajs-page-id[\"'][^>]{0,200}\bcontent=[\"'](\d{1,20})[\"']"
)
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
    return _PAGE.search(head) is not None


def confluence_page(head: bytes, filename: str) -> ConfluencePage | None:
    """What an upload of that name that begins so is, if it is a page of Confluence."""
    if is_confluence_word(head):
        return ConfluencePage(None)
    if PurePath(filename).suffix.lower() not in (".html", ".htm") or not is_confluence_html(head):
        return None
    named = _EXPORTED_NAME.fullmatch(filename)
    said = _PAGE_ID.search(head)
    return ConfluencePage(named[1] if named else said[1].decode() if said else None)
