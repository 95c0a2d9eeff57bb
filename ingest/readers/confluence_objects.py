"""What XML and CSV exports of a space hold: objects that refer to each other by id, in any order, joined into documents.

What joins them is kept in memory, a few hundred bytes a page; bodies, which are nearly all of an export, wait on the disk.
"""

import re
import zipfile
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO, Final

import msgspec

from ingest.readers.archive import CONFLUENCE_PAGE, MemberError, pieces
from ingest.readers.confluence_page import (
    DRAFTS,
    MOST_ANCESTORS,
    OLD_VERSIONS,
    SOURCE,
    TRASH,
    UNREAD_ATTACHMENTS,
    StoredPage,
    attachment_fields,
    attachment_id,
    bundle_of,
    is_unread,
    page_filename,
)
from ingest.readers.container import Container, Unpacked

_MENTIONED: Final = re.compile(r'ri:(?:userkey|account-id|username)="([^"]{1,100})"')
# Cloud knows people by account ids, which are no names.
_ACCOUNT_ID: Final = re.compile(r"[0-9a-f]{24}|\d{1,8}:[0-9a-f-]{36}|unknown")


@dataclass(frozen=True, slots=True)
class PageObject:
    """A current page or blog post. `parent`, `space` and `author` are ids."""

    title: str
    parent: str | None = None
    space: str | None = None
    author: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttachmentObject:
    """The current version of a file; `page` is an id."""

    filename: str
    page: str
    version: str = "1"
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(slots=True)
class SpaceObjects:
    """The objects of an export by their ids; bodies as their place in `spool`."""

    spool: IO[bytes]
    spaces: dict[str, tuple[str, str]] = field(default_factory=dict)
    pages: dict[str, PageObject] = field(default_factory=dict)
    attachments: dict[str, AttachmentObject] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, tuple[int, int]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    labellings: list[tuple[str, str]] = field(default_factory=list)
    users: dict[str, str] = field(default_factory=dict)

    def add_space(self, own_id: str, key: str, name: str) -> None:
        self.spaces[own_id] = (key, name)

    def add_body(self, page: str, body: str) -> None:
        """Puts a page's body, in storage format, aside."""
        encoded = body.encode("utf-8", "replace")
        self.bodies[page] = (self.spool.seek(0, 2), len(encoded))
        self.spool.write(encoded)

    def add_label(self, own_id: str, name: str, namespace: str) -> None:
        """Personal labels, such as a favourite's, say nothing of a page."""
        if namespace in ("global", ""):
            self.labels[own_id] = name

    def add_user(self, shown: str, *keys: str) -> None:
        """The name of somebody whom others refer to by one of `keys`."""
        if shown and not _ACCOUNT_ID.fullmatch(shown):
            for key in filter(None, keys):
                self.users.setdefault(key, shown)

    def is_current(self, own_id: str, status: str, original: str | None) -> bool:
        """Whether a page or an attachment is what a reader sees; if not, it is counted."""
        if status == "draft":
            self.skipped[own_id] = DRAFTS
        elif original:
            self.skipped[own_id] = OLD_VERSIONS
        elif status != "current":
            self.skipped[own_id] = TRASH
        return own_id not in self.skipped

    def unpack(self, unpacked: Unpacked, archive: zipfile.ZipFile, root: str, reader: str) -> Container:
        """Writes the documents, once all objects are known."""
        self._add_pages(unpacked)
        self._add_attachments(unpacked, archive, root)
        for reason in self.skipped.values():
            unpacked.skip(reason)
        spaces = dict(self.spaces.values())
        return Container(
            reader,
            bundle=bundle_of(spaces),
            global_ids=True,
            source=SOURCE,
            title=", ".join(spaces.values())[:1000],
        )

    def _add_pages(self, unpacked: Unpacked) -> None:
        labels: dict[str, list[str]] = {}
        for page_id, label_id in self.labellings:
            if name := self.labels.get(label_id):
                labels.setdefault(page_id, []).append(name)
        for page_id, page in self.pages.items():
            stored = self._stored(page_id, page, sorted(labels.get(page_id, [])))
            content = [msgspec.json.encode(stored)]
            unpacked.add(page_id, page_filename(page.title), content, media_type=CONFLUENCE_PAGE)

    def _stored(self, page_id: str, page: PageObject, labels: list[str]) -> StoredPage:
        start, size_bytes = self.bodies.get(page_id, (0, 0))
        self.spool.seek(start)
        body = self.spool.read(size_bytes).decode()
        key, name = self.spaces.get(page.space or "", ("", ""))
        return StoredPage(
            id=page_id,
            title=page.title,
            body=body,
            space=name or key,
            ancestors=self._ancestors(page.parent),
            author=self.users.get(page.author or ""),
            created_at=page.created_at,
            updated_at=page.updated_at,
            labels=labels,
            users={key: self.users[key] for key in _MENTIONED.findall(body) if key in self.users},
        )

    def _ancestors(self, parent: str | None) -> list[str]:
        """Titles from the topmost page down to `parent`. A loop ends where it closes."""
        titles: list[str] = []
        seen: set[str] = set()
        while parent in self.pages and parent not in seen and len(seen) < MOST_ANCESTORS:
            seen.add(parent)
            titles.append(self.pages[parent].title)
            parent = self.pages[parent].parent
        return titles[::-1]

    def _add_attachments(self, unpacked: Unpacked, archive: zipfile.ZipFile, root: str) -> None:
        """The current version of each file of a page that is there: `attachments/PAGE/ATTACHMENT/VERSION`."""
        for own_id, attachment in self.attachments.items():
            page = self.pages.get(attachment.page)
            if page is None:
                continue
            if is_unread(attachment.filename):
                unpacked.skip(UNREAD_ATTACHMENTS)
                continue
            place = f"{root}attachments/{attachment.page}/{own_id}/{attachment.version}"
            try:
                unpacked.add(
                    attachment_id(attachment.page, attachment.filename),
                    PurePosixPath(attachment.filename).name,
                    pieces(archive, archive.getinfo(place)),
                    fields=replace(
                        attachment_fields(attachment.page, page.title),
                        created_at=attachment.created_at,
                        updated_at=attachment.updated_at,
                    ),
                )
            except KeyError:
                unpacked.fail(
                    attachment.filename, "the export lists it, but does not hold it; export with attachments"
                )
            except MemberError as error:
                unpacked.fail(attachment.filename, str(error))
