"""Messages, and pages saved as messages: their parts, and text in whatever encoding it turns out to be."""

import email.errors
from collections.abc import Iterator
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.policy import Compat32, Policy
from pathlib import Path
from typing import Final

from docradar.errors import ReadError
from ingest.readers.document import clean
from ingest.readers.encoding import Decoded, decode, decode_as

MOST_PARTS: Final = 2000
_MOST_NESTED: Final = 100
_HEADER_CHARS: Final = 4000


class _BoundedPolicy(Compat32):
    """Cuts long fields: the standard library takes quadratic time to find the parameters in one."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_HEADER_CHARS]


def parse_message(path: Path) -> Message:
    """The message in a file, with its parts.

    Raises:
        ReadError: It has too many parts, or they are nested too deeply.
    """
    count = 0

    def new_part(policy: "Policy[Message]") -> Message:
        nonlocal count
        count += 1
        if count > MOST_PARTS:
            raise ReadError(f"it has more than {MOST_PARTS:,} parts; split it")
        return Message(policy=policy)

    content = path.read_bytes().lstrip(b"\xef\xbb\xbf\r\n")
    try:
        message = BytesParser(policy=_BoundedPolicy(message_factory=new_part)).parsebytes(content)
    except RecursionError:
        raise _too_deep() from None
    _check_depth(message)
    return message


def _check_depth(message: Message) -> None:
    level = [message]
    for _ in range(_MOST_NESTED):
        level = [below for part in level for below in parts_of(part)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> ReadError:
    return ReadError(
        f"its parts are nested more than {_MOST_NESTED} deep, as only in a message that is meant to do harm; save the text in it by itself"
    )


def header(message: Message, name: str) -> str:
    """A header field, named in lower case, on one line and decoded; empty where there is none."""
    for key, value in message.raw_items():
        if key.lower() == name:
            return decoded_words(str(value))
    return ""


def decoded_words(value: str) -> str:
    """The text of a field's encoded words (RFC 2047); bytes outside them are taken for what they look like."""
    try:
        words = decode_header(value)
    except (email.errors.HeaderParseError, ValueError):
        words = [(value, None)]
    text = "".join(_word(word, charset) for word, charset in words)
    return " ".join(clean(text).split())


def parts_of(part: Message) -> Iterator[Message]:
    """The parts of a multipart, and the message that a message/rfc822 encloses."""
    payloads = part.get_payload()
    if isinstance(payloads, list):
        yield from (below for below in payloads if isinstance(below, Message))


def payload(part: Message) -> bytes:
    """A part's content, its transfer encoding undone."""
    found = part.get_payload(decode=True)
    return found if isinstance(found, bytes) else b""


def charset_of(part: Message) -> str | None:
    """The charset that a part declares; None where that is missing or makes no sense."""
    try:
        return part.get_content_charset()
    except (LookupError, ValueError, TypeError):
        return None


def decode_text(content: bytes, charset: str | None) -> Decoded:
    """The text of bytes that may say which encoding they are in, and may be wrong.

    Raises:
        ReadError: They are no text.
    """
    return decode_as(content, charset) if charset else decode(content)


def _word(word: bytes | str, charset: str | None) -> str:
    content = word.encode("utf-8", "surrogateescape") if isinstance(word, str) else word
    try:
        return decode_text(content, charset).text
    except ReadError:
        return content.decode("utf-8", "replace")
