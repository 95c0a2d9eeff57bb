"""Runs as files: what a service answered, kept to be judged and compared again."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from docradar.errors import InvalidRequestError
from docradar.evaluation.summary import Run

FORMAT: Final = "docradar-run/1"


class RunFile(Struct, kw_only=True):
    """A run with what tells the file from others."""

    format: Literal["docradar-run/1"]
    asked_at: datetime
    run: Run


def save_run(run: Run, path: Path) -> None:
    """Writes the run as JSON, over a file that is there.

    Raises:
        InvalidRequestError: The file cannot be written.
    """
    content = msgspec.json.encode(RunFile(format=FORMAT, asked_at=datetime.now(UTC), run=run))
    try:
        path.write_bytes(msgspec.json.format(content, indent=1) + b"\n")
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {error.strerror}; name another file") from error


def load_run(path: Path) -> Run:
    """The run that `save_run` wrote; its name is the file's, so that two runs of one mode can be told apart.

    Raises:
        InvalidRequestError: The file cannot be read, or holds no run.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be read: {error.strerror}") from error
    try:
        run = msgspec.json.decode(content, type=RunFile).run
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(
            f"{path} holds no run ({error}); `docradar eval --output` writes one"
        ) from error
    return replace(run, name=str(path))
