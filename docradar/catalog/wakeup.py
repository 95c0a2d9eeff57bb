"""How a waiting worker learns that there is a job, sooner than by asking again and again."""

import contextlib
import os
import select
import threading
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import Connection, text

from docradar.catalog.database import Database

if TYPE_CHECKING:
    import psycopg

CHANNEL: Final = "docradar_jobs"

_NOTIFY: Final = text(f"SELECT pg_notify('{CHANNEL}', '')")


class Wakeup(Protocol):
    """`announce` is called inside the transaction that makes a job; `wake` by whoever wants `wait` to return."""

    def announce(self, tx: Connection) -> None: ...

    def wake(self) -> None: ...

    def wait(self, timeout_seconds: float) -> None:
        """Returns when something was announced or woken since the last wait, or after the time-out."""
        ...

    def close(self) -> None: ...


def open_wakeup(database: Database) -> Wakeup:
    return NotifyWakeup(database) if database.is_postgresql else LocalWakeup()


class LocalWakeup:
    """Within this process; a SQLite file announces nothing to others, who find the job when they next ask."""

    def __init__(self) -> None:
        self._announced = threading.Event()

    def announce(self, tx: Connection) -> None:  # noqa: ARG002
        # Before the commit, but nobody is too early: to claim, a thread needs the one writing connection we hold.
        self._announced.set()

    def wake(self) -> None:
        self._announced.set()

    def wait(self, timeout_seconds: float) -> None:
        if self._announced.wait(timeout_seconds):
            self._announced.clear()

    def close(self) -> None:
        self._announced.set()


class NotifyWakeup:
    """LISTEN and NOTIFY, between all processes on the database. `wake` reaches this process only."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._listener: psycopg.Connection | None = None
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    def announce(self, tx: Connection) -> None:
        tx.execute(_NOTIFY)

    def wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full of calls that nobody has heard yet
            os.write(self._waker, b"!")

    def wait(self, timeout_seconds: float) -> None:
        if not self._lock.acquire(timeout=timeout_seconds):
            return
        try:
            self._wait(timeout_seconds)
        finally:
            self._lock.release()

    def close(self) -> None:
        self.wake()
        with self._lock:
            self._drop_listener()
            os.close(self._woken)
            os.close(self._waker)

    def _wait(self, timeout_seconds: float) -> None:
        if self._listener is None and self._listen():
            return  # what was announced before we listened is heard of nowhere else
        sources = [self._woken] if self._listener is None else [self._woken, self._listener.fileno()]
        ready, _, _ = select.select(sources, [], [], timeout_seconds)
        if self._woken in ready:
            os.read(self._woken, 65536)
        if self._listener is not None and self._listener.fileno() in ready:
            self._hear(self._listener)

    def _listen(self) -> bool:
        """Connects; while the database is away, waiting is all there is to do."""
        import psycopg

        try:
            self._listener = psycopg.connect(self._database.libpq_url, autocommit=True)
            self._listener.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error:
            self._drop_listener()
        return self._listener is not None

    def _hear(self, listener: "psycopg.Connection") -> None:
        """Takes what was announced off the connection; one that has died is replaced at the next wait."""
        import psycopg

        try:
            for _ in listener.notifies(timeout=0):
                pass
        except psycopg.Error:
            self._drop_listener()

    def _drop_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
