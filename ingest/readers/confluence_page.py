"""What all exports of Confluence agree on: a page, its place in its space, and how the export is named."""

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

import msgspec

from docradar.documents import Block, DocumentFields, Kind
from ingest.readers.archive import skipped_by_name
from ingest.readers.document import ReadLimits, TextBuilder
from ingest.readers.headings import HeadingPath

SOURCE: Final = "confluence"
UNREAD_ATTACHMENTS: Final = "attachments that cannot be read"
OLD_VERSIONS: Final = "old versions"
DRAFTS: Final = "drafts"
TRASH: Final = "trash"
MOST_ANCESTORS: Final = 50


class StoredPage(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A page as an expander leaves it: `body` in Confluence's storage format, with what the export says around it.

    `ancestors` are titles, outermost first, the space's name not among them. `users` gives the names of people by the
    keys that the body mentions them by.
    """

    id: str
    title: str
    body: str
    space: str = ""
    ancestors: list[str] = []
    author: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    labels: list[str] = []
    url: str | None = None
    users: dict[str, str] = {}

    @property
    def above(self) -> tuple[str, ...]:
        """What stands above the page's title."""
        return tuple(filter(None, (self.space, *self.ancestors[-MOST_ANCESTORS:])))


class PageBuilder(TextBuilder):
    """Builds a page, whose own headings stand below its title. One that shows nothing is found by that."""

    def __init__(self, limits: ReadLimits, above: tuple[str, ...], title: str) -> None:
        super().__init__(limits)
        self._title = (title, above)
        self.headings = HeadingPath((*above, *filter(None, [title])))

    def build(self) -> tuple[str, tuple[Block, ...]]:
        text, blocks = super().build()
        if not blocks:
            self.add(self._title[0], Kind.HEADING, self._title[1])
            text, blocks = super().build()
        return text, blocks


def bundle_of(space_keys: Iterable[str]) -> str:
    """The name of what an export is a state of; none where the export does not say: titles are not unique."""
    keys = sorted({key for key in space_keys if key})
    return f"{SOURCE}:{'+'.join(keys)}"[:200] if keys else ""


def page_filename(title: str) -> str:
    """A file name for a page that has none."""
    name = re.sub(r"[^\w.()-]+", "-", title).strip("-.")
    return f"{name[:150] or 'page'}.page"


def attachment_id(page_id: str, filename: str) -> str:
    """An attachment's external id: it is the page's file of that name."""
    return f"{page_id}/{filename}"


def attachment_fields(page_id: str, page_title: str) -> DocumentFields:
    """Which page an attachment belongs to."""
    meta: dict[str, str | int | float | bool | list[str]] = {"page_id": page_id[:100]}
    if page_title:
        meta["page_title"] = page_title[:1000]
    return DocumentFields(meta=meta)


def is_unread(filename: str) -> bool:
    """Whether an attachment is of a kind that is not read."""
    return not PurePosixPath(filename).suffix or skipped_by_name(filename) is not None


def page_url(base: str, page_id: str) -> str | None:
    """Where a page is read, on the Confluence at `base`."""
    if not base.startswith(("http://", "https://")):
        return None
    return f"{base.rstrip('/')}/pages/viewpage.action?pageId={page_id}"


def without_space(title: str, space: str) -> str:
    """The page's part of `Space : Title`."""
    title = " ".join(title.split())
    if space and title.startswith(f"{space} : "):
        return title[len(space) + 3 :]
    return title
