"""The CSV export of a space, which Confluence Cloud makes: a table of its database a file, and the attachments.

After what importers of other wikis know of real exports: the names of tables and columns are theirs; where the
attachments lie, none of them has seen, so this takes the place they have in XML exports.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from io import BytesIO, StringIO
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

from confluence_model import Page, Space, User
from confluence_storage import storage
from confluence_xml import attachment_files

_CONTENT: Final = (
    "contentid", "hibernateversion", "contenttype", "title", "lowertitle", "version", "creator", "creationdate",
    "lastmodifier", "lastmoddate", "versioncomment", "prevver", "content_status", "pageid", "spaceid", "child_position",
    "parentid", "messageid", "pluginkey", "pluginver", "parentccid", "draftpageid", "draftspacekey", "drafttype",
    "draftpageversion", "parentcommentid", "username", "navigationtype",
)  # fmt: skip

Row = Sequence[str | int]


def csv_zip(space: Space) -> bytes:
    """A space as `Export space → CSV` packs it.

    Tables named `.gz` are plain text in some exports and packed in others: here some are the one, some the other.
    """
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr("exportDescriptor.properties", _descriptor(space))
        archive.writestr("content.csv.gz", _table(_CONTENT, _content(space)))
        archive.writestr(
            "bodycontent.csv", _table(("bodycontentid", "body", "contentid", "bodytypeid"), _bodies(space))
        )
        archive.writestr("spaces.csv.gz", gzip.compress(_spaces(space), mtime=0))
        archive.writestr("user_mapping.csv.gz", _users(space))
        archive.writestr("label.csv", _table(("labelid", "name", "namespace"), _labels(space)))
        archive.writestr("content_label.csv.gz", gzip.compress(_labellings(space), mtime=0))
        archive.writestr("contentproperties.csv", _properties(space))
        archive.writestr("likes.csv", "id,contentid,username,creationdate\n")
        for path, content in attachment_files(space):
            archive.writestr(path, content)
    return packed.getvalue()


def _descriptor(space: Space) -> str:
    return (
        "#Tue Nov 24 10:15:02 UTC 2026\nexportFormat=csv\nexportType=space\nsource=cloud\n"
        f"spaceKey={space.key}\nbackupAttachments=true\ninlineTasksFileIncluded=true\ntimezoneId=UTC\n"
    )


def _table(header: Sequence[str], rows: Iterable[Row]) -> bytes:
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def _timestamp(at: datetime) -> str:
    """With no more digits of the second than it needs: `2024-05-31 10:03:18.78`."""
    whole, digits = f"{at:%Y-%m-%d %H:%M:%S %f}".rsplit(" ", 1)
    return f"{whole}.{digits.rstrip('0') or '0'}"


def _row(**values: str | int) -> Row:
    return [values.get(column, "") for column in _CONTENT]


def _content(space: Space) -> Iterator[Row]:
    yield _row(
        contentid=space.id + 1, contenttype="SPACEDESCRIPTION", content_status="current", spaceid=space.id
    )
    yield _row(
        contentid=space.id + 2, contenttype="CUSTOM", title="content-appearance-draft", version=1, content_status="current",
        pageid=space.home,
    )  # fmt: skip
    for page in space.pages:
        yield from _page(space, page)
        yield from _around(page)


def _page(space: Space, page: Page) -> Iterator[Row]:
    """An old version has the status `current` too: it is known by the page in `prevver`, and that it is in no space.

    A draft of a page names it in `prevver` as well.
    """
    kind = "BLOGPOST" if page.blog else "PAGE"
    for number, old in enumerate(page.old_versions, start=1):
        yield _row(
            contentid=old.id, contenttype=kind, title=page.title, lowertitle=page.title.lower(), version=number,
            **_people(page.author, page.editor), creationdate=_timestamp(page.created),
            lastmoddate=_timestamp(page.created + timedelta(hours=number)), prevver=page.id, content_status="current",
        )  # fmt: skip
    yield _row(
        contentid=page.id, hibernateversion=13, contenttype=kind, title=page.title, lowertitle=page.title.lower(),
        version=len(page.old_versions) + 1, **_people(page.author, page.editor), creationdate=_timestamp(page.created),
        lastmoddate=_timestamp(page.updated), prevver=page.draft_of or "", content_status=page.status.value,
        spaceid=space.id, child_position=745, parentid=page.parent or "", navigationtype=0,
    )  # fmt: skip


def _around(page: Page) -> Iterator[Row]:
    for comment in page.comments:
        yield _row(
            contentid=comment.id, contenttype="COMMENT", version=1, **_people(comment.author, comment.author),
            creationdate=_timestamp(comment.created), lastmoddate=_timestamp(comment.created), content_status="current",
            pageid=page.id,
        )  # fmt: skip
    for attachment in page.attachments:
        for older in range(len(attachment.versions)):
            yield _row(
                contentid=attachment.id + 1_000 * older, contenttype="ATTACHMENT", title=attachment.filename,
                lowertitle=attachment.filename.lower(), version=len(attachment.versions) - older,
                **_people(attachment.author, attachment.author), creationdate=_timestamp(attachment.created),
                lastmoddate=_timestamp(attachment.created), prevver=attachment.id if older else "",
                content_status=attachment.status.value, pageid=page.id,
            )  # fmt: skip


def _people(author: User | None, editor: User | None) -> dict[str, str]:
    return {"creator": author.key if author else "", "lastmodifier": editor.key if editor else ""}


def _bodies(space: Space) -> Iterator[Row]:
    texts = [
        (space.id + 1, space.description, 0),
        (space.id + 2, '{"appearance": "full-width"}', 1),
    ]
    for page in space.pages:
        texts += [(old.id, storage(old.body, cloud=True), 2) for old in page.old_versions]
        texts.append((page.id, storage(page.body, cloud=True), 2))
        texts += [(comment.id, f"<p>{comment.text}</p>", 2) for comment in page.comments]
    for number, (content, text, body_type) in enumerate(texts, start=9_000_001):
        yield number, text, content, body_type


def _spaces(space: Space) -> bytes:
    header = (
        "spaceid",
        "spacename",
        "spacekey",
        "spacedescid",
        "homepage",
        "spacetype",
        "spacestatus",
        "lowerspacekey",
    )
    row = (space.id, space.name, space.key, space.id + 1, space.home, "global", "CURRENT", space.key.lower())
    return _table(header, [row])


def _users(space: Space) -> bytes:
    """Cloud has an account id where a server has a login, but for those who came over from one."""
    rows = [(user.key, user.cloud_login or user.account_id, user.account_id) for user in space.users]
    return _table(
        ("user_key", "username", "lower_username", "aaid"),
        [(key, name, name.lower(), aaid) for key, name, aaid in rows],
    )


def _label_ids(space: Space) -> dict[str, int]:
    names = dict.fromkeys(label for page in space.pages for label in page.labels)
    return {name: number for number, name in enumerate(names, start=8_000_001)}


def _labels(space: Space) -> Iterator[Row]:
    for name, number in _label_ids(space).items():
        yield number, name, "global"
    yield 8_000_000, "favourite", "my"


def _labellings(space: Space) -> bytes:
    ids = _label_ids(space)
    pairs = [(ids[label], page.id) for page in space.pages for label in page.labels]
    pairs += [(8_000_000, page.id) for page in space.pages if page.favourite_of]
    rows = [
        (number, label, content, content, "CONTENT")
        for number, (label, content) in enumerate(pairs, start=8_100_001)
    ]
    return _table(("id", "labelid", "contentid", "labelableid", "labelabletype"), rows)


def _properties(space: Space) -> bytes:
    header = ("propertyid", "propertyname", "stringval", "longval", "dateval", "contentid")
    attachments = [attachment for page in space.pages for attachment in page.attachments]
    rows = [
        (7_000_000 + attachment.id, "MEDIA_TYPE", attachment.media_type, "", "", attachment.id)
        for attachment in attachments
    ]
    return _table(header, rows)
