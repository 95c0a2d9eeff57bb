"""Folders that are expensive to make, made once and whole, however many processes want them."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from docradar.errors import ConfigurationError


def build_once(folder: Path, is_complete: Callable[[Path], bool], build: Callable[[Path], None]) -> None:
    """Ensures that `folder` is complete: `build` fills a temporary one, which is renamed into place.

    Of several processes one builds, the others wait for it. A crash leaves no half of a folder behind under
    the final name, and the lock dies with its holder.

    Raises:
        ConfigurationError: The folder cannot be written.
    """
    if is_complete(folder):
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock")):
            if not is_complete(folder):
                _replace(folder, build)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written ({error}): the setting data_dir must name a folder "
            "that is writable and has 1 GB free"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(folder: Path, build: Callable[[Path], None]) -> None:
    for left_over in folder.parent.glob(f"{folder.name}.tmp-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{folder.name}.tmp-", dir=folder.parent))
    try:
        build(fresh)
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
