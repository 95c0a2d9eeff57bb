"""Judgements and runs as the files that trec_eval, ir_measures and ranx read.

An expectation is a document there, `e0`, `e1` … in the order of the judgement; a result that meets none goes by its
unit's id. A run's scores count down, since its ranks are what was judged and trec_eval would break ties by name.
Unanswerable queries stand in no qrels, so that means are over the answerable ones here and there.
"""

import re
from collections.abc import Iterable, Iterator

from docradar.evaluation.judgements import Judgement
from docradar.evaluation.summary import JudgedAnswer, Summary


def qrels_lines(judgements: Iterable[Judgement]) -> Iterator[str]:
    """`query 0 document grade`, a line for each expectation."""
    for judgement in judgements:
        for index, expectation in enumerate(judgement.expected):
            yield f"{judgement.id} 0 e{index} {expectation.grade}"


def run_lines(summary: Summary) -> Iterator[str]:
    """`query Q0 document rank score tag`, a line for each judged rank."""
    tag = file_name(summary.run.name)
    for judged in summary.answers:
        for rank, document in enumerate(_documents(judged), start=1):
            yield f"{judged.judgement.id} Q0 {document} {rank} {len(judged.ranks) - rank + 1} {tag}"


def file_name(run_name: str) -> str:
    """The run's name without what neither a TREC field nor a file name may hold."""
    return re.sub(r"[^\w.+-]+", "_", run_name)


def _documents(judged: JudgedAnswer) -> Iterator[str]:
    for rank in judged.ranks:
        if rank.expectation is None:
            yield judged.answer.results[rank.result].unit_id
        else:
            yield f"e{rank.expectation}"
