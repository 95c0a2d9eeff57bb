"""Confluence's XML space export, of server and of cloud: `entities.xml`, a flat list of objects, in one pass."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree

from docradar.errors import ReadError
from ingest.readers.archive import MemberError, open_zip, pieces, topmost
from ingest.readers.confluence_objects import AttachmentObject, PageObject, SpaceObjects
from ingest.readers.container import Container, Unpacked
from ingest.readers.dates import parse_date

Element = Any  # lxml ships no types

_ENTITIES: Final = "entities.xml"
_STORAGE_BODY: Final = "2"
_USERS: Final = frozenset({"ConfluenceUserImpl", "User", "InternalUser", "DefaultUser"})
# XML has no room for most control characters, but exports hold those that people have pasted.
_CONTROL: Final = bytes(c for c in range(32) if c not in (9, 10, 13))
_CONTROL_REFERENCE: Final = re.compile(rb"&#(?:[0-8]|1[124-9]|2[0-9]|3[01]|x(?:[0-8bBcCeEfF]|1[0-9a-fA-F]));")
_REFERENCE_BYTES: Final = 8
_DECLARATION: Final = re.compile(
    rb"\A[^<]{0,100}+(?:<\?[^>]{0,200}>[^<]{0,100}+)?+(?:<!--.{0,1000}?-->[^<]{0,100}+)*+<!DOCTYPE[^>]{0,500}\[",
    re.DOTALL,
)


def expand(path: Path, unpacked: Unpacked) -> Container:
    """Raises ReadError where the archive is not sound, its XML is broken or hostile, or it holds more than is allowed."""
    with open_zip(path, unpacked.check_count) as archive, unpacked.spool() as spool:
        entry = topmost(archive, _ENTITIES)
        objects = SpaceObjects(spool)
        _gather(objects, _Clean(pieces(archive, entry)))
        root = entry.filename.removesuffix(_ENTITIES)
        return objects.unpack(unpacked, archive, root, "confluence-xml-space")


class _Clean:
    """A file to read XML from, without the characters that XML forbids."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source = source
        self._held = b""

    def read(self, _size: int = -1) -> bytes:
        """The next piece; a reference that a piece may break off in waits for the one after.

        Raises:
            ReadError: It cannot be read, or declares entities, which no export does.
        """
        while True:
            try:
                piece = next(self._source, None)
            except MemberError as error:
                raise ReadError(f"{_ENTITIES} in it cannot be read: {error}") from error
            content = self._held + (piece or b"").translate(None, _CONTROL)
            cut = content.rfind(b"&", max(0, len(content) - _REFERENCE_BYTES)) if piece is not None else -1
            content, self._held = (content, b"") if cut < 0 else (content[:cut], content[cut:])
            if _DECLARATION.search(content):
                raise ReadError(
                    f"{_ENTITIES} in it declares entities, as only a file that is meant to do harm does; export the space again"
                )
            if content or piece is None:
                return _CONTROL_REFERENCE.sub(b"", content) if b"&#" in content else content


def _gather(objects: SpaceObjects, source: _Clean) -> None:
    options = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
    try:
        for _, element in etree.iterparse(source, tag="object", remove_comments=True, **options):
            _take(objects, element)
            element.clear(keep_tail=False)
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        reason = str(error)[:200]
        raise ReadError(
            f"{_ENTITIES} in it is broken or hostile XML ({reason}); export the space again"
        ) from error


def _take(objects: SpaceObjects, element: Element) -> None:
    kind = element.get("class")
    own_id = (element.findtext("id") or "").strip()
    if kind in _TAKEN or kind in _USERS:
        values = _properties(element)
        if kind == "BodyContent":
            if values.get("bodyType", _STORAGE_BODY) == _STORAGE_BODY and "content" in values:
                objects.add_body(values["content"], values.get("body", ""))
        elif own_id:
            _take_object(objects, kind, own_id, values)


_TAKEN: Final = frozenset({"BodyContent", "Page", "BlogPost", "Attachment", "Space", "Label", "Labelling"})


def _take_object(objects: SpaceObjects, kind: str, own_id: str, values: dict[str, str]) -> None:
    match kind:
        case "Page" | "BlogPost":
            _take_page(objects, own_id, values)
        case "Attachment":
            _take_attachment(objects, own_id, values)
        case "Space":
            objects.add_space(own_id, values.get("key", own_id), values.get("name", ""))
        case "Label":
            objects.add_label(own_id, values.get("name", ""), values.get("namespace", ""))
        case "Labelling":
            content = values.get("content") or values.get("labelableId")
            if content and "label" in values:
                objects.labellings.append((content, values["label"]))
        case _:
            shown = values.get("fullName") or values.get("displayName") or values.get("name") or ""
            keys = (values.get(name, "") for name in ("key", "name", "lowerName", "atlassianAccountId"))
            objects.add_user(shown, own_id, *keys)


def _properties(element: Element) -> dict[str, str]:
    """An object's properties: texts, and the ids of what it refers to. What is empty is left out."""
    values: dict[str, str] = {}
    for child in element:
        if child.tag == "property" and (name := child.get("name")):
            reference = child.find("id")
            value = (child.text if reference is None else reference.text) or ""
            if value and not value.isspace():
                values[name] = value if name == "body" else value.strip()
    return values


def _take_page(objects: SpaceObjects, own_id: str, values: dict[str, str]) -> None:
    original = values.get("originalVersion") or values.get("originalVersionId")
    if objects.is_current(own_id, values.get("contentStatus", "current"), original):
        objects.pages[own_id] = PageObject(
            title=values.get("title", ""),
            parent=values.get("parent"),
            space=values.get("space"),
            author=values.get("creator") or values.get("creatorName"),
            created_at=parse_date(values.get("creationDate", "")),
            updated_at=parse_date(values.get("lastModificationDate", "")),
        )


def _take_attachment(objects: SpaceObjects, own_id: str, values: dict[str, str]) -> None:
    page = values.get("containerContent") or values.get("content")
    filename = values.get("title") or values.get("fileName")
    original = values.get("originalVersion") or values.get("originalVersionId")
    if objects.is_current(own_id, values.get("contentStatus", "current"), original) and page and filename:
        version = values.get("version") or values.get("attachmentVersion") or "1"
        objects.attachments[own_id] = AttachmentObject(
            filename,
            page,
            version,
            created_at=parse_date(values.get("creationDate", "")),
            updated_at=parse_date(values.get("lastModificationDate", "")),
        )
