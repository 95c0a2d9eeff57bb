"""Connections to SQLite or PostgreSQL, behind one pair of verbs: `read` and `write`.

On SQLite one connection a process writes, and waits its turn in the database file; readers have connections of
their own and never wait for a writer (write-ahead log).
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InvalidatePoolError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool

from docradar.errors import ConfigurationError, OverloadedError, UnavailableError

BUSY_SECONDS: Final = 60
"""How long a writer waits for the others before it gives up."""

REST_SECONDS: Final = 1.0
"""A connection that was not used for this long is tried before it is used again."""

LIBPQ_OPTIONS: Final = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""So that a server that has vanished from the network is noticed; a URL's own options come before these."""

_POSTGRESQL_NAMES: Final = ("postgresql", "postgres", "postgresql+psycopg")


class Database:
    """The two engines of a catalog, and what their errors mean."""

    def __init__(self, url: URL, reader: Engine, writer: Engine) -> None:
        self.url = url
        self._reader = reader
        self._writer = writer

    @classmethod
    def open(cls, url: str) -> "Database":
        """Connects lazily; makes the folder of a SQLite file.

        Raises:
            ConfigurationError: `url` is neither a SQLite file's nor a PostgreSQL database's.
        """
        parsed = _parse(url)
        if parsed.drivername == "sqlite":
            return cls(parsed, *_sqlite_engines(parsed))
        engine = create_engine(_with_options(parsed), pool_size=8, max_overflow=24)
        event.listen(engine, "checkin", _note_time)
        event.listen(engine, "checkout", _ping_after_rest)
        return cls(parsed, engine.execution_options(isolation_level="AUTOCOMMIT"), engine)

    @property
    def is_postgresql(self) -> bool:
        return self._writer.dialect.name == "postgresql"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for queries; each sees what was committed when it began."""
        with self._translated(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, committed at the end of the block, rolled back on any exception. Does not nest.

        Raises:
            UnavailableError: The database is gone, full, or busy for longer than `BUSY_SECONDS`.
        """
        with self._translated(), self._writer.begin() as connection:
            yield connection

    @property
    def libpq_url(self) -> str:
        """The URL for PostgreSQL's own library, password included."""
        return _with_options(self.url).set(drivername="postgresql").render_as_string(hide_password=False)

    def close(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

    def __str__(self) -> str:
        """The URL, without its password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DataError, IntegrityError, ProgrammingError):
            raise  # not the database's state, but what we said to it
        except PoolTimeoutError as error:
            raise OverloadedError(f"no connection to the catalog became free in {BUSY_SECONDS} s") from error
        except DBAPIError as error:
            raise UnavailableError(f"the catalog {self} cannot be used now: {_reason(error)}") from error


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "setting database is not a URL; give sqlite:///path/to/file or postgresql://user:password@host/name"
        ) from error
    if parsed.drivername in _POSTGRESQL_NAMES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "sqlite":
        raise ConfigurationError(
            f"setting database names {parsed.drivername}; the catalog runs on sqlite and postgresql"
        )
    if parsed.database in (None, "", ":memory:"):
        raise ConfigurationError("setting database must name a file: sqlite:///path/to/catalog.sqlite3")
    return parsed


def _with_options(url: URL) -> URL:
    return url.set(query=LIBPQ_OPTIONS | dict(url.query))


def _note_time(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info["returned"] = time.monotonic()


def _ping_after_rest(connection: Any, entry: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
    """Finds connections that have died in the pool, without a round trip at every use of a busy one."""
    if time.monotonic() - entry.info.get("returned", math.inf) < REST_SECONDS:
        return
    import psycopg

    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.Error as error:
        raise InvalidatePoolError from error  # all others have died with it


def _sqlite_engines(url: URL) -> tuple[Engine, Engine]:
    folder = Path(url.database or "").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"folder {folder} of the catalog cannot be made: {error.strerror}; set data_dir to one that can"
        ) from error
    # isolation_level None: the driver begins no transaction behind our back.
    arguments = {"isolation_level": None, "timeout": BUSY_SECONDS, "check_same_thread": False}
    reader = create_engine(url, connect_args=arguments, poolclass=QueuePool, pool_size=8, max_overflow=24)
    # A pool of one is the lock that lets this process write through one connection at a time.
    writer = create_engine(
        url,
        connect_args=arguments,
        poolclass=QueuePool,
        pool_size=1,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
    )
    event.listen(reader, "connect", _prepare_reader)
    event.listen(writer, "connect", _prepare_writer)
    event.listen(writer, "begin", _begin_immediate)
    return reader, writer


def _prepare_reader(connection: Any, _entry: ConnectionPoolEntry) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA mmap_size = 268435456")


def _prepare_writer(connection: Any, _entry: ConnectionPoolEntry) -> None:
    _switch_to_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _switch_to_wal(connection: Any) -> None:
    """Several processes may be switching a new file at once, and SQLite does not make them wait for each other."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_immediate(connection: Connection) -> None:
    # A transaction that first reads and then wants to write would fail at once where another writer came between.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _reason(error: DBAPIError) -> str:
    text = str(error.orig).strip()
    if "disk is full" in text or "No space left" in text:
        return f"{text}; make room on its disk"
    if "unable to open database file" in text or "readonly" in text:
        return f"{text}; check that its folder exists and can be written"
    if "not a database" in text or "malformed" in text:
        return f"{text}; restore the file from a backup, or move it away to start an empty catalog"
    return text
