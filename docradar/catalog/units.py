"""Units: the text that search results are made from."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, and_, bindparam, delete, or_, select, update

from docradar.catalog import cursors
from docradar.catalog.changes import drop_blobs, hold
from docradar.catalog.rows import (
    DOCUMENT_COLUMNS,
    UNIT_COLUMNS,
    document_from,
    unit_from,
    unit_values,
)
from docradar.catalog.schema import documents, jobs, units, versions
from docradar.catalog.sql import LIVE, insert_or_ignore
from docradar.catalog.store import Store
from docradar.catalog.types import HydratedUnit, UnitRange
from docradar.documents import Document, Job, JobKind, Unit

# A document that is deleted has no active version.
_ACTIVE: Final = and_(units.c.document_id == documents.c.id, units.c.version == documents.c.active_version)
_ADD_UNITS: Final = insert_or_ignore(units)
_CLEAR: Final = delete(units).where(
    units.c.document_id == bindparam("document"), units.c.version == bindparam("its_version")
)
_THIS_VERSION: Final = and_(
    versions.c.document_id == bindparam("document"), versions.c.version == bindparam("its_version")
)
_TEXT_BLOB: Final = select(versions.c.text_blob).where(_THIS_VERSION)
_SET_TEXT_BLOB: Final = update(versions).where(_THIS_VERSION)
_HYDRATE: Final = (
    select(*UNIT_COLUMNS, *DOCUMENT_COLUMNS)
    .join_from(units, documents, _ACTIVE)
    .where(units.c.unit_id.in_(bindparam("unit_ids", expanding=True)))
)


RANGES_A_QUERY: Final = 200
"""SQLite takes no expression nested more than 1,000 deep, and every further range is a level."""


def _units_within(ranges: Sequence[UnitRange]) -> Select[Any]:
    within = (
        and_(
            units.c.document_id == wanted.document_id,
            units.c.version == wanted.version,
            units.c.ordinal.between(wanted.first, wanted.last),
        )
        for wanted in ranges
    )
    return select(units.c.document_id, units.c.version, *UNIT_COLUMNS).where(or_(*within))


class UnitStore(Store):
    """A version's units are written by its job, and seen once the job has committed."""

    def begin_units(self, job: Job, *, text_blob: str) -> None:
        """Clears what an earlier attempt at the job's version wrote, and records the text that the units to come lie in.

        The text is dropped with the version, whether that becomes active or not.

        Raises:
            LeaseLostError: The job is no longer its holder's.
        """
        version = {"document": job.document_id, "its_version": job.version}
        with self._database.write() as tx:
            hold(tx, job)
            tx.execute(_CLEAR, version)
            former = tx.execute(_TEXT_BLOB, version).scalar()
            if former != text_blob:
                tx.execute(_SET_TEXT_BLOB, version | {"text_blob": text_blob})
                drop_blobs(tx, [former])

    def write_units(self, job: Job, batch: Sequence[Unit]) -> None:
        """Adds units to the job's version. A batch written twice is there once.

        Raises:
            LeaseLostError: The job is no longer its holder's; nothing was written.
        """
        rows = [unit_values(job.document_id, job.version, unit) for unit in batch]
        with self._database.write() as tx:
            hold(tx, job)
            if rows:
                tx.execute(_ADD_UNITS[tx.dialect.name], rows)

    def unit_ids(self, document_id: str, version: int) -> list[str]:
        """Ids of a version's units, in their order."""
        query = (
            select(units.c.unit_id)
            .where(units.c.document_id == document_id, units.c.version == version)
            .order_by(units.c.ordinal)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def document_units(
        self, document_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[list[Unit], str | None]:
        """Units of the active version in their order, and the cursor of the next page where there is one.

        A document that is not there, or not yet read, has none.

        Raises:
            InvalidRequestError: The cursor is not one of this list's.
        """
        after = cursors.decode("units", cursor) if cursor is not None else -1
        query = (
            select(*UNIT_COLUMNS)
            .join_from(units, documents, _ACTIVE)
            .where(documents.c.id == document_id, units.c.ordinal > after)
            .order_by(units.c.ordinal)
            .limit(limit + 1)
        )
        with self._database.read() as connection:
            found = [unit_from(row) for row in connection.execute(query)]
        more = cursors.encode("units", found[limit - 1].ordinal) if len(found) > limit else None
        return found[:limit], more

    def hydrate(self, unit_ids: Sequence[str]) -> dict[str, HydratedUnit]:
        """Those of the units that search may return: of active versions of documents not deleted.

        One query. The ids come from the index, which may hold points that the catalog no longer knows, or that an
        unfinished job has put there.
        """
        decoded: dict[str, Document] = {}
        hydrated: dict[str, HydratedUnit] = {}
        with self._database.read() as connection:
            for row in connection.execute(_HYDRATE, {"unit_ids": unit_ids}):
                document = decoded.get(row.id) or decoded.setdefault(row.id, document_from(row))
                hydrated[row.unit_id] = HydratedUnit(unit_from(row), document)
        return hydrated

    def units_in(self, ranges: Sequence[UnitRange]) -> list[list[Unit]]:
        """The units of each range, in their order; a version that was dropped meanwhile has none."""
        distinct = list(dict.fromkeys(ranges))
        found: dict[tuple[str, int, int], Unit] = {}
        with self._database.read() as connection:
            for first in range(0, len(distinct), RANGES_A_QUERY):
                query = _units_within(distinct[first : first + RANGES_A_QUERY])
                for row in connection.execute(query):
                    found[row.document_id, row.version, row.ordinal] = unit_from(row)
        return [
            [
                found[place]
                for ordinal in range(wanted.first, wanted.last + 1)
                if (place := (wanted.document_id, wanted.version, ordinal)) in found
            ]
            for wanted in ranges
        ]

    def sample_units(self, limit: int) -> list[tuple[Unit, str]]:
        """Units that search may return, each with its document's id: those of the lowest ids, which are hashes, so that they
        are a fair sample of all."""
        query = (
            select(units.c.document_id, *UNIT_COLUMNS)
            .join_from(units, documents, _ACTIVE)
            .order_by(units.c.unit_id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [(unit_from(row), row.document_id) for row in connection.execute(query)]

    def documents_coming_in(self) -> list[str]:
        """Documents that the index may hold points of though no version of them is active yet."""
        query = (
            select(documents.c.id)
            .join(jobs, jobs.c.document_id == documents.c.id)
            .where(
                jobs.c.state.in_(LIVE),
                jobs.c.kind == JobKind.INGEST.value,
                jobs.c.fence > 0,
                documents.c.active_version.is_(None),
            )
            .distinct()
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())
