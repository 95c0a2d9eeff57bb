"""The data folder's lock, and what it remembers of those who did not give it back."""

from pathlib import Path

import pytest

from docradar.datadir import DataDirLock, Owner, owner
from docradar.errors import DataDirInUseError
from docradar.settings import Settings
from service.runtime import Runtime
from tests.api import running


def killed(folder: Path) -> None:
    """An owner whose process ends without a word."""
    DataDirLock.acquire(folder, "docradar serve")._file.close()


def found_unclean(folder: Path) -> bool:
    """What the next owner would see; it leaves things as they are."""
    lock = DataDirLock.acquire(folder, "test")
    lock.release()
    return lock.unclean


def test_one_process_owns_a_folder(tmp_path: Path) -> None:
    lock = DataDirLock.acquire(tmp_path, "docradar serve", "http://host:1")
    assert owner(tmp_path) is not None
    with pytest.raises(DataDirInUseError, match=r"`docradar serve`.*--url http://host:1"):
        DataDirLock.acquire(tmp_path, "docradar status")
    lock.release()
    assert owner(tmp_path) is None
    assert not found_unclean(tmp_path)


def test_an_unclean_end_is_remembered_until_it_is_put_right(tmp_path: Path) -> None:
    killed(tmp_path)
    assert found_unclean(tmp_path)
    assert found_unclean(tmp_path)
    lock = DataDirLock.acquire(tmp_path, "docradar serve")
    assert owner(tmp_path) == Owner(pid=owner(tmp_path).pid, command="docradar serve", url="")  # type: ignore[union-attr]
    lock.mark_clean()
    lock.release()
    assert not found_unclean(tmp_path)


async def test_only_a_process_with_a_worker_puts_it_right(tmp_path: Path) -> None:
    killed(tmp_path)
    status = Runtime(Settings(data_dir=tmp_path), command="docradar status", worker=False, load_engine=False)
    await status.open()
    await status.close()
    assert found_unclean(tmp_path)
    async with running(tmp_path, embedded_worker=False):
        pass
    assert found_unclean(tmp_path)
    async with running(tmp_path):
        pass
    assert not found_unclean(tmp_path)
