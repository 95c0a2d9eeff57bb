"""Streaming multipart: files go to disk as they arrive, so memory does not grow with them.

python-multipart's parser calls back for each piece of a part. Bytes are counted there, and the end is asked for:
a body that breaks off is an error, never a shorter file.
"""

import mimetypes
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from docradar.blobs import disk_errors
from docradar.errors import InvalidRequestError, TooLargeError

MAX_FILES: Final = 1000
MAX_FIELDS_BYTES: Final = 1_000_000
FIELD_BYTES: Final = 250
"""What a field counts beside its name and its value: about what an empty one takes in memory."""

UNKNOWN_MEDIA_TYPE: Final = "application/octet-stream"


@dataclass(slots=True)
class UploadedFile:
    """A part named `file`, complete and on disk; whoever takes `path` away owns it."""

    path: Path
    filename: str
    media_type: str
    size_bytes: int


@dataclass(slots=True)
class Form:
    """A whole multipart body."""

    files: list[UploadedFile] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)

    def discard(self) -> None:
        """Removes the files that nobody took."""
        for file in self.files:
            file.path.unlink(missing_ok=True)


async def receive_form(
    stream: AsyncIterator[bytes], content_type: str, folder: Path, *, max_file_bytes: int
) -> Form:
    """Reads a multipart body to its end, files into `folder`.

    Raises:
        InvalidRequestError: Not multipart, broken, or cut off.
        TooLargeError: A file, or the other fields together, exceed their limit.
        UnavailableError: The disk is full, or cannot be written.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidRequestError("the body must be multipart/form-data with a boundary, or JSON")
    receiver = _Receiver(folder, max_file_bytes)
    try:
        parser = MultipartParser(boundary, receiver.callbacks())
        async for chunk in stream:
            with disk_errors(folder):
                parser.write(chunk)
        if parser.state is not MultipartState.END:
            raise InvalidRequestError("the upload broke off before its end; send it again")
    except MultipartParseError as error:
        receiver.abort()
        raise InvalidRequestError(f"the multipart body is malformed: {error}") from error
    except BaseException:
        receiver.abort()
        raise
    return receiver.form


class _Receiver:
    """Collects one body; the parser's callbacks are its methods."""

    def __init__(self, folder: Path, max_file_bytes: int) -> None:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.form = Form()
        self._folder = folder
        self._max_file_bytes = max_file_bytes
        self._headers: dict[str, str] = {}
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._field_name = ""
        self._field_value = bytearray()
        self._fields_bytes = 0
        self._file: IO[bytes] | None = None

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
        }

    def abort(self) -> None:
        if self._file:
            with suppress(OSError):  # what is buffered does not fit on a full disk
                self._file.close()
        self.form.discard()

    def _part_begin(self) -> None:
        self._headers = {}

    def _header_end(self) -> None:
        self._headers[self._header_name.decode("latin-1").lower()] = self._header_value.decode("latin-1")
        self._header_name.clear()
        self._header_value.clear()

    def _headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition", ""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if disposition != b"form-data" or not name:
            raise InvalidRequestError("each part needs a content-disposition of form-data with a name")
        if name == "file":
            self._begin_file(options.get(b"filename", b"").decode("utf-8", "replace"))
        elif b"filename" in options:
            raise InvalidRequestError(f"the file part is named {name[:100]!r}; name it 'file'")
        else:
            self._count(FIELD_BYTES + len(name.encode()))
            self._field_name = name
            self._field_value.clear()

    def _begin_file(self, filename: str) -> None:
        if len(self.form.files) == MAX_FILES:
            raise InvalidRequestError(f"more than {MAX_FILES} files in one request; send them in several")
        descriptor, path = tempfile.mkstemp(prefix="upload-", dir=self._folder)
        self._file = os.fdopen(descriptor, "wb", buffering=1 << 20)
        name = base_name(filename)
        declared = self._headers.get("content-type", "").split(";")[0].strip().lower()
        self.form.files.append(UploadedFile(Path(path), name, media_type_of(name, declared), 0))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            self._count(end - start)
            self._field_value += data[start:end]
            return
        file = self.form.files[-1]
        file.size_bytes += end - start
        if file.size_bytes > self._max_file_bytes:
            raise TooLargeError(
                f"{file.filename} is larger than {self._max_file_bytes:,} bytes; split it, or raise the setting "
                "max_upload_bytes"
            )
        self._file.write(data[start:end])

    def _count(self, field_bytes: int) -> None:
        self._fields_bytes += field_bytes
        if self._fields_bytes > MAX_FIELDS_BYTES:
            raise TooLargeError(
                f"the fields of an upload may hold {MAX_FIELDS_BYTES:,} bytes together, names and {FIELD_BYTES} for each "
                "field included; send fewer or shorter ones"
            )

    def _part_end(self) -> None:
        if self._file is None:
            try:
                text = self._field_value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidRequestError(f"field {self._field_name[:100]!r} is not UTF-8") from error
            self.form.fields.setdefault(self._field_name, []).append(text)
        else:
            self._file.close()
            self._file = None


def media_type_of(filename: str, declared: str) -> str:
    """What the client says a file is, or, where it says nothing of use, what the name says."""
    if declared and declared != UNKNOWN_MEDIA_TYPE:
        return declared[:100]
    return mimetypes.guess_type(filename)[0] or UNKNOWN_MEDIA_TYPE


def base_name(filename: str) -> str:
    """The last component of a name, whichever separator it uses, without control characters."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c for c in name if c.isprintable()).strip()
    return name[:255] if name not in ("", ".", "..") else "unnamed"
