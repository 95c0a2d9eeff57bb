"""Web pages saved in one file (.mht, .mhtml), and the .doc files that are such pages: RFC 2557."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from email.message import Message
from pathlib import Path

from docradar.errors import ReadError
from ingest.readers.dates import parse_date
from ingest.readers.document import ReadDocument, ReadLimits
from ingest.readers.encoding import Decoded
from ingest.readers.html import decode_html, read_markup, with_decoding
from ingest.readers.mime import charset_of, decode_text, header, parse_message, payload


@dataclass(frozen=True, slots=True)
class MhtmlPage:
    """The page itself, without what it shows from other parts.

    `url` is where it was saved from, `date` when; `encoding`, `confidence` and `warnings` tell how its bytes were read.
    """

    markup: str
    subject: str
    url: str | None
    date: datetime | None
    encoding: str
    confidence: float
    warnings: tuple[str, ...]


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError where `html_part` does, and for a page that is nested too deeply or holds too much text."""
    page = html_part(path)
    document = read_markup(page.markup, limits)
    decoded = Decoded(page.markup, page.encoding, page.confidence, page.warnings)
    return replace(
        document,
        title=document.title or page.subject or None,
        url=document.url or page.url,
        report=replace(with_decoding(document.report, decoded), reader="mhtml"),
    )


def html_part(path: Path) -> MhtmlPage:
    """The page of a file: the part that its header names as the start, or else the first that is HTML.

    Raises:
        ReadError: There is none, its bytes are no text, or the file has too many parts.
    """
    message = parse_message(path)
    part = _start(message) or next(_html_parts(message), None)
    if part is None:
        raise ReadError("it is a message without an HTML page in it; save the page again, or as HTML")
    content, charset = payload(part), charset_of(part)
    decoded = decode_text(content, charset) if charset else decode_html(content)
    return MhtmlPage(
        decoded.text,
        header(message, "subject"),
        _url(header(message, "snapshot-content-location")) or _url(header(part, "content-location")),
        parse_date(header(message, "date")),
        decoded.encoding,
        decoded.confidence,
        decoded.warnings,
    )


def _html_parts(message: Message) -> Iterator[Message]:
    return (
        part for part in message.walk() if part.get_content_type() in ("text/html", "application/xhtml+xml")
    )


def _start(message: Message) -> Message | None:
    start = message.get_param("start")
    if not isinstance(start, str):
        return None
    return next((part for part in _html_parts(message) if header(part, "content-id") == start.strip()), None)


def _url(location: str) -> str | None:
    return location if location.startswith(("http://", "https://")) else None
