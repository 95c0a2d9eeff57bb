"""Originals and extracted texts, stored once under their SHA-256: `blobs/ab/cdef…`, in a folder or an object store."""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from docradar.errors import ConfigurationError, NotFoundError, UnavailableError
from docradar.settings import Settings

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import ObjectStore

CHUNK_BYTES: Final = 1024 * 1024

SPARED_SECONDS: Final = 60.0
"""`delete` leaves what was put within this time: somebody may be about to refer to it."""

_FOLDER: Final = "blobs"
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Blobs(ABC):
    """A blob is there whole or not at all, and never changes. Safe to use from any thread or process."""

    @staticmethod
    def open(settings: Settings) -> "Blobs":
        """The folder or the object store that `settings.blobs` names; a store's credentials come from its usual variables.

        Raises:
            ConfigurationError: The setting names no store that can be opened.
        """
        if settings.blobs:
            return StoreBlobs(settings.blobs, settings.data_dir / "scratch")
        return FolderBlobs(settings.data_dir)

    @abstractmethod
    def put_file(self, path: Path) -> str:
        """Stores a file's bytes durably and returns their hex SHA-256.

        The file stays where it is, to be removed by the caller, but must not be written to any more: it may be the blob
        under another name.

        Raises:
            UnavailableError: The store is full or away.
        """

    @abstractmethod
    def put_bytes(self, content: bytes) -> str:
        """Like `put_file`, of bytes."""

    @abstractmethod
    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        """The bytes, a piece at a time; whether they are there is known before the first.

        Raises:
            NotFoundError: There is no such blob.
            UnavailableError: The store is away.
        """

    @abstractmethod
    def local_copy(self, sha256: str) -> AbstractAsyncContextManager[Path]:
        """A file with the bytes, not to be written to, and gone or not afterwards.

        Raises:
            NotFoundError: There is no such blob.
        """

    @abstractmethod
    def delete(self, sha256: str, *, spared_seconds: float = SPARED_SECONDS) -> bool:
        """Removes the blob unless it was put within `spared_seconds`; says whether it is gone.

        In a folder, a put at the same moment either keeps the blob or stores it anew. Object stores cannot promise that for
        the time of two requests to them.
        """

    @abstractmethod
    def older_than(self, seconds: float) -> Iterator[str]:
        """Hex SHA-256s of the blobs that were last put longer ago than that."""


class FolderBlobs(Blobs):
    """Files in `data_dir/blobs`. One that was written in the same file system becomes a blob without being copied."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / _FOLDER

    def put_file(self, path: Path) -> str:
        with disk_errors(self._root), path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self._put(sha256, lambda place: _link_or_copy(path, place))
        return sha256

    def put_bytes(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        with disk_errors(self._root):
            self._put(sha256, lambda place: place.write_bytes(content))
        return sha256

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        return _file_chunks(self._found(sha256))

    @asynccontextmanager
    async def local_copy(self, sha256: str) -> AsyncIterator[Path]:
        yield self._found(sha256)

    def delete(self, sha256: str, *, spared_seconds: float = SPARED_SECONDS) -> bool:
        path = self._path(sha256)
        with disk_errors(self._root), contextlib.suppress(FileNotFoundError), _held(path) as descriptor:
            if time.time() - os.fstat(descriptor).st_mtime < spared_seconds:
                return False
            path.unlink()
        return True

    def older_than(self, seconds: float) -> Iterator[str]:
        latest = time.time() - seconds
        with disk_errors(self._root):
            for path in self._root.glob("[0-9a-f][0-9a-f]/*"):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < latest:
                        yield path.parent.name + path.name

    def _put(self, sha256: str, write: Callable[[Path], object]) -> None:
        """Has the bytes written under a name that nobody reads, makes them durable, then gives them their own."""
        final = self._path(sha256)
        with contextlib.suppress(FileNotFoundError), _held(final) as descriptor:
            os.utime(descriptor)  # spares it from `delete`
            _sync(final.parent)  # who put it may not have come to that yet
            return
        if not final.parent.exists():
            final.parent.mkdir(parents=True, exist_ok=True)
            _sync(self._root)
        place = Path(tempfile.mkdtemp(prefix=".new-", dir=self._root)) / sha256
        try:
            write(place)
            os.utime(place)
            _sync(place)
            place.replace(final)
            _sync(final.parent)
        finally:
            shutil.rmtree(place.parent, ignore_errors=True)

    def _found(self, sha256: str) -> Path:
        path = self._path(sha256)
        if not path.exists():
            raise _missing(sha256, str(self._root))
        return path

    def _path(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256[2:]


class StoreBlobs(Blobs):
    """Objects under `blobs/` of an object store, such as `s3://bucket/prefix`."""

    def __init__(self, url: str, scratch: Path) -> None:
        self._url = url
        self._scratch = scratch
        self._store = _object_store(url)

    def put_file(self, path: Path) -> str:
        import obstore

        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        with self._translated(sha256):
            # Also where it exists: the new time spares it from `delete`.
            obstore.put(self._store, _key(sha256), path)
        return sha256

    def put_bytes(self, content: bytes) -> str:
        import obstore

        sha256 = hashlib.sha256(content).hexdigest()
        with self._translated(sha256):
            obstore.put(self._store, _key(sha256), content)
        return sha256

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        import obstore

        with self._translated(sha256):
            found = await obstore.get_async(self._store, _key(sha256))
        return self._chunks(sha256, found)

    @asynccontextmanager
    async def local_copy(self, sha256: str) -> AsyncIterator[Path]:
        path = await asyncio.to_thread(self._download, sha256)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def delete(self, sha256: str, *, spared_seconds: float = SPARED_SECONDS) -> bool:
        import obstore

        modified = self._modified(sha256)
        if modified is None:
            return True
        if (datetime.now(UTC) - modified).total_seconds() < spared_seconds:
            return False
        with self._translated(sha256):
            obstore.delete(self._store, _key(sha256))
        return True

    def older_than(self, seconds: float) -> Iterator[str]:
        import obstore

        latest = datetime.now(UTC) - timedelta(seconds=seconds)
        with self._translated("*"):
            for page in obstore.list(self._store, _FOLDER):
                for found in page:
                    if found["last_modified"] < latest:
                        yield "".join(found["path"].split("/")[-2:])

    async def _chunks(self, sha256: str, found: "GetResult") -> AsyncIterator[bytes]:
        with self._translated(sha256):
            async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)

    def _download(self, sha256: str) -> Path:
        import obstore

        with disk_errors(self._scratch):
            self._scratch.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix="blob-", dir=self._scratch)
            try:
                with os.fdopen(descriptor, "wb") as file, self._translated(sha256):
                    found = obstore.get(self._store, _key(sha256))
                    for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
                        file.write(chunk)
            except BaseException:
                Path(name).unlink()
                raise
            return Path(name)

    def _modified(self, sha256: str) -> datetime | None:
        import obstore

        try:
            with self._translated(sha256):
                return obstore.head(self._store, _key(sha256))["last_modified"]
        except NotFoundError:
            return None

    @contextmanager
    def _translated(self, sha256: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            raise _missing(sha256, self._url) from error
        except BaseError as error:
            reason = str(error).partition("\n")[0]
            raise UnavailableError(f"the object store {self._url} cannot be used now: {reason}") from error


def _object_store(url: str) -> "ObjectStore":
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        return from_url(url)
    except (BaseError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigurationError(
            f"setting blobs is {url!r}: {reason}; give a URL such as s3://bucket/prefix, or none for a folder"
        ) from error


def _key(sha256: str) -> str:
    return f"{_FOLDER}/{sha256[:2]}/{sha256[2:]}"


@contextmanager
def _held(path: Path) -> Iterator[int]:
    """A descriptor of the blob, which nobody else who holds it puts again or removes meanwhile.

    Raises:
        FileNotFoundError: There is no such blob.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR)  # network file systems lock only what may be written to
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                yield descriptor
                return
            # Removed and put anew since it was opened.
        finally:
            os.close(descriptor)


def _link_or_copy(path: Path, place: Path) -> None:
    try:
        place.hardlink_to(path)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        shutil.copyfile(path, place)  # another file system, or one without links


async def _file_chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns what a disk says about `folder` into what an operator can act on.

    Raises:
        UnavailableError: Instead of any OSError.
    """
    try:
        yield
    except OSError as error:
        remedy = "make room on its disk" if error.errno in _NO_ROOM else "check the folder and its disk"
        raise UnavailableError(
            f"{error.filename or folder} cannot be used now: {error.strerror}; {remedy}",
            retry_after_seconds=30,
        ) from error


def _missing(sha256: str, where: str) -> NotFoundError:
    return NotFoundError(f"blob {sha256} is not in {where}; upload its document again")
