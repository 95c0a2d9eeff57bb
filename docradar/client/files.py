"""Which files an upload of folders takes, and under which ids."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from docradar.client.errors import DuplicateDocumentError


def files_of(path: Path) -> Iterator[tuple[Path, str]]:
    """Files to upload with their external ids: a file's name, or its path below the folder. Hidden ones are left out."""
    if not path.is_dir():
        yield path, path.name
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                file = Path(folder) / name
                yield file, file.relative_to(path).as_posix()


def distinct(files: Iterable[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """The files, one that is named twice only once.

    Raises:
        DuplicateDocumentError: Two of them have the same external id, so that one would replace the other.
    """
    by_id: dict[str, Path] = {}
    for path, external_id in files:
        other = by_id.setdefault(external_id, path)
        if other.resolve() != path.resolve():
            raise DuplicateDocumentError(
                f"{other} and {path} would both be the document {external_id!r}, one replacing the other; ingest the "
                "folder they share, or each with a source of its own"
            )
    return [(path, external_id) for external_id, path in by_id.items()]
