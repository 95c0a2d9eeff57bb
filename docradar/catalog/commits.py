"""The moment at which a version becomes what search sees."""

from typing import Final

from sqlalchemy import Select, case, func, select, update

from docradar.catalog.changes import hold, lock_document
from docradar.catalog.rows import AnyRow, file_fields_value, report_value
from docradar.catalog.schema import documents
from docradar.catalog.schema import units as unit_rows
from docradar.catalog.sql import NOW
from docradar.catalog.store import Store
from docradar.catalog.transitions import may_have_points
from docradar.documents import DocumentFields, IngestReport, Job, JobState
from docradar.errors import ConflictError

NO_FIELDS: Final = DocumentFields()


class CommitStore(Store):
    """Commits of ingests."""

    def commit_ingest(
        self,
        job: Job,
        *,
        units: int,
        report: IngestReport,
        file_fields: DocumentFields = NO_FIELDS,
    ) -> Job:
        """Makes the job's version the active one and ends the job, in one transaction; then sweeps follow.

        `file_fields` are what the file says of itself. Where the document was deleted, the version superseded or the job asked to stop meanwhile, the version stays unseen: the job ends canceled, with the
        reason, and a sweep removes what it wrote. Look at the returned job's state.

        Raises:
            LeaseLostError: The job is no longer its holder's; nothing changed.
            ConflictError: The catalog does not hold as many units of the version as `units` says.
        """
        with self._database.write() as tx:
            document = lock_document(tx, job.document_id)
            current = hold(tx, job)
            if (reason := obstacle(document, current)) is not None:
                return self._transitions.end_badly(tx, current, JobState.CANCELED, reason)
            written = tx.execute(_count_units(job)).scalar_one()
            if written != units:
                raise ConflictError(
                    f"job {job.id} wrote {written} units of {units}; the attempt must be repeated"
                )
            read = file_fields_value(file_fields)
            values = {
                "active_version": job.version,
                "units": units,
                "container": False,
                "report": report_value(report),
                "warnings": len(report.warnings),
                "file_fields": read,
            }
            if may_have_points(current):
                # By its time the sweep sees that points from before have yet to get the new fields.
                other = documents.c.file_fields != read
                values["updated_at"] = case((other, NOW), else_=documents.c.updated_at)
            tx.execute(update(documents).where(documents.c.id == job.document_id).values(values))
            ended = self._transitions.end(tx, current, JobState.SUCCEEDED)
            self._transitions.sweep_after(tx, current)
            return ended


def obstacle(document: AnyRow | None, job: Job) -> str | None:
    """Why a version that is ready must not become active."""
    if document is None or document.deleted:
        return "the document was deleted"
    if document.desired_version != job.version:
        return f"superseded by version {document.desired_version}"
    if job.cancel_requested:
        return "canceled on request"
    return None


def _count_units(job: Job) -> Select[int]:
    return select(func.count()).where(
        unit_rows.c.document_id == job.document_id, unit_rows.c.version == job.version
    )
