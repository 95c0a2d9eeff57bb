"""Judged queries → a run: how `docradar eval` asks the service."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final

import click

from docradar.client import AsyncClient
from docradar.client.options import Mode, SearchOptions
from docradar.client.results import HitDocument, SearchResponse
from docradar.client.results import Result as FoundResult
from docradar.client.types import Document
from docradar.errors import DocradarError
from docradar.evaluation.judgements import Judgement
from docradar.evaluation.matching import Result, normalised
from docradar.evaluation.summary import Answer, Run, absent_documents

RERANK_SUFFIX: Final = "+rerank"
DOCUMENTS_PER_PAGE: Final = 500


class QueryFailedError(DocradarError):
    """A judged query could not be put to the service."""

    code = "query_failed"


@dataclass(frozen=True, slots=True)
class Way:
    """One way of searching; `mode` None leaves it to the service."""

    mode: Mode | None
    rerank: bool

    @property
    def name(self) -> str:
        return run_name(self.mode or "default", self.rerank)


def run_name(mode: str, rerank: bool) -> str:
    """What tables call a run: `hybrid`, or `hybrid+rerank`."""
    return mode + (RERANK_SUFFIX if rerank else "")


@dataclass(slots=True)
class Asker:
    """Puts queries to one service; it remembers what its documents are called."""

    client: AsyncClient
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def run(self, judgements: Sequence[Judgement], way: Way, limit: int, *, quiet: bool) -> Run:
        """One query after the other, so that none waits for another and latencies are its own.

        Raises:
            QueryFailedError: The service refused a query, or is away; which query, and why.
        """
        answers: list[Answer] = []
        model = mode = ""
        with _progress(len(judgements), way.name, hidden=quiet) as bar:
            for judgement in judgements:
                try:
                    response = await self.client.search(judgement.query, **_options(judgement, way, limit))
                    answers.append(await self._answer(judgement, response))
                except DocradarError as error:
                    raise QueryFailedError(f"{judgement.place}, {judgement.query!r}: {error}") from error
                model, mode = response.model, way.mode or response.mode
                bar.update(1)
        return Run(run_name(mode, way.rerank), mode, way.rerank, model, limit, tuple(answers))

    async def absent_documents(self, judgements: Sequence[Judgement]) -> dict[str, list[Judgement]]:
        """The expected documents that nothing searchable is called, with the judgements that name them.

        What was found is not looked for again; documents are listed only while one is missing.
        """
        absent = absent_documents(judgements, (name for names in self.names.values() for name in names))
        if absent:
            async for document in self.client.documents(page_size=DOCUMENTS_PER_PAGE):
                if document.units:
                    found = {normalised(name) for name in _names(document)}
                    absent = {name: who for name, who in absent.items() if normalised(name) not in found}
                if not absent:
                    break
        return absent

    async def _answer(self, judgement: Judgement, response: SearchResponse) -> Answer:
        return Answer(
            id=judgement.id,
            question_digest=judgement.question_digest,
            results=tuple([await self._result(found) for found in response.results]),
            answered=response.answered,
            took_ms=response.took_ms.total,
        )

    async def _result(self, found: FoundResult) -> Result:
        """A result; duplicates that were folded into it lend it the names of their documents."""
        names = dict.fromkeys(self.names.setdefault(found.document.id, _names(found.document)))
        for duplicate in found.duplicates:
            if (other := duplicate.document_id) not in self.names:
                self.names[other] = _names(await self.client.document(other))
            names |= dict.fromkeys(self.names[other])
        return Result(found.unit_id, found.text, found.score, tuple(names))


def _options(judgement: Judgement, way: Way, limit: int) -> SearchOptions:
    """Only what is asked for, so that everything else is as the service does it."""
    return {
        "limit": limit,
        "filter": judgement.filter,
        "collection": judgement.collection,
        "mode": way.mode,
        "rerank": way.rerank or None,
    }


def _names(document: Document | HitDocument) -> tuple[str, ...]:
    """What a judgement may call the document; a title may be empty."""
    named = (document.id, document.external_id, document.filename, document.title)
    return tuple(name for name in named if name)


def _progress(length: int, label: str, *, hidden: bool) -> AbstractContextManager[Any]:
    """On standard error, so that standard output holds the tables alone."""
    return click.progressbar(length=length, label=label, hidden=hidden, file=sys.stderr)
