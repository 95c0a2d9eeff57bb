"""Which model made the points of the index."""

from typing import Final

from sqlalchemy import Connection, select

from docradar.catalog.schema import generation
from docradar.catalog.sql import NOW, insert_or_ignore
from docradar.catalog.store import Store
from docradar.documents import Generation
from docradar.errors import FingerprintMismatchError

_RECORD: Final = insert_or_ignore(generation, id=1, created_at=NOW)


class GenerationStore(Store):
    """One generation at a time."""

    def active_generation(self) -> Generation | None:
        """The generation of the stored points, or None before there are any."""
        with self._database.read() as connection:
            return _stored(connection)

    def require_generation(self, wanted: Generation) -> None:
        """Records `wanted` where nothing is recorded yet, and refuses any other from then on.

        Raises:
            FingerprintMismatchError: The stored points were made by another model or recipe.
        """
        with self._database.write() as tx:
            values = {
                "name": wanted.name,
                "fingerprint": wanted.fingerprint,
                "model": wanted.model,
                "dim": wanted.dim,
            }
            tx.execute(_RECORD[tx.dialect.name], values)
            stored = _stored(tx)
        if stored is not None and stored.fingerprint != wanted.fingerprint:
            raise FingerprintMismatchError(
                f"the index was made with model {stored.model} ({stored.dim} dimensions, fingerprint "
                f"{stored.fingerprint[:12]}), and the one configured is {wanted.model} ({wanted.dim} dimensions, "
                f"fingerprint {wanted.fingerprint[:12]}): set model back, or use another data_dir and database and "
                "upload the documents there"
            )


def _stored(connection: Connection) -> Generation | None:
    row = connection.execute(select(generation)).one_or_none()
    return Generation(row.fingerprint, row.model, row.dim, row.name) if row is not None else None
