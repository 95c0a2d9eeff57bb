"""Zip archives that mean harm, or were harmed: made here, byte by byte where zipfile would refuse."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from tests.archives import zipped

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")


def _local(name: bytes, content: bytes, *, size: int, method: int = 8, flags: int = 0, crc: int = 0) -> bytes:
    header = (b"PK\x03\x04", 20, flags, method, 0, 0, crc, len(content), size, len(name), 0)
    return _LOCAL.pack(*header) + name + content


def _central(
    name: bytes, packed: int, *, size: int, at: int, method: int = 8, flags: int = 0, crc: int = 0
) -> bytes:
    header = (b"PK\x01\x02", 20, 20, flags, method, 0, 0, crc, packed, size, len(name), 0, 0, 0, 0, 0, at)
    return _CENTRAL.pack(*header) + name


def _end(entries: int, directory: bytes, at: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, entries & 0xFFFF, entries & 0xFFFF, len(directory), at, 0)


def bomb(megabytes: int = 100) -> bytes:
    """One file of zeros, a thousandth of its size packed."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("a.txt", "w") as file,
    ):
        for _ in range(megabytes):
            file.write(bytes(1 << 20))
    return out.getvalue()


def nested_bombs() -> bytes:
    """Archives in archives in archives, a bomb in each."""
    inner = bomb(20)
    for level in range(5):
        inner = zipped({f"{level}-{copy}.zip": inner for copy in range(4)})
    return inner


def overlapping(copies: int = 2000) -> bytes:
    """Many names for the same bytes."""
    content = zlib.compress(bytes(10 << 20), 9)[2:-4]
    crc = zlib.crc32(bytes(10 << 20))
    body = _local(b"0.txt", content, size=10 << 20, crc=crc)
    directory = b"".join(
        _central(b"%d.txt" % n, len(content), size=10 << 20, at=0, crc=crc) for n in range(copies)
    )
    return body + directory + _end(copies, directory, len(body))


def many_entries(count: int = 1_000_000) -> bytes:
    """A million empty files, told as 65,535 or fewer at the end, as the format has it."""
    body = _local(b"a.txt", b"", size=0, method=0)
    entry = _central(b"a.txt", 0, size=0, at=0, method=0)
    directory = entry * count
    return body + directory + _end(count, directory, len(body))


def encrypted() -> bytes:
    content = zipped({"secret.txt": "Nobody reads this."})
    return _with_flags(content, 1)


def wrong_crc() -> bytes:
    """Two files, the first of which is not what its checksum says."""
    content = bytearray(zipped({"bad.txt": "The first file." * 20, "good.txt": "The second file is sound."}))
    at = content.index(b"bad.txt") + len(b"bad.txt")
    content[at + 6] ^= 0xFF
    return bytes(content)


def truncated() -> bytes:
    content = zipped({f"{n}.txt": f"File number {n} of the archive." for n in range(50)})
    return content[: len(content) // 2]


def unknown_method() -> bytes:
    name, content = b"a.txt", b"packed by a method of the future"
    body = _local(name, content, size=100, method=97)
    directory = _central(name, len(content), size=100, at=0, method=97)
    return body + directory + _end(1, directory, len(body))


def lying_directory() -> bytes:
    """The directory says that it begins beyond the file's end."""
    content = bytearray(zipped({"a.txt": "words"}))
    content[-6:-2] = struct.pack("<L", 0x7FFFFFFF)
    return bytes(content)


def leading_out() -> bytes:
    names = ("../../etc/passwd.txt", "/etc/motd.txt", "..\\..\\win.txt", "C:/boot.txt", "a/../../b.txt")
    return zipped(dict.fromkeys(names, "This must not leave the archive."))


def _with_flags(content: bytes, flags: int) -> bytes:
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.find(signature)
        while at >= 0:
            changed[at + offset] |= flags
            at = changed.find(signature, at + 4)
    return bytes(changed)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "bomb": (bomb, "more than 200 times its size"),
    "nested bombs": (nested_bombs, "archives within it"),
    "overlapping": (overlapping, "overlap"),
    "a million entries": (many_entries, "more than 100,000 files"),
    "encrypted": (encrypted, "encrypted"),
    "truncated": (truncated, "cut off"),
    "unknown method": (unknown_method, "damaged in the archive"),
    "lying directory": (lying_directory, "directory"),
    "leading out": (leading_out, "leads out of the archive"),
    "empty": (lambda: zipped({}), "it is empty"),
    "only pictures": (lambda: zipped({"a.png": b"\x89PNG", "b.jpg": b"\xff\xd8"}), "2 images"),
}
"""What each is called, how it is made, and what its failure says."""
