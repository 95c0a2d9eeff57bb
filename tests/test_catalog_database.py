"""Opening, migrating, and what is said when the database is away, full, foreign or too new."""

import multiprocessing
import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from docradar.catalog import Catalog, QueueOptions
from docradar.catalog.database import Database
from docradar.catalog.schema import REVISION, metadata
from docradar.documents import DocumentStatus
from docradar.errors import ConfigurationError, UnavailableError
from docradar.settings import Settings
from tests.catalogs import claim, commit, put, unit
from tests.postgres import PostgresServer


def test_migrations_make_the_schema_that_the_code_expects(database_url: str) -> None:
    database = Database.open(database_url)
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        indexes = "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%WHERE%'"
        if not database.is_postgresql:
            indexes = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'"
        assert connection.execute(text(indexes)).scalar() == 10
    database.close()


def test_revision_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(sys.modules["docradar.catalog"].__path__[0]) / "migrations"))
    assert scripts.get_current_head() == REVISION


def test_opening_again_keeps_what_is_there(database_url: str) -> None:
    catalog = Catalog.open(database_url)
    document = put(catalog).document
    catalog.close()
    again = Catalog.open(database_url)
    assert again.get_document(document.id) == document
    again.close()


def test_an_up_to_date_catalog_opens_without_alembic(sqlite_url: str) -> None:
    program = (
        "import sys; from docradar.catalog import Catalog; Catalog.open(sys.argv[1]).close();"
        "sys.exit(bool({'alembic', 'psycopg'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program, sqlite_url], check=False).returncode == 0


def test_newer_schema_is_refused(database_url: str) -> None:
    database = Database.open(database_url)
    with database.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(ConfigurationError, match=r"schema 9999.*start the newer docradar"):
        Catalog.open(database_url)


def _open_new(url: str) -> None:
    Catalog.open(url).close()


def test_processes_that_open_a_new_catalog_at_once_all_get_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'catalog.sqlite3'}"
    processes = [
        multiprocessing.get_context("spawn").Process(target=_open_new, args=(url,)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    Catalog.open(url).close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("not a url", "not a URL"),
        ("mysql://host/db", "names mysql"),
        ("sqlite://", "must name a file"),
        ("sqlite:////proc/nowhere/catalog.sqlite3", "cannot be made"),
    ],
)
def test_unusable_urls_are_refused(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Catalog.open(url)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite3").write_text("hello, this is no database" * 100)
    with pytest.raises(UnavailableError, match=r"catalog.sqlite3.*not a database; restore"):
        Catalog.open(f"sqlite:///{tmp_path / 'catalog.sqlite3'}")


def test_unreachable_server_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cannot be used now") as raised:
        Catalog.open(f"postgresql://user:secret@/db?host={tmp_path}")
    assert "secret" not in str(raised.value)


def test_postgres_that_vanishes_from_the_network_is_noticed(postgres_url: str) -> None:
    for url, seconds in ((postgres_url, "10"), (f"{postgres_url}&connect_timeout=3", "3")):
        database = Database.open(url)
        with database.read() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            used = driver.info.get_parameters()
        assert (used["connect_timeout"], used["keepalives_idle"]) == (seconds, "30")
        assert f"connect_timeout={seconds}" in database.libpq_url
        assert "keepalives" not in str(database)
        database.close()


def test_postgres_restarted_under_us_is_unavailable_and_then_back(
    postgres_url: str, postgres_server: PostgresServer
) -> None:
    with closing(Catalog.open(postgres_url, QueueOptions(lease_seconds=60))) as catalog:
        put(catalog)
        job = claim(catalog)
        catalog.wait_for_work(0)
        postgres_server.stop(kill=True)
        with pytest.raises(UnavailableError):
            catalog.get_job(job.id)
        for _ in range(3):
            catalog.wait_for_work(0.05)
        postgres_server.resume()
        assert commit(catalog, job, [unit(0)]).state == "succeeded"
        catalog.wait_for_work(0.05)


def _fill_up(url: str) -> None:
    """Lets no file grow past 1 MB, as a full disk would, and exits with 0 if that is told as it should be."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    catalog = Catalog.open(url)
    put(catalog)
    job = claim(catalog)
    try:
        for start in range(0, 100_000, 100):
            catalog.write_units(job, [unit(start + i, text="x" * 500) for i in range(100)])
    except UnavailableError as error:
        os._exit(0 if "catalog.sqlite3" in str(error) else 3)
    os._exit(4)


def test_a_disk_that_is_full_is_told(sqlite_url: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_fill_up, args=(sqlite_url,))
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_sqlite_keeps_its_promises_of_durability(sqlite_url: str) -> None:
    database = Database.open(sqlite_url)
    with database.write() as tx:
        pragmas = {
            name: tx.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with database.read() as connection, pytest.raises(Exception, match="readonly"):
        connection.execute(text("DELETE FROM documents"))
    database.close()


def test_readers_do_not_wait_for_a_writer(sqlite_url: str) -> None:
    catalog = Catalog.open(sqlite_url)
    document = put(catalog).document
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE documents SET title = 'uncommitted'")
    assert catalog.get_document(document.id) == document
    other.execute("ROLLBACK")
    other.close()
    catalog.close()


def test_frequent_statements_use_their_indexes(sqlite_url: str) -> None:
    """SQLite's plans; PostgreSQL's depend on what is in the tables."""
    statements: list[tuple[str, tuple[object, ...]]] = []
    with closing(Catalog.open(sqlite_url)) as catalog:
        for engine in (catalog._database._writer, catalog._database._reader):
            event.listen(engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
        catalog.claim("w", 3)
        catalog.reap()
        catalog.hydrate(["x"])
        catalog.collections()
        catalog.list_documents(status=DocumentStatus.FAILED)
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        plans = "\n".join(
            step[3]
            for statement, parameters in statements
            for step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        )
    for index in (
        "jobs USING INDEX ix_jobs_claim",
        "other USING INDEX ix_jobs_document",
        "jobs USING INDEX ix_jobs_lease",
        "units USING INDEX ix_units_unit_id",
        "documents USING COVERING INDEX ix_documents_totals",
        "documents USING INDEX ix_documents_status",
    ):
        assert index in plans, plans


def test_options_come_from_the_settings() -> None:
    options = QueueOptions.from_settings(Settings(lease_seconds=30, retry_backoff_seconds=5, job_attempts=7))
    assert (options.lease_seconds, options.backoff_seconds, options.max_attempts) == (30, 5, 7)
