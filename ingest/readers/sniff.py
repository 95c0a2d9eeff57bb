"""Which reader a file wants: by its first bytes, then by its name."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePath
from typing import Final

from docradar.documents import Split
from docradar.errors import ReadError
from ingest.readers.document import ReadDocument, ReadLimits

Reader = Callable[[Path, ReadLimits], ReadDocument]

# Reader name → `module:function`. `pdf-safe` takes over where the faster engine of `pdf` has crashed.
READERS: Final = {
    "text": "ingest.readers.text:read",
    "lines": "ingest.readers.text:read_lines",
    "markdown": "ingest.readers.markdown:read",
    "pdf": "ingest.readers.pdf:read",
    "pdf-safe": "ingest.readers.pdf:read_with_pypdf",
}
CAN_READ: Final = "docradar reads plain text, Markdown and PDF"

_HEAD_BYTES: Final = 4096
_MARKDOWN_SUFFIXES: Final = frozenset({".md", ".markdown", ".mdown", ".mkd", ".mdx"})
_MAGIC: Final = (
    (b"PK\x03\x04", "a zip archive or an Office document"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a rar archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"{\\rtf", "an RTF document"),
    (b"%!PS", "a PostScript document"),
)
_HTML_STARTS: Final = (b"<!doctype html", b"<html", b"<head", b"<body")


def reader_for(path: Path, filename: str, media_type: str = "", split: Split = Split.AUTO) -> str:
    """The name in `READERS` of the reader for the file at `path`, uploaded as `filename`.

    Raises:
        ReadError: The file is empty, or of a kind that cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise ReadError("it is empty (0 bytes); upload a file that has content")
    if b"%PDF-" in head[:1024]:
        return "pdf"
    kind = _unreadable_kind(head)
    if kind:
        raise ReadError(f"it is {kind}, which cannot be read yet; {CAN_READ}: convert it to one of these")
    suffix = PurePath(filename).suffix.lower()
    if suffix == ".pdf" or media_type == "application/pdf":
        raise ReadError("it is named as a PDF, but does not begin as one; export or download it again")
    if split is Split.LINES:
        return "lines"
    return "markdown" if suffix in _MARKDOWN_SUFFIXES or media_type == "text/markdown" else "text"


def _unreadable_kind(head: bytes) -> str | None:
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML_STARTS):
        return "an HTML page"
    return None


def load(name: str) -> Reader:
    """The reader of that name, or the one at `module:function`."""
    module, _, function = READERS.get(name, name).partition(":")
    reader: Reader = getattr(import_module(module), function)
    return reader
