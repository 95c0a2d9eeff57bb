"""What a container holds → documents of their own: their keys, fields and contents, within the limits of an upload.

A file says what it likes; what goes on from here has the lengths and the characters that an upload may have.
"""

import hashlib
import mimetypes
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Final

from docradar.documents import (
    FIELD_CHARS,
    UPLOAD_SOURCE,
    Document,
    DocumentFields,
    DocumentKey,
    Meta,
)
from ingest.readers.container import Container, Member

MAX_TAGS: Final = 100
MAX_META: Final = 50
MAX_FILENAME_CHARS: Final = 255
DIGEST_CHARS: Final = 16
UNKNOWN_MEDIA_TYPE: Final = "application/octet-stream"


class Expansion:
    """How the documents of one container are called and described.

    `source`: the container's own where its caller gave one; `upload`, which is what stands for none, means as the file says.
    """

    def __init__(self, document: Document, container: Container) -> None:
        """`document` is the container's, with the fields that its caller gave."""
        key = document.key
        self._collection = key.collection
        self._source = key.source
        if key.source == UPLOAD_SOURCE:
            self._source = _short(_clean(container.source), FIELD_CHARS["source"]) or UPLOAD_SOURCE
        self._prefix = "" if container.global_ids else f"{key.external_id}/"
        self._fields = replace(document.fields, title="", url=None)
        self.bundle = storable_id(container.bundle or f"{UPLOAD_SOURCE}:{key.external_id}")

    def key(self, member: Member) -> DocumentKey:
        """Another key for each external id, the same at every unpacking."""
        return DocumentKey(self._collection, self._source, storable_id(self._prefix + member.external_id))

    def fields(self, member: Member) -> DocumentFields:
        """What the container knows of the document, and what its caller said of them all."""
        return bounded_fields(member.fields.or_else(self._fields))


def filename_of(member: Member) -> str:
    """The last part of a member's name, of characters that can be shown."""
    name = PurePosixPath(member.filename.replace("\\", "/")).name
    name = "".join(character for character in _clean(name) if character.isprintable()).strip()
    return "unnamed" if name in ("", ".", "..") else _with_suffix_kept(name)


def media_type_of(member: Member) -> str:
    """What the container says that a member is, or else what its name says."""
    said = _short(_clean(member.media_type), 100)
    return said or mimetypes.guess_type(member.filename)[0] or UNKNOWN_MEDIA_TYPE


def storable_id(external_id: str) -> str:
    """`external_id` itself, or, where an upload could not have it, a likeness that no other one has."""
    limit = FIELD_CHARS["external_id"]
    cleaned = _clean(external_id)
    if cleaned == external_id and 0 < len(cleaned) <= limit:
        return external_id
    digest = hashlib.sha256(external_id.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARS]
    return f"{cleaned[: limit - DIGEST_CHARS - 1].rstrip()}~{digest}".lstrip("~")


def bounded_fields(fields: DocumentFields) -> DocumentFields:
    """The fields as far as an upload may have them: shortened, without control characters, dates with a form in UTC."""
    tags = [_short(_clean(tag), FIELD_CHARS["tag"]) for tag in fields.tags]
    return DocumentFields(
        title=_short(_clean(fields.title), FIELD_CHARS["title"]),
        author=_short(_clean(fields.author or ""), FIELD_CHARS["author"]) or None,
        url=_url(fields.url),
        language=_short(_clean(fields.language or ""), FIELD_CHARS["language"]) or None,
        tags=tuple(dict.fromkeys(tag for tag in tags if tag))[:MAX_TAGS],
        meta=_bounded_meta(fields.meta),
        created_at=_in_utc(fields.created_at),
        updated_at=_in_utc(fields.updated_at),
    )


def _url(url: str | None) -> str | None:
    """A shortened URL would lead elsewhere."""
    cleaned = _clean(url or "")
    return cleaned if 0 < len(cleaned) <= FIELD_CHARS["url"] else None


def _bounded_meta(meta: Meta) -> Meta:
    bounded: Meta = {}
    for name, value in list(meta.items())[:MAX_META]:
        key = _short(_clean(name), FIELD_CHARS["meta key"])
        if isinstance(value, str):
            bounded[key] = _short(_clean(value), FIELD_CHARS["meta value"])
        elif isinstance(value, list):
            bounded[key] = [_short(_clean(part), FIELD_CHARS["meta value"]) for part in value[:MAX_TAGS]]
        else:
            bounded[key] = value
    bounded.pop("", None)
    return bounded


def _in_utc(moment: datetime | None) -> datetime | None:
    """None too for the hours at the ends of time that UTC has no year for."""
    try:
        return moment.astimezone(UTC) if moment else None
    except OverflowError:
        return None


def _clean(text: str) -> str:
    """Without control characters and halves of surrogate pairs, and without space around it."""
    if not text.isprintable():
        text = "".join(" " if _forbidden(character) else character for character in text)
    return text.strip()


def _forbidden(character: str) -> bool:
    return character < " " or character == "\x7f" or "\ud800" <= character <= "\udfff"


def _short(text: str, limit: int) -> str:
    return text[:limit].rstrip()


def _with_suffix_kept(name: str) -> str:
    if len(name) <= MAX_FILENAME_CHARS:
        return name
    suffix = PurePosixPath(name).suffix[:20]
    return name[: MAX_FILENAME_CHARS - len(suffix)] + suffix
