"""Which reader a file wants: by its first bytes and, of an archive, by what it holds; then by its name."""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any, Final

from docradar import formats
from docradar.documents import Split
from docradar.errors import ReadError
from ingest.readers.archive import CONFLUENCE_PAGE
from ingest.readers.archive_kind import kind_of
from ingest.readers.container import Expander
from ingest.readers.document import ReadDocument, ReadLimits

Reader = Callable[[Path, ReadLimits], ReadDocument]

# Reader name → `module:function`. `pdf-safe` takes over where the faster engine of `pdf` has crashed.
READERS: Final = {
    "text": "ingest.readers.text:read",
    "lines": "ingest.readers.text:read_lines",
    "markdown": "ingest.readers.markdown:read",
    "pdf": "ingest.readers.pdf:read",
    "pdf-safe": "ingest.readers.pdf:read_with_pypdf",
    "html": "ingest.readers.html:read",
    "docx": "ingest.readers.docx:read",
    "csv": "ingest.readers.tables:read",
    "rst": "ingest.readers.rst:read",
    "asciidoc": "ingest.readers.asciidoc:read",
    "eml": "ingest.readers.mail:read",
    "mhtml": "ingest.readers.mhtml:read",
    "confluence-html": "ingest.readers.confluence_html:read",
    "confluence-word": "ingest.readers.confluence_html:read_word",
    "confluence-page": "ingest.readers.confluence_storage:read",
}
# The same of containers, which hold documents instead of text.
EXPANDERS: Final = {
    "zip": "ingest.readers.archive:expand",
    "confluence-html-space": "ingest.readers.confluence_html:expand",
    "confluence-xml-space": "ingest.readers.confluence_xml:expand",
    "confluence-csv-space": "ingest.readers.confluence_csv:expand",
}
CAN_READ: Final = "docradar reads text, Markdown, reStructuredText, AsciiDoc, HTML, PDF, DOCX, CSV, mail, Confluence exports, and zip archives of these"

_HEAD_BYTES: Final = 4096
_SUFFIXES: Final = {
    ".md": "markdown", ".markdown": "markdown", ".mdown": "markdown", ".mkd": "markdown", ".mdx": "markdown",
    ".html": "html", ".htm": "html", ".xhtml": "html", ".xht": "html", ".csv": "csv", ".tsv": "csv", ".tab": "csv",
    ".rst": "rst", ".rest": "rst", ".adoc": "asciidoc", ".asciidoc": "asciidoc", ".asc": "asciidoc",
}  # fmt: skip
_MEDIA_TYPES: Final = {
    "text/markdown": "markdown", "text/html": "html", "application/xhtml+xml": "html", "text/csv": "csv",
    "text/tab-separated-values": "csv", "text/x-rst": "rst", "text/prs.fallenstein.rst": "rst", "text/asciidoc": "asciidoc",
}  # fmt: skip
_MAGIC: Final = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document, or one with a password"),
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
_HTML_START: Final = re.compile(
    rb"(?:<\?xml[^>]*+>|<!--.*?-->|\s)*+<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
# The header may stand behind something else, but on a line of its own; a text may speak of it.
_PDF_START: Final = re.compile(rb"(?:\A|[\r\n\x00])[ \t]*%PDF-\d")
_HEADER_LINE: Final = re.compile(rb"(?:From |[A-Za-z][A-Za-z0-9-]{1,40}:)")
_MAIL_HEADERS: Final = re.compile(
    rb"^(?:MIME-Version|Received|Message-ID|Return-Path):", re.MULTILINE | re.IGNORECASE
)
_MAIL_WORDS: Final = re.compile(rb"^(?:From|To|Subject|Date|Content-Type):", re.MULTILINE | re.IGNORECASE)
_RELATED: Final = re.compile(rb"^Content-Type:\s*multipart/related", re.MULTILINE | re.IGNORECASE)


def reader_for(
    path: Path,
    filename: str,
    media_type: str = "",
    split: Split = Split.AUTO,
    limits: ReadLimits | None = None,
) -> str:
    """The name in `READERS` or `EXPANDERS` of what reads the file at `path`, uploaded as `filename`.

    Raises:
        ReadError: The file is empty, or of a kind that cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head:
        raise ReadError("it is empty (0 bytes); upload a file that has content")
    if media_type == CONFLUENCE_PAGE:
        return "confluence-page"
    if head.startswith(b"PK") and head[2:4] in (b"\x03\x04", b"\x05\x06", b"\x06\x06"):
        return _in_zip(path, limits or ReadLimits())
    if _PDF_START.search(head, 0, 1024):
        return "pdf"
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            raise _unreadable(kind)
    suffix = PurePath(filename).suffix.lower()
    if suffix == ".pdf" or media_type == "application/pdf":
        raise ReadError("it is named as a PDF, but does not begin as one; export or download it again")
    return _mail(head, suffix) or _text(path, head, suffix, media_type, split)


def _in_zip(path: Path, limits: ReadLimits) -> str:
    kind = kind_of(path, limits)
    if kind in READERS or kind in EXPANDERS:
        return kind
    raise _unreadable(kind)


def _unreadable(kind: str) -> ReadError:
    return ReadError(f"it is {kind}, which cannot be read yet; {CAN_READ}: convert it to one of these")


def _mail(head: bytes, suffix: str) -> str | None:
    """The reader of a message or of a page saved as one; None for what is neither."""
    start = head.lstrip(b"\xef\xbb\xbf\r\n")
    if not _HEADER_LINE.match(start):
        return None
    headers = re.split(rb"\r?\n\r?\n", start, maxsplit=1)[0]
    words = len(_MAIL_WORDS.findall(headers))
    if not words or not (_MAIL_HEADERS.search(headers) or suffix == ".eml"):
        return None
    # Word saves Confluence's page again in its own way, and without that subject.
    if formats.is_confluence_word(headers) or (suffix == ".doc" and _RELATED.search(headers)):
        return "confluence-word"
    return "mhtml" if _RELATED.search(headers) and suffix != ".eml" else "eml"


def _text(path: Path, head: bytes, suffix: str, media_type: str, split: Split) -> str:
    named = _SUFFIXES.get(suffix) or _MEDIA_TYPES.get(media_type) or "text"
    if named == "html" or _HTML_START.match(head.removeprefix(b"\xef\xbb\xbf")):
        return "confluence-html" if _is_confluence_page(path) else "html"
    return "lines" if split is Split.LINES else named


def _is_confluence_page(path: Path) -> bool:
    with path.open("rb") as file:
        return formats.is_confluence_html(file.read(formats.HEAD_BYTES))


def load(name: str) -> Reader:
    """The reader of that name, or the one at `module:function`."""
    reader: Reader = _load(READERS.get(name, name))
    return reader


def load_expander(name: str) -> Expander:
    """The expander of that name."""
    expander: Expander = _load(EXPANDERS[name])
    return expander


def _load(place: str) -> Any:
    module, _, function = place.partition(":")
    return getattr(import_module(module), function)
