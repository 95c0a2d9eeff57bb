"""`make demo`: reads samples/ into the data folder, asks four questions, and prints what is found."""

import asyncio
import time
from pathlib import Path
from typing import Final

import click

from docradar.client import AsyncClient, Job, Query, UploadFields
from docradar.client.files import files_of
from docradar.settings import load_settings
from service.connection import connect
from service.ingest_command import progress_bar, upload_all, watch_jobs
from service.logs import configure_logging
from service.search_command import result_lines

SAMPLES: Final = Path(__file__).parent.parent / "samples"
SOURCES: Final = ("prd", "faq", "runbook", "notes", "handbook")

QUESTIONS: Final[tuple[Query, ...]] = (
    {"query": "支付超时怎么办", "limit": 3},
    {"query": "How long does it take until I get my money back?", "limit": 3},
    {"query": "what may a hotel night cost on a business trip", "limit": 3},
    {
        "query": "how quickly are merchants told about a data breach",
        "limit": 3,
        "filter": {"source": ["runbook"]},
    },
)


async def main() -> None:
    settings = load_settings({"log_level": "warning"})
    configure_logging(settings)
    started = time.perf_counter()
    async with connect(settings, None) as client:
        click.echo("loading the packaged model (the first start unpacks it) …")
        await client.wait_until_ready()
        click.echo(f"ready after {time.perf_counter() - started:.1f} s\n")
        await _ingest(client)
        for question in QUESTIONS:
            await _ask(client, question)
    click.echo("`make serve` serves this knowledge base at http://127.0.0.1:8000")


async def _ingest(client: AsyncClient) -> None:
    started = time.perf_counter()
    jobs: dict[str, Job] = {}
    for source in SOURCES:
        for file in files_of(SAMPLES / source):
            fields: UploadFields = {"source": source, "split": "lines" if source == "faq" else "auto"}
            accepted, failures = await upload_all(client, [file], fields)
            assert not failures, failures
            jobs |= accepted
    with progress_bar(len(jobs), hidden=False) as bar:
        jobs = await watch_jobs(client, jobs, bar)
    failed = {name: job.error for name, job in jobs.items() if not job.succeeded}
    assert not failed, failed
    units = sum(job.total for job in jobs.values())
    click.echo(
        f"{len(jobs)} documents, {units} units are searchable after {time.perf_counter() - started:.1f} s\n"
    )


async def _ask(client: AsyncClient, question: Query) -> None:
    narrowed = f"   (filter: {question['filter']})" if "filter" in question else ""
    click.secho(f"? {question['query']}{narrowed}", bold=True)
    for line in result_lines(await client.search(**question)):
        click.echo(line)
    click.echo("")


if __name__ == "__main__":
    asyncio.run(main())
