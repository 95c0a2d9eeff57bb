"""A job's story after the first byte was sent: whatever happens, it ends with an event."""

import json
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import make_url

from docradar.catalog import Catalog
from docradar.documents import JobKind
from service.jobs import story
from tests.catalogs import put, sweep_due
from tests.postgres import PostgresServer


async def next_event(events: AsyncIterator[str]) -> tuple[str, Any]:
    """Name and content of the next event."""
    lines = dict(line.split(": ", 1) for line in (await anext(events)).strip().splitlines())
    return lines["event"], json.loads(lines["data"])


async def test_a_sweep_that_is_gone_has_succeeded(catalog: Catalog) -> None:
    queued = put(catalog).job
    catalog.cancel_job(queued.id)
    catalog.request_sweep(queued.document_id)
    [sweep] = catalog.list_jobs(kind=JobKind.SWEEP)[0]
    events = story(catalog, sweep, 0, {})  # type: ignore[typeddict-item]
    assert (await next_event(events))[0] == "progress"
    sweep_due(catalog)
    name, content = await next_event(events)
    assert (name, content["id"], content["state"]) == ("end", sweep.id, "succeeded")
    assert [event async for event in events] == []


async def test_the_catalog_goes_away_in_the_middle(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    catalog = Catalog.open(postgres_url)
    try:
        events = story(catalog, put(catalog).job, 0, {})  # type: ignore[typeddict-item]
        assert (await next_event(events))[0] == "progress"
        database = make_url(postgres_url).database
        postgres_server.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        postgres_server.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
        )
        name, problem = await next_event(events)
        assert (name, problem["status"], problem["code"]) == ("error", 503, "unavailable")
        assert "catalog" in problem["detail"]
        assert problem["request_id"]
        assert [event async for event in events] == []
    finally:
        catalog.close()


async def test_a_job_that_is_not_there_any_more_is_an_error(catalog: Catalog) -> None:
    job = put(catalog).job
    with catalog._database.write() as tx:
        tx.exec_driver_sql("DELETE FROM jobs")
    name, problem = await next_event(story(catalog, job, 0, {}))  # type: ignore[typeddict-item]
    assert (name, problem["code"]) == ("error", "not_found")
