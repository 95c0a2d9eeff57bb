"""Sweeps bring the index, and the catalog's own old rows, after what is active; deletions end in one."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, or_, select, union

from docradar.catalog.changes import drop_blobs, hold, lock_document
from docradar.catalog.documents import DocumentStore, Wanted
from docradar.catalog.rows import AnyRow, content_from, document_from, given_fields_from, place_from
from docradar.catalog.schema import documents, dropped_blobs, jobs, units, versions
from docradar.catalog.sql import LIVE, NOW
from docradar.catalog.transitions import MEMBER_PRIORITY
from docradar.catalog.types import SweepState, UnitPlace
from docradar.documents import DocumentStatus, Job, JobKind, JobState

BLOBS_AT_A_TIME: Final = 100
MEMBERS_AT_A_TIME: Final = 100
JOBS_AT_A_TIME: Final = 1000
JOBS_KEPT_DAYS: Final = 30

_PLACE: Final = (units.c.page, units.c.heading_path, units.c.kind)
_other: Final = units.alias("other")
_later: Final = jobs.alias("later")
_ENDED_LONG_AGO: Final = (
    select(jobs.c.seq)
    .where(
        jobs.c.finished_at < NOW - JOBS_KEPT_DAYS * 24 * 3600 * 1000,
        jobs.c.state.not_in(LIVE),
        or_(
            jobs.c.kind == JobKind.SWEEP.value,
            ~exists().where(documents.c.id == jobs.c.document_id),
            exists().where(
                _later.c.document_id == jobs.c.document_id,
                _later.c.seq > jobs.c.seq,
                _later.c.kind != JobKind.SWEEP.value,
            ),
        ),
    )
    .limit(JOBS_AT_A_TIME)
)


class SweepStore(DocumentStore):
    """What a worker asks and tells while it sweeps, and the reconciler that finds what nobody works on."""

    def sweep_state(self, document_id: str) -> SweepState:
        """What the index may hold of a document.

        Ask after listing the index's points: an ingest writes its units to the catalog before their points, so a point
        that was listed and is not kept is nobody's.
        """
        with self._database.read() as connection:
            row = connection.execute(select(documents).where(documents.c.id == document_id)).one_or_none()
            if row is None or row.deleted:
                return SweepState(None)
            query = select(units.c.unit_id, units.c.version).where(
                units.c.document_id == document_id, units.c.version.in_(_wanted(row))
            )
            found = connection.execute(query).all()
            moved = _moved(connection, row)
        return SweepState(
            document=document_from(row),
            keep=frozenset(unit.unit_id for unit in found),
            active=frozenset(unit.unit_id for unit in found if unit.version == row.active_version),
            moved=moved,
        )

    def finish_sweep(self, job: Job, *, missing_units: int = 0) -> list[str]:
        """Ends an update, deletion or sweep after the index was brought in line; drops rows that are of no more use.

        A deletion drops the document. `missing_units` counts active units that the index lacks: above 0, the document
        is brought in again as a new version of the same content. Returns `removable_blobs`.

        Raises:
            LeaseLostError: The job is no longer its holder's; nothing changed.
        """
        with self._database.write() as tx:
            row = lock_document(tx, job.document_id)
            hold(tx, job)
            if row is not None and row.deleted and job.kind is JobKind.DELETE:
                _drop_versions(tx, row, versions.c.version >= 0)
                tx.execute(delete(documents).where(documents.c.id == row.id))
            elif row is not None and not row.deleted:
                _drop_old_rows(tx, row)
                if missing_units and row.status == DocumentStatus.READY:
                    attempts = self._options.max_attempts
                    self._new_version(tx, row, Wanted(given_fields_from(row), content_from(row), attempts))
            self._transitions.end(tx, job, JobState.SUCCEEDED)
            if job.kind is JobKind.DELETE:
                self._transitions.sweep_after(tx, job)
            return _removable_blobs(tx)

    def delete_members(self, document_id: str) -> int:
        """Makes a job for some of the deleted documents that were taken out of a container and have none; how many.

        Call it again until there are no more.
        """
        orphaned = (
            select(documents.c.id)
            .where(
                documents.c.parent_id == document_id,
                documents.c.deleted.is_(True),
                _without_job(JobKind.DELETE),
            )
            .limit(MEMBERS_AT_A_TIME)
        )
        with self._database.read() as connection:
            ids = list(connection.execute(orphaned).scalars())
        for member_id in ids:
            with self._database.write() as tx:
                row = lock_document(tx, member_id)
                if row is not None and row.deleted and row.parent_id == document_id:
                    self._delete(tx, row, priority=MEMBER_PRIORITY)
        return len(ids)

    def request_sweep(self, document_id: str) -> None:
        """Has a document swept, which may be gone: for who may have left points that the catalog does not know of."""
        with self._database.write() as tx:
            row = lock_document(tx, document_id)
            self._transitions.enqueue(tx, JobKind.SWEEP, document_id, row.desired_version if row else 0)

    def latest_documents(self, limit: int) -> list[str]:
        """Ids of the documents whose jobs were the last ones to succeed; some of them may be gone."""
        latest = (
            select(jobs.c.document_id)
            .where(jobs.c.state == JobState.SUCCEEDED.value)
            .order_by(jobs.c.finished_at.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(dict.fromkeys(connection.execute(latest).scalars()))

    def removable_blobs(self) -> list[str]:
        """Blobs that nothing refers to any more. `forget_blob` each once its file is gone; else they come again."""
        with self._database.write() as tx:
            return _removable_blobs(tx)

    def forget_blob(self, sha256: str) -> None:
        """Takes a removed blob off the list."""
        with self._database.write() as tx:
            tx.execute(delete(dropped_blobs).where(dropped_blobs.c.sha256 == sha256))

    def unreferenced_blobs(self, stored: Sequence[str]) -> list[str]:
        """Those of `stored` that no version refers to."""
        query = union(
            select(versions.c.blob).where(versions.c.blob.in_(stored)),
            select(versions.c.text_blob).where(versions.c.text_blob.in_(stored)),
        )
        with self._database.read() as connection:
            referred = set(connection.execute(query).scalars())
        return [blob for blob in stored if blob not in referred]

    def prune_jobs(self) -> int:
        """Forgets jobs that ended more than `JOBS_KEPT_DAYS` ago, but for each document's latest; returns how many."""
        pruned = 0
        while True:
            with self._database.write() as tx:
                forgotten = tx.execute(delete(jobs).where(jobs.c.seq.in_(_ENDED_LONG_AGO))).rowcount
            pruned += forgotten
            if forgotten < JOBS_AT_A_TIME:
                return pruned

    def reconcile(self) -> int:
        """Makes a job for every document that wants one and has none; returns how many."""
        waiting = {DocumentStatus.PROCESSING: JobKind.INGEST, DocumentStatus.DELETING: JobKind.DELETE}
        found = 0
        for status, kind in waiting.items():
            with self._database.read() as connection:
                stranded = connection.execute(
                    select(documents.c.id).where(documents.c.status == status.value, _without_job(kind))
                ).scalars()
                candidates = list(stranded)
            for document_id in candidates:
                found += self._adopt(document_id, status, kind)
        return found

    def _adopt(self, document_id: str, status: DocumentStatus, kind: JobKind) -> bool:
        with self._database.write() as tx:
            row = lock_document(tx, document_id)
            still = select(documents.c.id).where(
                documents.c.id == document_id, documents.c.status == status.value, _without_job(kind)
            )
            if row is None or tx.execute(still).one_or_none() is None:
                return False
            options = {"max_attempts": self._options.max_attempts} if kind is JobKind.INGEST else {}
            if row.parent_id is not None:
                options["priority"] = MEMBER_PRIORITY
            self._transitions.enqueue(tx, kind, document_id, row.desired_version, **options)
            return True


def _wanted(row: AnyRow) -> list[int]:
    """Versions whose units count: the active one, and the desired one unless it came to a bad end."""
    wanted = {row.active_version}
    if row.ended_version != row.desired_version:
        wanted.add(row.desired_version)
    return [version for version in wanted if version is not None]


def _moved(connection: Connection, row: AnyRow) -> dict[UnitPlace, set[str]]:
    """Units that stand elsewhere in one version than in another, by where they stand in the one that counts.

    A unit's point has the place of some version whose rows are there still: they are dropped after the sweep.
    """
    query: Select[Any] = (
        select(units.c.unit_id, units.c.version, *_PLACE)
        .join(_other, and_(_other.c.document_id == units.c.document_id, _other.c.unit_id == units.c.unit_id))
        .where(
            units.c.document_id == row.id,
            units.c.version.in_(_wanted(row)),
            or_(*[column.is_distinct_from(_other.c[column.name]) for column in _PLACE]),
        )
    )
    places: dict[str, UnitPlace] = {}
    for unit in connection.execute(query):
        if unit.version == row.active_version or unit.unit_id not in places:
            places[unit.unit_id] = place_from(unit)
    moved: dict[UnitPlace, set[str]] = {}
    for unit_id, place in places.items():
        moved.setdefault(place, set()).add(unit_id)
    return moved


def _drop_old_rows(tx: Connection, row: AnyRow) -> None:
    tx.execute(delete(units).where(units.c.document_id == row.id, units.c.version.not_in(_wanted(row))))
    # The desired version stays whatever became of it: a retry needs its content.
    _drop_versions(
        tx, row, versions.c.version.not_in([row.desired_version, row.active_version or row.desired_version])
    )


def _drop_versions(tx: Connection, row: AnyRow, which: ColumnElement[bool]) -> None:
    dropped = tx.execute(
        delete(versions)
        .where(versions.c.document_id == row.id, which)
        .returning(versions.c.blob, versions.c.text_blob)
    ).all()
    drop_blobs(tx, [blob for version in dropped for blob in version])


def _removable_blobs(tx: Connection) -> list[str]:
    referred = exists().where(
        or_(versions.c.blob == dropped_blobs.c.sha256, versions.c.text_blob == dropped_blobs.c.sha256)
    )
    tx.execute(delete(dropped_blobs).where(referred))
    oldest = select(dropped_blobs.c.sha256).order_by(dropped_blobs.c.dropped_at).limit(BLOBS_AT_A_TIME)
    return list(tx.execute(oldest).scalars())


def _without_job(kind: JobKind) -> ColumnElement[bool]:
    return ~exists().where(
        jobs.c.document_id == documents.c.id, jobs.c.kind == kind.value, jobs.c.state.in_(LIVE)
    )
