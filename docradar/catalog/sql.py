"""SQL that SQLite and PostgreSQL spell differently, and constants that must stand in it literally."""

from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

# Partial indexes are used only where the query repeats their condition word for word, not through a parameter.
QUEUED: Final[ColumnElement[str]] = literal_column("'queued'")
RUNNING: Final[ColumnElement[str]] = literal_column("'running'")
LIVE: Final = (QUEUED, RUNNING)


class _NowMs(FunctionElement[int]):
    type = BigInteger()
    inherit_cache = True


@compiles(_NowMs, "sqlite")
def _now_on_sqlite(_element: _NowMs, _compiler: SQLCompiler, **_: Any) -> str:
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"


@compiles(_NowMs, "postgresql")
def _now_on_postgresql(_element: _NowMs, _compiler: SQLCompiler, **_: Any) -> str:
    # Not clock_timestamp(), which is volatile and so keeps an index from being used.
    return "CAST(EXTRACT(EPOCH FROM statement_timestamp()) * 1000 AS BIGINT)"


NOW: Final = _NowMs()
"""The database's clock in milliseconds since 1970, constant within a statement."""


def insert_or_ignore(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert that does nothing where it would break a unique index."""
    insert = postgresql.insert if tx.dialect.name == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing()
