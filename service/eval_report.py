"""An evaluation as tables for people and as JSON for programs."""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import click

from docradar.evaluation.comparison import Comparison, MetricComparison
from docradar.evaluation.judgements import Judgement
from docradar.evaluation.metrics import Metric
from docradar.evaluation.summary import Figures, JudgedAnswer, Summary

SHOWN_CHANGES: Final = 10
SHOWN_PLACES: Final = 5
QUERY_COLUMNS: Final = 44
LEAST_P: Final = 0.0001
_NONE: Final = "–"
_COLUMNS: Final = (
    "queries", *Metric, "unans. prec.", "unans. rec.", "answered", "p50 ms", "p95 ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Report:
    """All that one call of the command found out. `absent` are expected documents that the service does not hold."""

    judgements: Sequence[Judgement]
    summaries: Sequence[Summary]
    comparison: Comparison | None
    absent: Mapping[str, Sequence[Judgement]]

    def warnings(self) -> Iterator[str]:
        """What makes figures lower, or emptier, than the search deserves."""
        for name, judgements in self.absent.items():
            places = [judgement.place for judgement in judgements]
            more = f" and {len(places) - SHOWN_PLACES} more" if len(places) > SHOWN_PLACES else ""
            yield (
                f"the service holds no document {name!r}, which is expected in {'; '.join(places[:SHOWN_PLACES])}{more}; "
                "ingest it, or correct the name"
            )
        for summary in self.summaries:
            if missing := len(self.judgements) - len(summary.answers):
                yield f"{summary.run.name} was not asked {missing} of the {len(self.judgements)} queries"

    def for_people(self, *, verbose: bool) -> Iterator[str]:
        """Lines of aligned tables; a query a line, too, if `verbose`."""
        answerable = sum(judgement.answerable for judgement in self.judgements)
        yield (
            f"{len(self.judgements)} queries: {answerable} answerable, {len(self.judgements) - answerable} unanswerable"
        )
        rows = [[summary.run.name, *_cells(summary.overall)] for summary in self.summaries]
        yield from ("", *table(["run", *_COLUMNS], rows))
        for summary in self.summaries:
            if summary.by_tag:
                rows = [[tag, *_cells(figures)] for tag, figures in summary.by_tag.items()]
                yield from ("", *table([f"{summary.run.name}, by tag", *_COLUMNS], rows))
            if verbose:
                yield from ("", *_query_table(summary))
        if self.comparison is not None:
            yield from ("", *_comparison_lines(self.comparison))

    def for_programs(self) -> dict[str, object]:
        """The same with every query, as JSON holds it."""
        return {
            "warnings": list(self.warnings()),
            "runs": [_run_json(summary) for summary in self.summaries],
            "comparison": None if self.comparison is None else _comparison_json(self.comparison),
        }


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as a terminal shows their widest cell; the first to the left, the others to the right."""
    widths = [max(map(display_width, column)) for column in zip(header, *rows, strict=True)]
    for index, row in enumerate([header, *rows]):
        cells = [
            padded(cell, width, right=column > 0)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield click.style("  ".join(cells).rstrip(), dim=index == 0)


def display_width(text: str) -> int:
    """Columns of a terminal: two for an East Asian wide character, none for a mark or a format character."""
    return sum(
        0
        if unicodedata.category(char) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def padded(text: str, width: int, *, right: bool) -> str:
    """The text with spaces up to `width` columns, put to the right or to the left."""
    space = " " * max(0, width - display_width(text))
    return space + text if right else text + space


def shortened(text: str, width: int) -> str:
    """The text on one line, cut so that it takes up to `width` columns, `…` included."""
    text = " ".join(text.split())
    if display_width(text) <= width:
        return text
    while display_width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _cells(figures: Figures) -> list[str]:
    verdicts = figures.verdicts
    shares = (verdicts.unanswered_precision, verdicts.unanswered_recall, verdicts.answerable_answered)
    return [
        str(figures.answerable + figures.unanswerable),
        *(_figure(figures.means.get(metric)) for metric in Metric),
        *map(_figure, shares),
        f"{figures.took_ms_p50:.1f}",
        f"{figures.took_ms_p95:.1f}",
    ]


def _figure(value: float | None, sign: str = "") -> str:
    return _NONE if value is None else f"{value:{sign}.3f}"


def _p_value(value: float) -> str:
    """Never 0: a randomisation test cannot say so."""
    return f"{value:.4f}" if value >= LEAST_P else f"<{LEAST_P}"


def _query_table(summary: Summary) -> Iterator[str]:
    header = [f"{summary.run.name}, by query", *Metric, "found at", "answered", "ms"]
    rows = [
        [
            shortened(judged.judgement.query, QUERY_COLUMNS),
            *(_figure(judged.metrics.get(metric)) for metric in Metric),
            _positions(judged),
            _verdict(judged),
            f"{judged.answer.took_ms:.1f}",
        ]
        for judged in summary.answers
    ]
    yield from table(header, rows)


def _positions(judged: JudgedAnswer) -> str:
    """Where each expectation was found: `1 4 –`."""
    return " ".join(str(position or _NONE) for position in judged.positions()) or _NONE


def _verdict(judged: JudgedAnswer) -> str:
    """What the service said, and whether it was wrong."""
    answered = judged.answer.answered
    said = _NONE if answered is None else "yes" if answered else "no"
    return said + (" (wrong)" if judged.verdict_right is False else "")


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    left_out = f"; {comparison.left_out} more are in one run only" if comparison.left_out else ""
    yield f"{comparison.second} against {comparison.first}, {comparison.queries} queries{left_out}"
    header = [
        "metric",
        "queries",
        comparison.first,
        comparison.second,
        "difference",
        "better",
        "same",
        "worse",
        "p",
    ]
    rows = [
        [
            compared.metric,
            str(compared.queries),
            _figure(compared.first),
            _figure(compared.second),
            _figure(compared.difference, "+"),
            str(compared.wins),
            str(compared.ties),
            str(compared.losses),
            _p_value(compared.p_value),
        ]
        for compared in comparison.metrics
    ]
    yield from table(header, rows)
    if comparison.changes:
        header = ["changed most", "difference", comparison.first, comparison.second]
        rows = [
            [
                shortened(change.judgement.query, QUERY_COLUMNS),
                _figure(change.difference, "+"),
                _figure(change.first),
                _figure(change.second),
            ]
            for change in comparison.changes[:SHOWN_CHANGES]
        ]
        yield from ("", *table(header, rows))


def _run_json(summary: Summary) -> dict[str, object]:
    run = summary.run
    return {
        "name": run.name,
        "mode": run.mode,
        "rerank": run.rerank,
        "model": run.model,
        "limit": run.limit,
        "overall": _figures_json(summary.overall),
        "by_tag": {tag: _figures_json(figures) for tag, figures in summary.by_tag.items()},
        "queries": [_query_json(judged) for judged in summary.answers],
    }


def _figures_json(figures: Figures) -> dict[str, object]:
    return {
        "answerable": figures.answerable,
        "unanswerable": figures.unanswerable,
        "metrics": dict(figures.means),
        "verdicts": asdict(figures.verdicts),
        "took_ms": {"p50": figures.took_ms_p50, "p95": figures.took_ms_p95},
    }


def _query_json(judged: JudgedAnswer) -> dict[str, object]:
    judgement = judged.judgement
    return {
        "id": judgement.id,
        "place": judgement.place,
        "query": judgement.query,
        "tags": list(judgement.tags),
        "metrics": dict(judged.metrics),
        "expected": [
            asdict(expectation) | {"position": position}
            for expectation, position in zip(judgement.expected, judged.positions(), strict=True)
        ],
        "answered": judged.answer.answered,
        "took_ms": judged.answer.took_ms,
    }


def _comparison_json(comparison: Comparison) -> dict[str, object]:
    return {
        "first": comparison.first,
        "second": comparison.second,
        "queries": comparison.queries,
        "left_out": comparison.left_out,
        "metrics": [_compared_json(compared) for compared in comparison.metrics],
        "changes": [
            {
                "id": change.judgement.id,
                "query": change.judgement.query,
                "metric": Metric.NDCG_10,
                "first": change.first,
                "second": change.second,
                "difference": change.difference,
            }
            for change in comparison.changes
        ],
    }


def _compared_json(compared: MetricComparison) -> dict[str, object]:
    return asdict(compared) | {"difference": compared.difference}
