"""`docradar eval`: judged queries go through search, and figures come out."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

import click

from docradar.client.options import Mode
from docradar.errors import InvalidRequestError
from docradar.evaluation.comparison import compare
from docradar.evaluation.judgements import Judgement, read_judgements
from docradar.evaluation.summary import Run, summarise
from docradar.evaluation.trec import file_name, qrels_lines, run_lines
from docradar.settings import Settings
from service.connection import connect
from service.eval_asking import RERANK_SUFFIX, Asker, Way
from service.eval_report import Report
from service.eval_runs import load_run, save_run

MODES: Final[tuple[Mode, ...]] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What the command line asks for. `compared` are two modes, or run files, or one of each."""

    modes: tuple[Mode, ...]
    rerank: bool
    compared: tuple[str, str] | None
    limit: int
    output: Path | None
    trec: Path | None
    verbose: bool
    as_json: bool


async def evaluate(settings: Settings, url: str | None, files: Sequence[Path], options: EvalOptions) -> None:
    """Asks every query in every way, prints the figures, and writes the files that are wanted.

    Raises:
        InvalidRequestError: A judgement file or a run file cannot be used; which line, and why.
        QueryFailedError: The service refused a query; which one, and why.
    """
    judgements = read_judgements(files)
    compared = _compared(options)
    loaded: dict[Way | Path, Run] = {entry: load_run(entry) for entry in compared if isinstance(entry, Path)}
    ways = [Way(mode, options.rerank) for mode in options.modes]
    ways += [entry for entry in compared if isinstance(entry, Way)]
    if not ways and not compared:
        ways = [Way(None, options.rerank)]
    if options.output is not None and not ways:
        raise InvalidRequestError("--output saves what is asked now, but --compare names saved runs alone")
    asked, absent = await _asked(settings, url, judgements, list(dict.fromkeys(ways)), options)
    if options.output is not None:
        _save(list(asked.values()), options.output)
    summaries = {source: summarise(run, judgements) for source, run in (asked | loaded).items()}
    report = Report(
        judgements=judgements,
        summaries=list(summaries.values()),
        comparison=compare(*(summaries[entry] for entry in compared)) if compared else None,
        absent=absent,
    )
    if options.trec is not None:
        _write_trec(options.trec, report)
    _show(report, options)


def _compared(options: EvalOptions) -> list[Way | Path]:
    """What --compare names: two, or none.

    Raises:
        InvalidRequestError: One is neither a mode nor a file, or both are the same.
    """
    if options.compared is None:
        return []
    first, second = (_way_or_file(name, options.rerank) for name in options.compared)
    if first == second:
        raise InvalidRequestError(f"--compare {' '.join(options.compared)} compares a run with itself")
    return [first, second]


def _way_or_file(name: str, rerank: bool) -> Way | Path:
    for mode in MODES:
        if name in (mode, mode + RERANK_SUFFIX):
            return Way(mode, rerank or name != mode)
    if not Path(name).is_file():
        raise InvalidRequestError(
            f"--compare {name} is neither a mode ({', '.join(MODES)}, each also with {RERANK_SUFFIX}) nor a run that "
            "--output has saved"
        )
    return Path(name)


async def _asked(
    settings: Settings,
    url: str | None,
    judgements: Sequence[Judgement],
    ways: list[Way],
    options: EvalOptions,
) -> tuple[dict[Way | Path, Run], dict[str, list[Judgement]]]:
    """A run each way, and the expected documents that the service does not hold; no service is needed for no way."""
    if not ways:
        return {}, {}
    async with connect(settings, url) as client:
        await client.wait_until_ready()
        asker = Asker(client)
        runs: dict[Way | Path, Run] = {
            way: await asker.run(judgements, way, options.limit, quiet=options.as_json) for way in ways
        }
        return runs, await asker.absent_documents(judgements)


def _save(runs: Sequence[Run], path: Path) -> None:
    """One run to the file; of several, each to one with its name before the extension."""
    for run in runs:
        own = path if len(runs) == 1 else path.with_name(f"{path.stem}.{file_name(run.name)}{path.suffix}")
        save_run(run, own)
        click.echo(f"saved {own}", err=True)


def _write_trec(folder: Path, report: Report) -> None:
    """`qrels.txt`, and a run file for each run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_lines(folder / "qrels.txt", qrels_lines(report.judgements))
        for summary in report.summaries:
            _write_lines(folder / f"{file_name(summary.run.name)}.run.txt", run_lines(summary))
    except OSError as error:
        raise InvalidRequestError(
            f"{error.filename} cannot be written: {error.strerror}; name another folder"
        ) from error


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    click.echo(f"saved {path}", err=True)


def _show(report: Report, options: EvalOptions) -> None:
    for warning in report.warnings():
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    if options.as_json:
        click.echo(json.dumps(report.for_programs(), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(report.for_people(verbose=options.verbose)))
