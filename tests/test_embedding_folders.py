import multiprocessing
import time
from pathlib import Path

import pytest

from docradar.embedding.folders import build_once
from docradar.errors import ConfigurationError


def is_complete(folder: Path) -> bool:
    return (folder / "done").exists()


def build_slowly(folder: Path) -> None:
    (folder / "half").write_text("")
    time.sleep(0.2)
    (folder / "done").write_text("")
    with (folder.parent / "builds").open("a") as builds:
        builds.write("x")


def build_in_process(folder: Path) -> None:
    build_once(folder, is_complete, build_slowly)
    assert is_complete(folder)


def test_of_several_processes_one_builds(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=build_in_process, args=(tmp_path / "model",)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (tmp_path / "builds").read_text() == "x"


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        build_once(tmp_path / "model", is_complete, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["model.lock"]


def test_what_a_crash_left_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("")
    (tmp_path / "model.tmp-crashed").mkdir()
    build_once(tmp_path / "model", is_complete, lambda folder: (folder / "done").touch())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.lock"]
    assert not (tmp_path / "model" / "old").exists()


def test_a_full_or_forbidden_disk_is_the_operators(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ConfigurationError, match=r"No space left.*data_dir"):
        build_once(tmp_path / "model", is_complete, fail)
