"""The CSV space export of Confluence Cloud: the tables of its database, a file each, packed by gzip or not.

Atlassian documents no format. The names of tables and columns are those that importers of other wikis read.
"""

import csv
import io
import itertools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from docradar.errors import ReadError
from ingest.readers.archive import MemberError, open_zip, pieces, topmost
from ingest.readers.confluence_objects import AttachmentObject, PageObject, SpaceObjects
from ingest.readers.container import Container, Unpacked
from ingest.readers.dates import parse_date
from ingest.readers.rows import csv_values_up_to

_GZIP: Final = b"\x1f\x8b"
_STORAGE_BODY: Final = ("2", "")
_MOST_FIELD_CHARS: Final = 10_000_000
_PIECE_BYTES: Final = 1 << 20
_CURRENT: Final = "current"

Row = dict[str, str]


def expand(path: Path, unpacked: Unpacked) -> Container:
    """Raises ReadError where the archive or a table of it is not sound, or it holds more than is allowed."""
    with (
        csv_values_up_to(_MOST_FIELD_CHARS),
        open_zip(path, unpacked.check_count) as archive,
        unpacked.spool() as spool,
    ):
        tables = _Tables(archive, unpacked)
        objects = SpaceObjects(spool)
        for row in tables.rows("spaces"):
            objects.add_space(row["spaceid"], row.get("spacekey", ""), row.get("spacename", ""))
        for row in tables.rows("user_mapping"):
            objects.add_user(row.get("username", ""), row.get("user_key", ""), row.get("aaid", ""))
        for row in tables.rows("label"):
            objects.add_label(row.get("labelid", ""), row.get("name", ""), row.get("namespace", ""))
        for row in tables.rows("content_label"):
            objects.labellings.append((row.get("contentid", ""), row.get("labelid", "")))
        for row in tables.rows("content"):
            _take_content(objects, row)
        for row in tables.rows("bodycontent"):
            if row.get("bodytypeid", "") in _STORAGE_BODY and row.get("contentid") in objects.pages:
                objects.add_body(row["contentid"], row.get("body", ""))
        return objects.unpack(unpacked, archive, tables.root, "confluence-csv-space")


def _take_content(objects: SpaceObjects, row: Row) -> None:
    own_id, status = row.get("contentid", ""), row.get("content_status", _CURRENT)
    kind, title = row.get("contenttype", ""), row.get("title", "")
    if kind not in ("PAGE", "BLOGPOST", "ATTACHMENT") or not objects.is_current(
        own_id, status, row.get("prevver")
    ):
        return
    created_at = parse_date(row.get("creationdate", ""))
    updated_at = parse_date(row.get("lastmoddate", ""))
    if kind == "ATTACHMENT":
        page, version = row.get("pageid", ""), row.get("version") or "1"
        objects.attachments[own_id] = AttachmentObject(title, page, version, created_at, updated_at)
    else:
        objects.pages[own_id] = PageObject(
            title,
            parent=row.get("parentid") or None,
            space=row.get("spaceid"),
            author=row.get("creator"),
            created_at=created_at,
            updated_at=updated_at,
        )


class _Tables:
    """The tables of an export by name, wherever they lie in the archive."""

    def __init__(self, archive: zipfile.ZipFile, unpacked: Unpacked) -> None:
        self._archive = archive
        self._unpacked = unpacked
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in archive.infolist():
            name = PurePosixPath(entry.filename).name.removesuffix(".gz")
            if name.endswith(".csv"):
                self._entries.setdefault(name.removesuffix(".csv").lower(), entry)
        place = PurePosixPath(topmost(archive, "content.csv", "content.csv.gz").filename).parent
        self.root = "" if str(place) == "." else f"{place}/"

    def rows(self, name: str) -> Iterator[Row]:
        """A table's rows by column; none where the export has no such table."""
        entry = self._entries.get(name)
        if entry is None:
            return
        try:
            with self._unpacked.spool() as spool:
                for piece in _plain(pieces(self._archive, entry)):
                    self._unpacked.spend(len(piece))
                    spool.write(piece)
                spool.seek(0)
                with io.TextIOWrapper(spool, encoding="utf-8-sig", newline="") as text:
                    for row in csv.DictReader(text):
                        yield {k.lower(): v for k, v in row.items() if k and isinstance(v, str)}
        except (MemberError, OSError, zlib.error, csv.Error, UnicodeDecodeError) as error:
            raise ReadError(
                f"{entry.filename} in it cannot be read: {error}; export the space again"
            ) from error


def _plain(content: Iterator[bytes]) -> Iterator[bytes]:
    """A table's bytes, unpacked where they are packed, whatever the name says."""
    first = next(content, b"")
    if not first.startswith(_GZIP):
        yield first
        yield from content
        return
    gzip = zlib.decompressobj(wbits=31)
    for piece in itertools.chain([first], content):
        rest = piece
        while rest and not gzip.eof:
            yield gzip.decompress(rest, _PIECE_BYTES)
            rest = gzip.unconsumed_tail
    yield gzip.flush()
