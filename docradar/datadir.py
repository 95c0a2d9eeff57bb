"""One process owns a data folder: the embedded index has no room for two."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from docradar.errors import ConfigurationError, DataDirInUseError


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a data folder; `url` is empty where it serves no HTTP."""

    pid: int
    command: str
    url: str


class DataDirLock:
    """An advisory lock on `data_dir/lock`, released by the kernel when its process ends, however it ends."""

    def __init__(self, file: IO[str], *, unclean: bool = False) -> None:
        """`unclean`: an owner did not release it, so its process was killed, or the machine went down, and nobody has
        put right since what that may have broken."""
        self._file = file
        self.unclean = unclean

    @classmethod
    def acquire(cls, data_dir: Path, command: str, url: str = "") -> "DataDirLock":
        """Takes the folder, creating it where needed.

        Raises:
            DataDirInUseError: Another process has it; the message names that process.
            ConfigurationError: The folder cannot be made or written.
        """
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            file = (data_dir / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(
                f"data folder {data_dir} cannot be used: {error.strerror}; set data_dir to one that can"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise DataDirInUseError(_in_use(data_dir)) from error
        unclean = (data_dir / "lock").stat().st_size > 0
        file.truncate(0)
        file.write(json.dumps(asdict(Owner(os.getpid(), command, url))))
        file.flush()
        os.fsync(file.fileno())  # or a power cut would take the mark along with what it is there to tell of
        return cls(file, unclean=unclean)

    def mark_clean(self) -> None:
        """To be called once what an unclean end may have broken is put right, durably."""
        self.unclean = False

    def release(self) -> None:
        """Gives the folder back; one that is still unclean keeps the mark for the next owner."""
        if not self.unclean:
            self._file.truncate(0)
        self._file.close()


def owner(data_dir: Path) -> Owner | None:
    """Who says it holds the folder, if anybody does."""
    try:
        return Owner(**json.loads((data_dir / "lock").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _in_use(data_dir: Path) -> str:
    holder = owner(data_dir)
    if holder is None:
        return f"data folder {data_dir} is in use by another process; stop it, or give another --data-dir"
    remedy = f"talk to it with --url {holder.url}, stop it" if holder.url else "wait for it to end, stop it"
    return f"data folder {data_dir} is in use by `{holder.command}` (process {holder.pid}); {remedy}, or give another --data-dir"
