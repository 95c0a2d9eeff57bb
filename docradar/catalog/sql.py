"""SQL that SQLite and PostgreSQL spell differently, and constants that must stand in it literally.

Statements are built once, as module constants, and executed with parameters: building one takes ten times as long as
running it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Executable, Table, literal_column
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


_INSERTS: Final = (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))


def insert_or_ignore(
    table: Table, returning: Sequence[ColumnElement[Any]] = (), **values: object
) -> Mapping[str, Executable]:
    """By name of dialect, an insert that does nothing where it would break a unique index.

    Columns not in `values` come from the parameters it is executed with.
    """
    statements: dict[str, Executable] = {}
    for name, insert in _INSERTS:
        statement = insert(table).values(**values) if values else insert(table)
        statement = statement.on_conflict_do_nothing()
        statements[name] = statement.returning(*returning) if returning else statement
    return statements


def insert_or_replace(table: Table, keep: Sequence[str] = (), **values: object) -> Mapping[str, Executable]:
    """By name of dialect, an insert that replaces the row of the same primary key, but for the columns in `keep`.

    Columns not in `values` come from the parameters it is executed with.
    """
    statements: dict[str, Executable] = {}
    for name, insert in _INSERTS:
        statement = insert(table).values(**values)
        replaced = {
            column.name: statement.excluded[column.name]
            for column in table.c
            if not column.primary_key and column.name not in keep
        }
        statements[name] = statement.on_conflict_do_update(index_elements=table.primary_key, set_=replaced)
    return statements
