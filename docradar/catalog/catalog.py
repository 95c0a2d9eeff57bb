"""All of the catalog behind one name."""

from docradar.catalog import migrate
from docradar.catalog.calibrations import CalibrationStore
from docradar.catalog.collections import CollectionStore
from docradar.catalog.commits import CommitStore
from docradar.catalog.containers import ContainerStore
from docradar.catalog.database import Database
from docradar.catalog.generations import GenerationStore
from docradar.catalog.jobs import JobStore
from docradar.catalog.overview import OverviewStore
from docradar.catalog.queue import QueueStore
from docradar.catalog.settlements import SettlementStore
from docradar.catalog.sweeps import SweepStore
from docradar.catalog.types import QueueOptions
from docradar.catalog.units import UnitStore
from docradar.catalog.wakeup import open_wakeup


class Catalog(
    ContainerStore,
    SettlementStore,
    SweepStore,
    UnitStore,
    CommitStore,
    QueueStore,
    JobStore,
    CollectionStore,
    OverviewStore,
    GenerationStore,
    CalibrationStore,
):
    """Documents, versions, units and jobs in one SQLite file or PostgreSQL database."""

    @classmethod
    def open(cls, url: str, options: QueueOptions | None = None) -> "Catalog":
        """Opens the catalog at a `sqlite:///` or `postgresql://` URL, its schema brought up to date.

        Raises:
            ConfigurationError: The URL cannot be used, or a newer docradar has made the schema.
            UnavailableError: The database cannot be reached.
        """
        database = Database.open(url)
        try:
            migrate.upgrade(database)
        except BaseException:
            database.close()
            raise
        return cls(database, open_wakeup(database), options or QueueOptions())

    def close(self) -> None:
        """Closes all connections and ends a `wait_for_work` in progress."""
        self._wakeup.close()
        self._database.close()
