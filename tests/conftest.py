"""Fixtures for everybody. A test that takes `database_url` runs once on SQLite and once on PostgreSQL."""

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from docradar.catalog import Catalog, QueueOptions
from tests.postgres import SETUP, PostgresServer, binaries
from tests.processes import launcher  # noqa: F401  (a fixture for everybody, too)

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole session. Skips where none is installed, but not on CI."""
    if binaries() is None:
        reason = f"PostgreSQL is not installed; run: {SETUP}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    server = PostgresServer.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: PostgresServer) -> str:
    postgres_server.execute("CREATE DATABASE template_catalog")
    Catalog.open(postgres_server.url("template_catalog")).close()
    return "template_catalog"


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "catalog.sqlite3"
    Catalog.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, _postgres_template: str) -> Iterator[str]:
    """A PostgreSQL database with the schema and nothing in it."""
    name = f"test_{next(_numbers)}"
    postgres_server.execute(f"CREATE DATABASE {name} TEMPLATE {_postgres_template}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """A SQLite catalog with the schema and nothing in it."""
    shutil.copy(_sqlite_template, tmp_path / "catalog.sqlite3")
    return f"sqlite:///{tmp_path / 'catalog.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty catalog on each kind of database."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    """An empty catalog whose leases and waits are short."""
    opened = Catalog.open(database_url, QueueOptions(lease_seconds=0.2, backoff_seconds=0.05))
    yield opened
    opened.close()
