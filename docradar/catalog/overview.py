"""How much there is of everything."""

from sqlalchemy import func, or_, select

from docradar.catalog.rows import AnyRow
from docradar.catalog.schema import documents, jobs
from docradar.catalog.sql import LIVE
from docradar.catalog.store import Store
from docradar.catalog.types import CatalogCounts, CollectionInfo
from docradar.documents import DocumentStatus, JobState


class OverviewStore(Store):
    """Sums over indexes."""

    def collections(self) -> list[CollectionInfo]:
        """All collections that hold a document not deleted, by name. Containers do not count; their documents do.

        What was a document, and is not yet the container that was uploaded in its place, counts while search sees it.
        """
        query = (
            select(
                documents.c.collection,
                documents.c.source,
                func.count().label("documents"),
                func.sum(documents.c.units).label("units"),
            )
            .where(
                documents.c.deleted.is_(False),
                or_(documents.c.container.is_(False), documents.c.units > 0),
            )
            .group_by(documents.c.collection, documents.c.source)
        )
        by_name: dict[str, list[AnyRow]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                by_name.setdefault(row.collection, []).append(row)
        return [
            CollectionInfo(
                name,
                sum(row.documents for row in sources),
                sum(row.units for row in sources),
                tuple(sorted(row.source for row in sources)),
            )
            for name, sources in sorted(by_name.items())
        ]

    def counts(self) -> CatalogCounts:
        """Documents by status, and live jobs by state."""
        by_status = select(documents.c.status, func.count()).group_by(documents.c.status)
        by_state = select(jobs.c.state, func.count()).where(jobs.c.state.in_(LIVE)).group_by(jobs.c.state)
        with self._database.read() as connection:
            return CatalogCounts(
                {DocumentStatus(status): count for status, count in connection.execute(by_status)},
                {JobState(state): count for state, count in connection.execute(by_state)},
            )
