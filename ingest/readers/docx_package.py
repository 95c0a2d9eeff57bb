"""The zip of an Office document: its parts by relationship, their XML element by element.

Only the parts that are asked for are unpacked, and none is ever in memory whole, so neither a giant picture nor a giant
text costs more than what is read of it.
"""

import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from lxml import etree

from docradar.errors import ReadError
from ingest.readers.document import ReadLimits

# A part larger than this that was packed better than this is no text that anybody wrote.
_BOMB_BYTES: Final = 64 * 1024**2
_BOMB_RATIO: Final = 200
_ENCRYPTED: Final = 0x1
_OFFICE: Final = "http://schemas.openxmlformats.org"
_STRICT: Final = "http://purl.oclc.org/ooxml"
# Prefix → what it stands for in files of either kind, ISO 29500 transitional and strict.
_NAMESPACES: Final = {
    "w": (f"{_OFFICE}/wordprocessingml/2006/main", f"{_STRICT}/wordprocessingml/main"),
    "m": (f"{_OFFICE}/officeDocument/2006/math", f"{_STRICT}/officeDocument/math"),
    "a": (f"{_OFFICE}/drawingml/2006/main", f"{_STRICT}/drawingml/main"),
    "mc": (f"{_OFFICE}/markup-compatibility/2006",),
    "rel": (f"{_OFFICE}/package/2006/relationships",),
    "cp": (f"{_OFFICE}/package/2006/metadata/core-properties",),
    "dc": ("http://purl.org/dc/elements/1.1/",),
    "dcterms": ("http://purl.org/dc/terms/",),
}
_PREFIXES: Final = {uri: prefix for prefix, uris in _NAMESPACES.items() for uri in uris}


class _Names(dict[str, str]):
    """`{namespace}local` → `prefix:local`, and the empty string for namespaces that are not ours."""

    def __missing__(self, tag: str) -> str:
        uri, _, local = tag[1:].rpartition("}")
        prefix = _PREFIXES.get(uri)
        if prefix is None:
            return ""
        self[tag] = name = f"{prefix}:{local}"
        return name


_names: Final = _Names()


def name_of(element: etree._Element) -> str:
    """The element's name with the prefix that this reader gives its namespace (`w:p`); empty for a namespace unknown here."""
    return _names[element.tag]


def attribute(element: etree._Element, local: str) -> str | None:
    """An attribute in one of the namespaces of WordprocessingML."""
    for uri in _NAMESPACES["w"]:
        value: str | None = element.get(f"{{{uri}}}{local}")
        if value is not None:
            return value
    return None


def is_on(element: etree._Element) -> bool:
    """Whether a property that is either on or off is on: it is where it stands without a value."""
    return attribute(element, "val") not in ("0", "false", "off", "none")


def child(element: etree._Element, *path: str) -> etree._Element | None:
    """The element reached by the first child of each name."""
    found: etree._Element | None = element
    for step in path:
        found = (
            next((below for below in found if name_of(below) == step), None) if found is not None else None
        )
    return found


class Package:
    """An open Office document."""

    def __init__(self, archive: zipfile.ZipFile, limits: ReadLimits) -> None:
        self._archive = archive
        self._limits = limits
        # Some programs write back slashes, and part names do not distinguish case.
        self._entries = {_folded(entry.filename): entry for entry in archive.infolist()}

    def __contains__(self, part: str) -> bool:
        return _folded(part) in self._entries

    def related(self, part: str = "") -> Mapping[str, str]:
        """The parts that `part` (or the document as a whole) refers to, by the last word of the relationship's type."""
        folder, file = posixpath.split(part)
        relationships = posixpath.join(folder, "_rels", f"{file}.rels")
        if relationships not in self:
            return {}
        found: dict[str, str] = {}
        for element in self.elements(relationships, ("rel:Relationship",)):
            if element.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, element.get("Target") or ""))
                found.setdefault((element.get("Type") or "").rpartition("/")[2], target.lstrip("/"))
        return found

    def elements(self, part: str, names: Sequence[str]) -> Iterator[etree._Element]:
        """The elements of these names as each of them ends, inner ones first; what was seen may be emptied.

        Raises:
            ReadError: The part is missing, damaged, hostile, or no XML.
            MemoryError: An element needs more than there is.
        """
        with self._open(part) as source:
            try:
                first = True
                for _, element in etree.iterparse(
                    source,
                    events=("end",),
                    tag=[tag for name in names for tag in _tags(name)],
                    resolve_entities=False,
                    no_network=True,
                    load_dtd=False,
                    huge_tree=False,
                    collect_ids=False,
                    remove_comments=True,
                    remove_pis=True,
                ):
                    if first and element.getroottree().docinfo.internalDTD is not None:
                        raise ReadError(
                            f"{part} in it declares a document type (DTD), which Office documents must not; open it and save it anew"
                        )
                    first = False
                    yield element
            except etree.XMLSyntaxError as error:
                if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
                    raise MemoryError from error
                raise ReadError(_why_unsound(part, error)) from error

    @contextmanager
    def _open(self, part: str) -> Iterator["_BoundedPart"]:
        entry = self._entries.get(_folded(part))
        if entry is None:
            raise ReadError(f"{part} is missing in it; open it in Word or LibreOffice and save it anew")
        if entry.flag_bits & _ENCRYPTED:
            raise ReadError("it is encrypted; save it without a password")
        try:
            with self._archive.open(entry) as file:
                yield _BoundedPart(file, entry, self._limits)
        except _DAMAGE as error:
            raise ReadError(
                f"{part} in it is damaged ({str(error) or type(error).__name__}); download it again, or open it and save it anew"
            ) from error


_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
    struct.error,
    UnicodeDecodeError,
)


@contextmanager
def open_package(path: Path, limits: ReadLimits) -> Iterator[Package]:
    """The document at `path`.

    Raises:
        ReadError: It is no zip, or its directory is damaged or cut off.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (*_DAMAGE, ValueError) as error:
        raise ReadError(
            "it is damaged or cut off: its zip directory cannot be read; download it again, or open it and save it anew"
        ) from error
    with archive:
        yield Package(archive, limits)


class _BoundedPart:
    """A part's bytes, up to what is allowed."""

    def __init__(self, file: IO[bytes], entry: zipfile.ZipInfo, limits: ReadLimits) -> None:
        self._file = file
        self._name = entry.filename
        self._bomb_bytes = max(_BOMB_BYTES, _BOMB_RATIO * entry.compress_size)
        self._limit_bytes = limits.unpacked_bytes
        self._read_bytes = 0

    def read(self, size: int) -> bytes:
        """As a file's."""
        piece = self._file.read(size)
        self._read_bytes += len(piece)
        if self._read_bytes > self._bomb_bytes:
            raise ReadError(
                f"{self._name[:200]} in it unpacks to more than {_BOMB_RATIO} times its size, as only a document that is meant to do "
                "harm does; open it and save it anew"
            )
        if self._read_bytes > self._limit_bytes:
            raise ReadError(
                f"it unpacks to more than {self._limit_bytes:,} bytes; split it, or raise the setting max_unpacked_bytes"
            )
        return piece


def _folded(part: str) -> str:
    return part.replace("\\", "/").lstrip("/").lower()


def _tags(name: str) -> Iterator[str]:
    prefix, _, local = name.partition(":")
    for uri in _NAMESPACES[prefix]:
        yield f"{{{uri}}}{local}"


def _why_unsound(part: str, error: etree.XMLSyntaxError) -> str:
    reason = str(error)
    if "xcessive depth" in reason:
        return f"the elements of {part} in it are nested more than 256 deep; open it and save it in a simpler form"
    if "entity amplification" in reason:
        return f"{part} in it declares entities that stand for each other without end, as only a file that is meant to do harm does; open it and save it anew"
    if "too long" in reason:
        return f"{part} in it holds a text of more than 10 MB without a break; split it"
    return f"{part} in it is no sound XML ({reason[:120]}); open it in Word or LibreOffice and save it anew"
