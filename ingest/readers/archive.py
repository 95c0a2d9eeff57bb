"""A zip of documents: each file that can be read becomes a document under its path; what cannot is counted."""

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from docradar.errors import ReadError
from ingest.readers.container import Container, Unpacked
from ingest.readers.encoding import decode

_PIECE_BYTES: Final = 1 << 20
# Deflate cannot do better than about 1,030 : 1; text and office files stay far below a tenth of that.
_BOMB_RATIO: Final = 200
_BOMB_BYTES: Final = 64 * 1024**2
_ENTRY_BYTES: Final = 46  # the least that the central directory needs for an entry
_END: Final = struct.Struct("<4s4H2LH")
_DAMAGED: Final = "it is damaged or cut off: its directory cannot be read; download or pack it again"
_ENCRYPTED: Final = 0x1
# What the standard library raises where a file in an archive is not as its directory has it.
DAMAGE: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, UnicodeDecodeError,
)  # fmt: skip
_UTF8: Final = 0x800
_ABSOLUTE: Final = re.compile(r"/|[A-Za-z]:/")
_HIDDEN: Final = ("__MACOSX", ".")
_READ: Final = frozenset({
    "", ".txt", ".text", ".log", ".md", ".markdown", ".mdown", ".mkd", ".mdx", ".rst", ".rest", ".adoc", ".asciidoc", ".asc",
    ".html", ".htm", ".xhtml", ".xht", ".pdf", ".docx", ".docm", ".dotx", ".doc", ".csv", ".tsv", ".tab", ".eml", ".mht", ".mhtml",
})  # fmt: skip
_IMAGES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".bmp", ".tif", ".tiff", ".ico", ".heic"}
)
_ARCHIVES: Final = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".tar", ".zst", ".jar"})
CONFLUENCE_PAGE: Final = "application/vnd.docradar.confluence-page+json"
"""Media type of a page that an expander has taken out of an export."""


def expand(path: Path, unpacked: Unpacked) -> Container:
    """Raises ReadError for what is no sound zip, is a bomb, or holds more than is allowed."""
    with open_zip(path, unpacked.check_count) as archive:
        for entry in archive.infolist():
            if entry.filename and not entry.filename.endswith("/"):
                add_entry(archive, entry, unpacked)
    return Container(reader="zip")


def add_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, unpacked: Unpacked) -> None:
    """Takes one file out, or says why it cannot be."""
    name = entry.filename
    if _is_hidden(name):
        unpacked.skip("hidden files")
    elif stat.S_ISLNK(entry.external_attr >> 16):
        unpacked.skip("links")
    elif ".." in PurePosixPath(name).parts or _ABSOLUTE.match(name):
        unpacked.fail(name, "its name leads out of the archive; pack the folder again")
    elif reason := skipped_by_name(name):
        unpacked.skip(reason)
    else:
        try:
            unpacked.add(name, PurePosixPath(name).name, pieces(archive, entry))
        except MemberError as error:
            unpacked.fail(name, str(error))


def skipped_by_name(name: str) -> str | None:
    """Why a file in an archive is not read, in words that follow a number; None where it is."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in _READ:
        return None
    if suffix in _IMAGES:
        return "images"
    return "archives within it" if suffix in _ARCHIVES else "files of other kinds"


class MemberError(Exception):
    """One file of an archive cannot be taken out; the message says why. The others can."""


def open_zip(path: Path, check_count: Callable[[int], None]) -> zipfile.ZipFile:
    """The archive, once its directory is known to be small enough to be read, and to be sound.

    Raises:
        ReadError: It is damaged, or hostile.
    """
    _check_directory(path, check_count)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError) as error:
        raise ReadError(_DAMAGED) from error
    check_count(len(archive.filelist))
    _check_overlaps(archive.infolist())
    _restore_names(archive.infolist())
    return archive


def topmost(archive: zipfile.ZipFile, *names: str) -> zipfile.ZipInfo:
    """The file of one of these names that lies in the fewest folders.

    Raises:
        ReadError: There is none.
    """
    found = [entry for entry in archive.infolist() if PurePosixPath(entry.filename).name in names]
    if not found:
        raise ReadError(f"it holds no {names[0]}; export the space again")
    return min(found, key=lambda entry: (entry.filename.count("/"), entry.filename))


def pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of one file.

    Raises:
        MemberError: It is encrypted, damaged, or packed in a way that is not known here.
        ReadError: It is a bomb.
    """
    if entry.flag_bits & _ENCRYPTED:
        raise MemberError("it is encrypted; pack it again without a password")
    try:
        with archive.open(entry) as file:
            size_bytes = 0
            while piece := file.read(_PIECE_BYTES):
                size_bytes += len(piece)
                if size_bytes > _BOMB_BYTES and size_bytes > _BOMB_RATIO * entry.compress_size:
                    raise ReadError(
                        f"{entry.filename[:200]} in it unpacks to more than {_BOMB_RATIO} times its size, as only an archive that "
                        "is meant to do harm does; pack it again, or upload that file by itself"
                    )
                yield piece
    except DAMAGE as error:
        raise MemberError(f"it is damaged in the archive ({error}); pack it again") from error


def _check_directory(path: Path, check_count: Callable[[int], None]) -> None:
    """Refuses a directory of more entries than are allowed before it is read: each takes a kilobyte of memory."""
    with path.open("rb") as file:
        size_bytes = file.seek(0, 2)
        file.seek(max(0, size_bytes - 65_557))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise ReadError(
            "it is cut off: the directory at an archive's end is missing; download or pack it again"
        )
    _, _, _, _, entries, directory_bytes, _, _ = _END.unpack_from(tail, at)
    if (
        directory_bytes == 0xFFFFFFFF
    ):  # zip64: the sizes stand elsewhere, and the directory fills what it fills
        directory_bytes = size_bytes
        entries = 0
    check_count(entries)
    # Where a zip64 record stands before it, that one counts, whatever the end says.
    if directory_bytes > _ENTRY_BYTES * 0xFFFF or tail[max(0, at - 20) :].startswith(b"PK\x06\x07"):
        check_count(_counted(path, at + max(0, size_bytes - 65_557)))


def _counted(path: Path, end: int) -> int:
    """How often a directory entry's signature stands before `end`: at least as many as there are entries."""
    count, rest = 0, b""
    with path.open("rb") as file:
        while end > 0 and (piece := file.read(min(_PIECE_BYTES, end))):
            count += (rest + piece).count(b"PK\x01\x02")
            rest = piece[-3:]
            end -= len(piece)
    return count


def _check_overlaps(entries: list[zipfile.ZipInfo]) -> None:
    """Files that share bytes are how a small archive claims to hold petabytes."""
    end = 0
    if any(entry.header_offset < 0 for entry in entries):
        raise ReadError(_DAMAGED)
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise ReadError(
                "files in it overlap, as only in an archive that is meant to do harm; pack it again"
            )
        end = entry.header_offset + 30 + len(entry.orig_filename) + entry.compress_size


def _restore_names(entries: list[zipfile.ZipInfo]) -> None:
    """Names as they were meant: what packers of old wrote in their own encoding, and with backslashes.

    The format says that such names are in code page 437; those of one archive are in one encoding, so they are told together.
    """
    foreign = [entry for entry in entries if not entry.flag_bits & _UTF8 and not entry.filename.isascii()]
    written = b"\n".join(entry.filename.encode("cp437", "replace") for entry in foreign)
    with suppress(ReadError):
        names = decode(written).text.split("\n") if foreign else []
        if len(names) == len(foreign):
            for entry, name in zip(foreign, names, strict=True):
                entry.filename = name
    for entry in entries:
        entry.filename = entry.filename.replace("\\", "/")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(_HIDDEN) for part in PurePosixPath(name).parts if part not in (".", ".."))
