"""What all parts of the catalog stand on."""

from docradar.catalog.database import Database
from docradar.catalog.transitions import Transitions
from docradar.catalog.types import QueueOptions
from docradar.catalog.wakeup import Wakeup


class Store:
    """The database, and the rules by which jobs change. Safe to use from any thread."""

    def __init__(self, database: Database, wakeup: Wakeup, options: QueueOptions) -> None:
        self._database = database
        self._wakeup = wakeup
        self._options = options
        self._transitions = Transitions(options, wakeup)
