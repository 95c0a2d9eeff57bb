"""Brings a catalog's schema up to this version of docradar."""

from typing import Final

from sqlalchemy import Connection, inspect, text

from docradar.catalog.database import Database
from docradar.catalog.schema import REVISION
from docradar.errors import ConfigurationError

_ADVISORY_LOCK: Final = 0x646F6372  # "docr"


def upgrade(database: Database) -> None:
    """Runs the migrations that are missing; of several processes that open a catalog at once, one does it.

    Raises:
        ConfigurationError: A newer docradar has made the schema.
    """
    with database.read() as connection:
        if _revision(database, connection) == REVISION:
            return
    # On SQLite the writing transaction itself is the lock.
    with database.write() as tx:
        if database.is_postgresql:
            tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        if _revision(database, tx) != REVISION:
            _run_alembic(tx)


def _revision(database: Database, connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision > REVISION:
        raise ConfigurationError(
            f"the catalog {database} has schema {revision}, and this docradar knows only {REVISION}: "
            "start the newer docradar that made it, or restore a backup from before"
        )
    return revision


def _run_alembic(tx: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "docradar.catalog:migrations")
    config.attributes["connection"] = tx
    command.upgrade(config, "head")
