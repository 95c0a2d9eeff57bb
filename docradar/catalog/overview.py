"""How much there is of everything."""

from sqlalchemy import func, select

from docradar.catalog.schema import documents, jobs
from docradar.catalog.sql import LIVE
from docradar.catalog.store import Store
from docradar.catalog.types import CatalogCounts
from docradar.documents import DocumentStatus, JobState


class OverviewStore(Store):
    """Sums over indexes."""

    def counts(self) -> CatalogCounts:
        """Documents by status, and live jobs by state."""
        by_status = select(documents.c.status, func.count()).group_by(documents.c.status)
        by_state = select(jobs.c.state, func.count()).where(jobs.c.state.in_(LIVE)).group_by(jobs.c.state)
        with self._database.read() as connection:
            return CatalogCounts(
                {DocumentStatus(status): count for status, count in connection.execute(by_status)},
                {JobState(state): count for state, count in connection.execute(by_state)},
            )
