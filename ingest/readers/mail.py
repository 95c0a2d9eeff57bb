"""Mail (.eml): the text of a message under its subject, quotations marked as such, attachments named in the report."""

from collections.abc import Iterator
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Final

from docradar.documents import IngestReport, Kind
from docradar.errors import ReadError
from ingest.readers.dates import parse_date
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.encoding import Decoded
from ingest.readers.headings import HeadingPath
from ingest.readers.html import decode_html, read_markup
from ingest.readers.mail_text import message_paragraphs, tail_start
from ingest.readers.mime import (
    charset_of,
    decode_text,
    decoded_words,
    header,
    parse_message,
    parts_of,
    payload,
)

_NAMED_ATTACHMENTS: Final = 20
_NAME_CHARS: Final = 100
# A plain text with fewer of the HTML text's words than this says that one should read the HTML.
_PLAIN_SHARE: Final = 0.5
_ENCRYPTED: Final = frozenset({"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"})
_QUOTABLE: Final = frozenset({Kind.PARAGRAPH, Kind.LIST_ITEM})

Blocks = list[tuple[Kind, str, tuple[str, ...]]]
"""Kind, text, and the headings above it within its part."""


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError for a message that is encrypted, is nested too deeply, or holds more parts or text than is allowed."""
    message = parse_message(path)
    reader = _MailReader(limits)
    reader.message(message)
    text, blocks = reader.builder.build()
    if not blocks and reader.encrypted:
        raise ReadError("it is encrypted; open it in a mail program and save its text")
    return ReadDocument(
        text,
        blocks,
        title=header(message, "subject") or None,
        author=_author(header(message, "from")) or None,
        created_at=parse_date(header(message, "date")),
        report=reader.report(),
    )


class _MailReader:
    """Adds the texts of a message and of those that it encloses."""

    def __init__(self, limits: ReadLimits) -> None:
        self.builder = TextBuilder(limits)
        self.encrypted = False
        self._limits = limits
        self._headings = HeadingPath()
        self._attachments: list[str] = []
        self._warnings: list[str] = []
        self._decoded: Decoded | None = None
        self._characters = 0

    def report(self) -> IngestReport:
        """What a person should know of how the message was read."""
        warnings = list(dict.fromkeys(self._warnings))[:_NAMED_ATTACHMENTS]
        if self._attachments:
            named = ", ".join(self._attachments[:_NAMED_ATTACHMENTS])
            more = len(self._attachments) - _NAMED_ATTACHMENTS
            warnings.append(
                f"attachments were not read: {named}{f' and {more} more' if more > 0 else ''}; upload them by themselves"
            )
        return IngestReport(
            reader="eml",
            encoding=self._decoded.encoding if self._decoded else None,
            encoding_confidence=self._decoded.confidence if self._decoded else 1.0,
            characters_read=self._characters,
            warnings=tuple(warnings),
        )

    def message(self, part: Message) -> None:
        """Adds what is to be read of a part."""
        kind = part.get_content_type()
        if kind in _ENCRYPTED:
            self.encrypted = True
        elif kind == "message/rfc822":
            self._enclosed(part)
        elif _is_attachment(part):
            self._attach(part)
        elif kind == "multipart/alternative":
            self._alternative(list(parts_of(part)))
        elif kind == "multipart/related":
            self._related(part)
        elif part.is_multipart():
            for below in parts_of(part):
                self.message(below)
        elif part.get_content_maintype() == "text" and kind != "text/calendar":
            self._add(self._blocks(part))
        else:
            self._attach(part)

    def _enclosed(self, part: Message) -> None:
        """A message in a message stands under its subject."""
        for enclosed in parts_of(part):
            subject = header(enclosed, "subject")
            if subject:
                self.builder.add(subject, Kind.HEADING, self._headings.enter(1, subject))
            self.message(enclosed)

    def _related(self, part: Message) -> None:
        """Only the first part is shown; the others are what it is made of."""
        first, *others = list(parts_of(part)) or [part]
        if first is not part:
            self.message(first)
        for other in others:
            if other.get_content_disposition() == "attachment":
                self._attach(other)

    def _alternative(self, parts: list[Message]) -> None:
        """One of the forms in which the same is said: the plain one, unless it says only half of it."""
        readable = [(part, self._blocks(part)) for part in parts if part.get_content_maintype() == "text"]
        for part in parts:
            readable += [(below, self._blocks(below)) for below in self._html_within(part)]
        plain = [blocks for part, blocks in readable if part.get_content_type() == "text/plain"]
        rich = [
            block for part, blocks in readable if part.get_content_type() == "text/html" for block in blocks
        ]
        if plain and rich and _words(plain[0]) < _PLAIN_SHARE * _words(rich):
            plain = []
        self._add(plain[0] if plain else rich or next((blocks for _, blocks in readable), []))

    def _html_within(self, part: Message) -> Iterator[Message]:
        """The HTML of a form that is made of several parts; what else is in it is an attachment, or part of the HTML."""
        for below in part.walk() if part.is_multipart() else ():
            if below.get_content_disposition() == "attachment":
                self._attach(below)
            elif below.get_content_type() == "text/html":
                yield below

    def _add(self, blocks: Blocks) -> None:
        above = self._headings.path
        for kind, text, headings in blocks:
            self.builder.add(text, kind, (*above, *headings))

    def _blocks(self, part: Message) -> Blocks:
        content, charset = payload(part), charset_of(part)
        is_html = part.get_content_type() == "text/html"
        try:
            decoded = decode_html(content) if is_html and not charset else decode_text(content, charset)
        except ReadError as error:
            self._warnings.append(f"a part of it was left out: {error}")
            return []
        self._decoded = self._decoded or decoded
        self._warnings += decoded.warnings
        self._characters += len(decoded.text)
        if is_html:
            return list(_html_blocks(read_markup(decoded.text, self._limits)))
        return [
            (paragraph.kind, paragraph.text, ())
            for paragraph in message_paragraphs(
                clean(decoded.text),
                flowed=str(part.get_param("format", "")).lower() == "flowed",
                joined=str(part.get_param("delsp", "")).lower() == "yes",
            )
        ]

    def _attach(self, part: Message) -> None:
        name = PurePosixPath(decoded_words(_filename(part)).replace("\\", "/")).name
        self._attachments.append(name[:_NAME_CHARS] or part.get_content_type())


def _html_blocks(document: ReadDocument) -> Iterator[tuple[Kind, str, tuple[str, ...]]]:
    """A page's blocks; what a reply carries along becomes quotations, and the signature goes."""
    texts = [document.text[slice(*block.span)] for block in document.blocks]
    in_tail = in_signature = False
    for place, (block, text) in enumerate(zip(document.blocks, texts, strict=True)):
        first, *following = text.split("\n")
        in_tail = in_tail or tail_start(first, following or texts[place + 1 : place + 5])
        in_signature = (
            (in_signature or first.rstrip() == "--") and block.kind is not Kind.QUOTE and not in_tail
        )
        if not in_signature:
            kind = Kind.QUOTE if in_tail and block.kind in _QUOTABLE else block.kind
            yield kind, text, block.heading_path


def _author(field: str) -> str:
    """The name in a From field, or else the address."""
    name, _, address = field.partition("<")
    address = address.partition(">")[0]
    if not address:
        address, _, name = field.partition("(")
    return (name.strip().strip("\"'()").strip() or address.strip())[:_NAME_CHARS]


def _is_attachment(part: Message) -> bool:
    """Whether a mail program shows the part as a file: it says so, or has a name and is no text."""
    if part.get_content_disposition() == "attachment":
        return True
    return bool(_filename(part)) and part.get_content_maintype() not in ("text", "multipart", "message")


def _filename(part: Message) -> str:
    try:
        return part.get_filename() or ""
    except (LookupError, ValueError, TypeError):
        return ""


def _words(blocks: Blocks) -> int:
    return sum(len("".join(text.split())) for _, text, _ in blocks)
