"""The `docradar` command."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from docradar import failpoints
from docradar.errors import DocradarError
from docradar.settings import Settings, load_settings
from service.health import VERSION
from service.logs import configure_logging

if TYPE_CHECKING:
    from docradar.client.options import Split, UploadFields

P = ParamSpec("P")


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
    source: str,
    collection: str,
    tags: tuple[str, ...],
    language: str | None,
    split: "Split",
    prune: bool,
    watch_until_done: bool,
    url: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Upload files, and the files in folders, archives and exports."""
    from service.ingest_command import ingest_paths

    fields: UploadFields = {
        "source": source,
        "collection": collection,
        "tags": tags,
        "language": language,
        "split": split,
        "prune": prune,
    }
    settings = settings_of(quiet=True, data_dir=data_dir)
    run(ingest_paths(settings, url, list(paths), fields, watch=watch_until_done, as_json=as_json))


@main.command()
@click.argument("query")
@click.option("--source", "sources", multiple=True, help="Only documents of this source; may repeat.")
@click.option("--collection", help="Only this collection.")
@click.option("--limit", type=click.IntRange(1), default=5, show_default=True, help="How many results.")
@click.option("--min-score", type=click.FloatRange(-1, 1), help="Only results with at least this cosine.")
@click.option(
    "--mode",
    type=click.Choice(["semantic", "keyword", "hybrid"]),
    help="What ranks: the meaning, the words, or both [default: the service's choice].",
)
@click.option("--rerank", is_flag=True, help="Let the cross-encoder put the best in order.")
@click.option(
    "--group-by", type=click.Choice(["document", "section"]), help="The best of each document or section."
)
@click.option("--before", type=click.IntRange(0), help="Sentences to show before each result.")
@click.option("--after", type=click.IntRange(0), help="Sentences to show after each result.")
@click.option("--facet", "facets", multiple=True, help="Field whose values are counted; may repeat.")
@url_option
@data_dir_option
@json_option
def search(query: str, url: str | None, data_dir: Path | None, as_json: bool, **wanted: Any) -> None:
    """Find the sentences that mean QUERY."""
    from service.search_command import options_of, search_sentences

    settings = settings_of(quiet=True, data_dir=data_dir)
    run(search_sentences(settings, url, query, options_of(**wanted), as_json=as_json))


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


@main.command("eval")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="QUERIES.jsonl…",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--mode",
    "modes",
    multiple=True,
    type=click.Choice(["semantic", "keyword", "hybrid"]),
    help="How to search; may repeat [default: the service's choice].",
)
@click.option("--rerank", is_flag=True, help="Rerank, in every mode.")
@click.option(
    "--compare",
    nargs=2,
    metavar="A B",
    help="Compare B with A: modes (hybrid, hybrid+rerank) or run files of --output.",
)
@click.option(
    "--limit",
    type=click.IntRange(10),
    default=10,
    show_default=True,
    help="How many results to ask for; the figures count the first 10.",
)
@click.option("--verbose", is_flag=True, help="Show every query.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the run to this file; of several, each with its name before the extension.",
)
@click.option(
    "--trec",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write qrels and run files for ir_measures and trec_eval into this folder.",
)
@url_option
@data_dir_option
@json_option
def evaluate(files: tuple[Path, ...], url: str | None, data_dir: Path | None, **options: Any) -> None:
    """Measure search with judged queries: nDCG, MRR, recall, hits, and verdicts on unanswerable ones."""
    from service.eval_command import EvalOptions, evaluate

    options["compared"] = options.pop("compare")
    run(evaluate(settings_of(quiet=True, data_dir=data_dir), url, files, EvalOptions(**options)))


@main.command()
@url_option
@data_dir_option
@json_option
def calibrate(url: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Measure on the documents that are there from which cosine on a hit is strong, and use it."""
    from service.calibrate_command import calibrate

    run(calibrate(settings_of(quiet=True, data_dir=data_dir), url, as_json=as_json))


@main.command()
@data_dir_option
def optimize(data_dir: Path | None) -> None:
    """Build the search graph of the embedded index, with the service stopped."""
    from service.optimize_command import optimize_index

    run(optimize_index(settings_of(quiet=True, data_dir=data_dir)))


if __name__ == "__main__":
    main()
