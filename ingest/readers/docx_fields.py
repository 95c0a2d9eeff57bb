"""What an Office document says of itself: the core properties, ISO 29500 part 2."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ingest.readers.dates import parse_date
from ingest.readers.document import clean
from ingest.readers.docx_package import Package, name_of

_NAMES: Final = (
    "dc:title", "dc:creator", "dc:language", "cp:keywords", "dcterms:created", "dcterms:modified",
)  # fmt: skip
_FIELD_CHARS: Final = 1000
_TAG_SEPARATOR: Final = re.compile(r"[,;，；、\n]")
# What programs put there in place of a title.
_NO_TITLE: Final = re.compile(
    r"(?:microsoft word - |untitled|word document|document\d*$|文档\d*$).*", re.IGNORECASE
)
# The library's template names itself as the author, and says when it was made itself.
_NO_AUTHOR: Final = frozenset({"python-docx"})
_TEMPLATE_MADE_AT: Final = datetime(2013, 12, 23, 23, 15, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CoreProperties:
    """None where the document says nothing."""

    title: str | None = None
    author: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


def core_properties(package: Package) -> CoreProperties:
    """Raises ReadError where they are damaged or hostile."""
    part = package.related().get("core-properties", "docProps/core.xml")
    if part not in package:
        return CoreProperties()
    values: dict[str, str] = {}
    for element in package.elements(part, _NAMES):
        values.setdefault(name_of(element), clean((element.text or "")[:_FIELD_CHARS]).strip())
    title, author = values.get("dc:title", ""), values.get("dc:creator", "")
    tags = (tag.strip() for tag in _TAG_SEPARATOR.split(values.get("cp:keywords", "")))
    return CoreProperties(
        title=None if _NO_TITLE.match(title) else title or None,
        author=None if author in _NO_AUTHOR else author or None,
        language=values.get("dc:language", "").split("-")[0].lower()[:8] or None,
        tags=tuple(dict.fromkeys(filter(None, tags))),
        created_at=_date(values.get("dcterms:created", "")),
        updated_at=_date(values.get("dcterms:modified", "")),
    )


def _date(text: str) -> datetime | None:
    date = parse_date(text)
    return None if date == _TEMPLATE_MADE_AT else date
