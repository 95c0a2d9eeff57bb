"""Files that hold documents: an archive or an export is unpacked into a folder, each document then read by itself."""

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

import msgspec

from docradar.documents import LISTED_DOCUMENTS, DocumentFields
from docradar.errors import ReadError
from ingest.readers.document import ReadLimits

_LENGTH: Final = struct.Struct("<I")
_NO_FIELDS: Final = DocumentFields()


@dataclass(frozen=True, slots=True)
class Member:
    """A document that was taken out of a container. `fields` are what only the container knows of it.

    `external_id` names it within the container's bundle. `file` is the name of its bytes in the unpacked folder.
    """

    external_id: str
    filename: str
    file: str
    media_type: str = ""
    fields: DocumentFields = _NO_FIELDS


@dataclass(frozen=True, slots=True)
class Container:
    """What a container says of itself.

    `bundle` names what it is a state of, wherever it was exported to and under which file name (`confluence:KEY`): what an
    earlier one of that bundle held, and it does not, has vanished. Empty: a state of nothing but itself. `global_ids`: the
    members' external ids hold outside of it too; else its own stands before them. `source` is the members' where the caller
    gave none.
    """

    reader: str
    bundle: str = ""
    global_ids: bool = False
    source: str = ""
    title: str = ""


Expander = Callable[[Path, "Unpacked"], Container]


class Unpacked:
    """The folder into which a container is unpacked, what was left out, and what could not be read."""

    def __init__(self, folder: Path, limits: ReadLimits) -> None:
        self.count = 0
        self.skipped: dict[str, int] = {}
        self.failed: dict[str, str] = {}
        self.failures = 0
        self.warnings: list[str] = []
        self._folder = folder
        self.check_count = self.counter(limits)
        self._most_bytes = limits.unpacked_bytes
        self._bytes_left = limits.unpacked_bytes
        self._ids: set[str] = set()
        self._encoder = msgspec.msgpack.Encoder()
        folder.mkdir(exist_ok=True)
        self._list = (folder / "members").open("wb")

    def add(
        self,
        external_id: str,
        filename: str,
        content: Iterable[bytes],
        *,
        media_type: str = "",
        fields: DocumentFields = _NO_FIELDS,
    ) -> None:
        """Writes a document. What `content` raises leaves nothing of it behind.

        Raises:
            ReadError: The container holds more documents or more bytes than is allowed.
        """
        self.check_count(self.count + 1)
        if external_id in self._ids:
            self.fail(filename, "another document of the same name stands before it in the archive")
            return
        file = str(self.count)
        path = self._folder / file
        try:
            with path.open("wb") as out:
                for piece in content:
                    self.spend(len(piece))
                    out.write(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        record = self._encoder.encode(Member(external_id, filename, file, media_type, fields))
        self._list.write(_LENGTH.pack(len(record)) + record)
        self._ids.add(external_id)
        self.count += 1

    def spool(self) -> IO[bytes]:
        """A file for what has to be put aside while a container is gone through. It is gone once closed."""
        return TemporaryFile(dir=self._folder)

    def skip(self, reason: str, count: int = 1) -> None:
        """Counts what is no document for searching."""
        if count:
            self.skipped[reason] = self.skipped.get(reason, 0) + count

    def fail(self, name: str, reason: str) -> None:
        """Notes a document that cannot be taken out, and why; the others go in."""
        self.failures += 1
        if len(self.failed) < LISTED_DOCUMENTS:
            self.failed[name[:300]] = reason[:500]

    @staticmethod
    def counter(limits: ReadLimits) -> Callable[[int], None]:
        """What raises ReadError where a container of so many entries is larger than is allowed."""

        def check(entries: int) -> None:
            if entries > limits.entries:
                raise ReadError(
                    f"it holds more than {limits.entries:,} files; split it, or raise the setting max_archive_entries"
                )

        return check

    def close(self) -> None:
        self._list.close()

    def spend(self, size_bytes: int) -> None:
        """Counts bytes that come out of the container. Raises ReadError past what is allowed."""
        self._bytes_left -= size_bytes
        if self._bytes_left < 0:
            raise ReadError(
                f"it unpacks to more than {self._most_bytes:,} bytes; split it, or raise the setting "
                "max_unpacked_bytes"
            )


def members(folder: Path) -> Iterator[Member]:
    """The documents in an unpacked folder, one in memory at a time, in the container's order."""
    decoder = msgspec.msgpack.Decoder(Member)
    with (folder / "members").open("rb") as file:
        while prefix := file.read(_LENGTH.size):
            yield decoder.decode(file.read(_LENGTH.unpack(prefix)[0]))
