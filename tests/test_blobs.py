"""Blobs in a folder and in an object store."""

import fcntl
import multiprocessing
import os
import resource
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from docradar.blobs import CHUNK_BYTES, Blobs
from docradar.errors import ConfigurationError, NotFoundError, UnavailableError
from docradar.settings import Settings

CONTENT = b"hello" * 1000
SHA256 = sha256(CONTENT).hexdigest()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture(params=["folder", "store"])
def blobs(request: pytest.FixtureRequest, settings: Settings) -> Blobs:
    """The folder, and the way to S3 with its calls ending in a store that is here."""
    if request.param == "store":
        (settings.data_dir / "bucket").mkdir()
        settings = replace(settings, blobs=f"file://{settings.data_dir}/bucket")
    return Blobs.open(settings)


async def read(blobs: Blobs, sha: str) -> bytes:
    return b"".join([chunk async for chunk in await blobs.stream(sha)])


async def test_bytes_come_back(blobs: Blobs) -> None:
    assert blobs.put_bytes(CONTENT) == SHA256
    assert await read(blobs, SHA256) == CONTENT
    async with blobs.local_copy(SHA256) as path:
        assert path.read_bytes() == CONTENT


async def test_a_file_comes_back_and_stays_its_owners_to_remove(blobs: Blobs, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(CONTENT)
    assert blobs.put_file(upload) == SHA256
    upload.unlink()
    assert await read(blobs, SHA256) == CONTENT


async def test_large_and_empty_blobs_come_in_pieces(blobs: Blobs) -> None:
    large = os.urandom(3 * CHUNK_BYTES + 17)
    sha = blobs.put_bytes(large)
    pieces = [chunk async for chunk in await blobs.stream(sha)]
    assert b"".join(pieces) == large
    assert len(pieces) > 1
    assert await read(blobs, blobs.put_bytes(b"")) == b""


async def test_missing_blobs_are_not_found(blobs: Blobs) -> None:
    missing = "0" * 64
    assert blobs.delete(missing)
    with pytest.raises(NotFoundError, match=missing):
        await read(blobs, missing)
    with pytest.raises(NotFoundError, match=missing):
        async with blobs.local_copy(missing):
            pass


def test_the_same_bytes_are_stored_once(blobs: Blobs, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(blobs.put_bytes, [CONTENT] * 16)) == {SHA256}
    assert [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()] == [len(CONTENT)]


def test_delete_spares_what_was_just_put(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put_bytes(CONTENT)
    assert not blobs.delete(SHA256)
    stored = next(path for path in tmp_path.rglob("*") if path.name == SHA256[2:])
    os.utime(stored, (1, 1))
    blobs.put_bytes(CONTENT)
    assert not blobs.delete(SHA256)
    os.utime(stored, (1, 1))
    assert blobs.delete(SHA256)
    assert not stored.exists()


def test_only_blobs_of_some_age_are_listed(blobs: Blobs, tmp_path: Path) -> None:
    assert list(blobs.older_than(-60)) == []
    blobs.put_bytes(CONTENT)
    assert list(blobs.older_than(-60)) == [SHA256]
    assert list(blobs.older_than(60)) == []


def test_a_put_is_never_undone_by_a_delete_at_the_same_time(settings: Settings) -> None:
    """Every put finds an old blob that is being deleted, and it must be there afterwards."""
    blobs = Blobs.open(settings)
    path = settings.data_dir / "blobs" / SHA256[:2] / SHA256[2:]
    with ThreadPoolExecutor(3) as pool:
        for _ in range(200):
            blobs.put_bytes(CONTENT)
            os.utime(path, (1, 1))
            calls = [
                pool.submit(blobs.delete, SHA256),
                pool.submit(blobs.put_bytes, CONTENT),
                pool.submit(blobs.delete, SHA256),
            ]
            for call in calls:
                call.result()
            assert path.exists()


def test_a_delete_looks_again_once_it_has_the_blob_to_itself(settings: Settings) -> None:
    blobs = Blobs.open(settings)
    blobs.put_bytes(CONTENT)
    path = settings.data_dir / "blobs" / SHA256[:2] / SHA256[2:]
    os.utime(path, (1, 1))
    with ThreadPoolExecutor(1) as pool, path.open("rb") as putting:
        fcntl.flock(putting, fcntl.LOCK_EX)
        deleting = pool.submit(blobs.delete, SHA256)
        with pytest.raises(TimeoutError):
            deleting.result(0.2)
        os.utime(path)
        fcntl.flock(putting, fcntl.LOCK_UN)
        assert deleting.result(20) is False
    assert path.exists()


def test_a_file_in_the_same_file_system_is_not_copied(settings: Settings) -> None:
    upload = settings.data_dir / "upload"
    upload.write_bytes(CONTENT)
    Blobs.open(settings).put_file(upload)
    assert (settings.data_dir / "blobs" / SHA256[:2] / SHA256[2:]).samefile(upload)


def test_a_file_in_another_file_system_is_copied(settings: Settings) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == settings.data_dir.stat().st_dev:
        pytest.skip("no second file system here to copy from")
    upload = other / f"docradar-{os.getpid()}"
    upload.write_bytes(CONTENT)
    try:
        Blobs.open(settings).put_file(upload)
    finally:
        upload.unlink()
    assert (settings.data_dir / "blobs" / SHA256[:2] / SHA256[2:]).read_bytes() == CONTENT


def _exit_code(
    target: Callable[[Settings], None], settings: Settings, kill_after: float | None = None
) -> int | None:
    process = multiprocessing.get_context("spawn").Process(target=target, args=(settings,))
    process.start()
    if kill_after is not None:
        process.join(kill_after)
        process.kill()
    process.join(60)
    return process.exitcode


def _fill_up(settings: Settings) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    try:
        Blobs.open(settings).put_bytes(bytes(1_000_000))
    except UnavailableError as error:
        os._exit(0 if str(settings.data_dir) in str(error) and "make room" in str(error) else 3)


def test_a_disk_that_is_full_is_told_and_leaves_nothing_behind(settings: Settings) -> None:
    assert _exit_code(_fill_up, settings) == 0
    assert [path for path in settings.data_dir.rglob("*") if path.is_file()] == []


def _put_for_ever(settings: Settings) -> None:
    blobs = Blobs.open(settings)
    while True:
        blobs.put_bytes(os.urandom(4_000_000))


def test_a_process_killed_while_writing_leaves_no_half_of_a_blob(settings: Settings) -> None:
    blobs = settings.data_dir / "blobs"
    for _ in range(3):
        assert _exit_code(_put_for_ever, settings, kill_after=0.6) == -9
    whole = [path for path in blobs.glob("??/*") if path.is_file()]
    assert whole
    for path in whole:
        assert sha256(path.read_bytes()).hexdigest() == path.parent.name + path.name


def test_a_folder_that_cannot_be_made_is_named(settings: Settings) -> None:
    (settings.data_dir / "blobs").write_text("in the way")
    with pytest.raises(UnavailableError, match=str(settings.data_dir)):
        Blobs.open(settings).put_bytes(CONTENT)


@pytest.mark.parametrize("url", ["nonsense", "gopher://x/y", "s3:///"])
def test_unusable_store_urls_are_refused(settings: Settings, url: str) -> None:
    with pytest.raises(ConfigurationError, match="setting blobs"):
        Blobs.open(replace(settings, blobs=url))
