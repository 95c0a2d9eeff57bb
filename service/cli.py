"""The `docradar` command."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final, ParamSpec

import click

from docradar import failpoints
from docradar.errors import DocradarError
from docradar.settings import Settings, load_settings
from service.connection import call, connect, wait_until_ready
from service.health import VERSION
from service.logs import configure_logging

P = ParamSpec("P")

BAR_WIDTH: Final = 30


class DocradarCommand(click.Command):
    """A command whose expected errors are one line on standard error, and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DocradarError as error:
            raise click.ClickException(str(error)) from error


class DocradarGroup(click.Group):
    command_class = DocradarCommand


@click.group(
    cls=DocradarGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(VERSION, prog_name="docradar")
def main() -> None:
    """Semantic search over a team's documents.

    Every setting can be given as a DOCRADAR_* variable or in ./docradar.toml; README.md lists them.
    """
    failpoints.arm(os.environ)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Runs a command's coroutine to its end."""
    asyncio.run(coroutine)


def run_for_long(coroutine: Coroutine[Any, Any, None]) -> None:
    """Like `run`, on the event loop that is quicker at serving and slower to import."""
    import uvloop

    uvloop.run(coroutine)


def data_dir_option(function: Callable[P, None]) -> Callable[P, None]:
    return click.option(
        "--data-dir", type=click.Path(path_type=Path), help="Data folder [default: ./docradar-data]."
    )(function)


def url_option(function: Callable[P, None]) -> Callable[P, None]:
    return click.option("--url", help="Talk to the service at this URL instead of opening the data folder.")(
        function
    )


def json_option(function: Callable[P, None]) -> Callable[P, None]:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def settings_of(quiet: bool = False, **overrides: object) -> Settings:
    """Settings with the command line's on top, and logging set up accordingly."""
    settings = load_settings(
        {"log_level": "warning"} | overrides
        if quiet and "DOCRADAR_LOG_LEVEL" not in os.environ
        else overrides
    )
    configure_logging(settings)
    return settings


@main.command()
@click.option("--host", help="Address to listen on [default: 127.0.0.1].")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [default: 8000].")
@data_dir_option
def serve(host: str | None, port: int | None, data_dir: Path | None) -> None:
    """Serve the API in the foreground, a worker included."""
    from service.server import serve_http

    run_for_long(serve_http(settings_of(host=host, port=port, data_dir=data_dir)))


@main.command()
@data_dir_option
@click.option("--concurrency", type=click.IntRange(1), help="Jobs at a time [default: 2].")
def worker(data_dir: Path | None, concurrency: int | None) -> None:
    """Run a worker without HTTP, next to a service with embedded_worker off."""
    from service.server import work

    run_for_long(work(settings_of(data_dir=data_dir, worker_concurrency=concurrency)))


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--source",
    default="upload",
    show_default=True,
    help="Where the documents come from; `upload` lets an export say so itself.",
)
@click.option("--collection", default="default", show_default=True, help="Collection to put them into.")
@click.option("--tag", "tags", multiple=True, help="Tag; may repeat.")
@click.option("--language", help="Language tag; recognised when left out.")
@click.option(
    "--split",
    type=click.Choice(["auto", "lines"]),
    default="auto",
    show_default=True,
    help="`lines`: one line, one entry.",
)
@click.option(
    "--prune",
    is_flag=True,
    help="Delete the documents that an earlier upload of an archive or export held and this one does not.",
)
@click.option(
    "--watch-until-done/--no-watch",
    default=True,
    show_default=True,
    help="Wait until all are searchable or have failed.",
)
@url_option
@data_dir_option
@json_option
def ingest(
    paths: tuple[Path, ...],
    watch_until_done: bool,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Upload files, and the files in folders, archives and exports."""
    from service.ingest_command import ingest_paths

    settings = settings_of(quiet=True, data_dir=data_dir)
    run(ingest_paths(settings, url, list(paths), fields, watch=watch_until_done, as_json=as_json))


@main.command()
@click.argument("query")
@click.option("--source", "sources", multiple=True, help="Only documents of this source; may repeat.")
@click.option("--collection", help="Only this collection.")
@click.option("--limit", type=click.IntRange(1), default=5, show_default=True, help="How many results.")
@click.option("--min-score", type=click.FloatRange(-1, 1), help="Only results with at least this cosine.")
@url_option
@data_dir_option
@json_option
def search(
    query: str,
    sources: tuple[str, ...],
    collection: str | None,
    limit: int,
    min_score: float | None,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Find the sentences that mean QUERY."""
    request: dict[str, Any] = {
        "query": query,
        "limit": limit,
        "collection": collection,
        "min_score": min_score,
    }
    if sources:
        request["filter"] = {"source": list(sources)}

    async def ask() -> None:
        async with connect(settings_of(quiet=True, data_dir=data_dir), url) as client:
            await wait_until_ready(client)
            response = await call(client, "POST", "/v1/search", json=request)
        click.echo(
            json.dumps(response, ensure_ascii=False, indent=2)
            if as_json
            else "\n".join(result_lines(response))
        )

    run(ask())


def result_lines(response: dict[str, Any]) -> Iterator[str]:
    """Results for people: a bar of exactly the score's length, green where the match is strong."""
    if not response["results"]:
        yield "nothing found"
    for result in response["results"]:
        filled = round(max(0.0, result["score"]) * BAR_WIDTH)
        bar = click.style("█" * filled, fg="green" if result["strong"] else None) + "·" * (BAR_WIDTH - filled)
        yield f"{result['score']:.4f} {bar} {result['text']}"
        yield f"       {place_of(result)}"


def place_of(result: dict[str, Any]) -> str:
    """Where a result stands: source, title, page, headings."""
    document, provenance = result["document"], result["provenance"]
    title = document["title"] or document["filename"]
    parts = [f"{document['source']} / {title}"]
    if provenance["page"]:
        parts.append(f"page {provenance['page']}")
    parts.extend(heading for heading in provenance["heading_path"] if heading != title)
    return click.style(" › ".join(parts), dim=True)


@main.command()
@url_option
@data_dir_option
@json_option
def status(url: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Show the engine, the collections, and what is queued or has failed."""
    from service.status_command import show_status

    run(show_status(settings_of(quiet=True, data_dir=data_dir), url, as_json=as_json))


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--split",
    type=click.Choice(["auto", "lines"]),
    default="auto",
    show_default=True,
    help="`lines`: one line, one entry.",
)
@click.option("--document", metavar="ID", help="Of an archive or export, show the document of this id.")
@json_option
def inspect(file: Path, split: str, document: str | None, as_json: bool) -> None:
    """Show how FILE is read and split, or which documents it holds, without indexing it."""
    from service.inspect_command import inspect_file

    run(inspect_file(settings_of(quiet=True), file, document, split, as_json=as_json))


@main.command()
@data_dir_option
def optimize(data_dir: Path | None) -> None:
    """Build the search graph of the embedded index, with the service stopped."""
    from service.optimize_command import optimize_index

    run(optimize_index(settings_of(quiet=True, data_dir=data_dir)))


if __name__ == "__main__":
    main()
