"""The samples as the index would hold them, the judged queries, and vectors that are computed once.

Vectors are kept in the system's temporary folder, by what was embedded, so that a changed corpus costs only what changed.
"""

import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from docradar.documents import DocumentKey, Passage, Recipe, Split
from docradar.embedding.profiles import fingerprint
from docradar.embedding.protocol import Embedder
from docradar.evaluation.judgements import Judgement, read_judgements
from docradar.evaluation.matching import Result, matches
from ingest import passages as passage_module
from ingest import units as unit_module
from ingest.passages import PreparedPassage
from ingest.prepare import PrepareRequest, prepare

Floats = NDArray[np.float32]

SAMPLES: Final = Path(__file__).parent.parent / "samples"
QUERIES: Final = Path(__file__).parent / "queries"
DEVELOPMENT: Final = tuple(QUERIES / f"{name}.jsonl" for name in "abc")
FRESH: Final = QUERIES / "held_out.jsonl"
CACHE: Final = Path(tempfile.gettempdir()) / "docradar-quality"
_PASSAGES_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """A sample as it was prepared; its passages hold its units in order."""

    filename: str
    source: str
    title: str
    language: str
    passages: tuple[PreparedPassage, ...]

    @property
    def split_by_lines(self) -> bool:
        return self.source == "faq"


@dataclass(frozen=True, slots=True)
class IndexedUnit:
    """A unit, and what its keywords know beside its own text. `document` counts the corpus's documents."""

    document: int
    text: str
    headings: tuple[str, ...]
    neighbours: tuple[str, ...]


@dataclass(frozen=True)
class Corpus:
    """All samples; rows of vectors and columns of scores are the units in this order."""

    documents: tuple[SampleDocument, ...]

    @cached_property
    def units(self) -> list[IndexedUnit]:
        return [
            IndexedUnit(
                number,
                unit.text,
                unit.heading_path,
                tuple(prepared.units[i].text for i in (place - 1, place + 1) if 0 <= i < len(prepared.units)),
            )
            for number, document in enumerate(self.documents)
            for prepared in document.passages
            for place, unit in enumerate(prepared.units)
        ]

    @property
    def passages(self) -> list[Passage]:
        """As the service would embed them."""
        return [prepared.passage for document in self.documents for prepared in document.passages]


def read_corpus(recipe: Recipe = Recipe.LATE_CHUNKING) -> Corpus:
    """Reads every sample as `docradar ingest` would; the FAQs by lines."""
    folders = sorted(folder for folder in SAMPLES.iterdir() if folder.is_dir())
    paths = [(path, folder.name) for folder in folders for path in sorted(folder.iterdir())]
    return Corpus(tuple(_read(path, source, recipe) for path, source in paths))


def _read(path: Path, source: str, recipe: Recipe) -> SampleDocument:
    with tempfile.TemporaryDirectory() as scratch:
        request = PrepareRequest(
            path=path,
            filename=path.name,
            document_id=DocumentKey("default", source, path.name).document_id,
            scratch_dir=Path(scratch),
            split=Split.LINES if source == "faq" else Split.AUTO,
            recipe=recipe,
        )
        prepared = prepare(request)
        fields = prepared.fields
        return SampleDocument(
            path.name, source, fields.title, fields.language or "", tuple(prepared.passages())
        )


@contextmanager
def constants(
    *,
    passage_tokens: int | None = None,
    short_columns: int | None = None,
    long_chars: int | None = None,
    heading: Callable[[tuple[str, ...]], str] | None = None,
) -> Iterator[None]:
    """Within it, documents are prepared with these instead of the product's constants."""
    wanted: tuple[tuple[Any, str, object], ...] = (
        (passage_module, "PASSAGE_TOKENS", passage_tokens),
        (passage_module, "_heading", heading),
        (unit_module, "SHORT_COLUMNS", short_columns),
        (unit_module, "LONG_CHARS", long_chars),
    )
    patches = [patch.object(module, name, value) for module, name, value in wanted if value is not None]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


# Queries


class Part(StrEnum):
    """The halves of the development queries, both of which were in view when the recipe was chosen; and the queries that were
    written, by somebody else, after all was."""

    FIRST = "first half"
    SECOND = "second half"
    FRESH = "fresh"


DEVELOPED: Final = (Part.FIRST, Part.SECOND)


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """`answers` says of every unit that answers which expectations it meets."""

    judgement: Judgement
    answers: dict[int, list[int]]
    part: Part

    @property
    def kind(self) -> str:
        return self.judgement.tags[0]


def read_queries(corpus: Corpus) -> list[JudgedQuery]:
    """The committed queries. Those of development come first, in the order of their texts' hashes; every second of each kind
    is of the second half."""
    judgements = read_judgements(DEVELOPMENT)
    judgements.sort(key=lambda judgement: judgement.question_digest)
    seen: dict[str, int] = {}
    queries = []
    for judgement in judgements:
        kind = judgement.tags[0]
        seen[kind] = seen.get(kind, 0) + 1
        queries.append(JudgedQuery(judgement, _answers(judgement, corpus), DEVELOPED[1 - seen[kind] % 2]))
    fresh = read_judgements([FRESH])
    return queries + [JudgedQuery(judgement, _answers(judgement, corpus), Part.FRESH) for judgement in fresh]


def _answers(judgement: Judgement, corpus: Corpus) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    names = [document.filename for document in corpus.documents]
    for place, expectation in enumerate(judgement.expected):
        for row, unit in enumerate(corpus.units):
            name = names[unit.document]
            if expectation.document in (None, name) and matches(
                expectation, Result("", unit.text, 0.0, (name,))
            ):
                found.setdefault(row, []).append(place)
    return found


def unmatched(queries: Iterable[JudgedQuery]) -> list[str]:
    """What is expected and no unit says, in words."""
    return [
        f"{query.judgement.place}: {query.judgement.query!r} expects {expectation}"
        for query in queries
        for place, expectation in enumerate(query.judgement.expected)
        if not any(place in met for met in query.answers.values())
    ]


# Vectors


class VectorCache:
    """An embedder that remembers, in a file, all that it has embedded. Vectors are float32, L2-normalised."""

    def __init__(self, embedder: Embedder) -> None:
        """One of another fingerprint, which centring changes, gets a file of its own."""
        CACHE.mkdir(exist_ok=True)
        self.embedder = embedder
        self._path = CACHE / f"{fingerprint(embedder.profile)[:16]}.sqlite"
        with closing(sqlite3.connect(self._path)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vectors BLOB)")

    def embed_passages(self, passages: Sequence[Passage]) -> Floats:
        """(all spans, dim), in order."""
        keys = [_key("passage", passage.text, passage.spans) for passage in passages]
        return self._vectors(
            keys,
            lambda places: self.embedder.embed_passages([passages[place] for place in places]),
        )

    def embed_queries(self, texts: Sequence[str]) -> Floats:
        """(texts, dim)."""
        keys = [_key("query", text) for text in texts]
        return self._vectors(
            keys,
            lambda places: [row[None] for row in self.embedder.embed_queries([texts[i] for i in places])],
        )

    def _vectors(self, keys: list[str], embed: Callable[[list[int]], list[Floats]]) -> Floats:
        with closing(sqlite3.connect(self._path)) as database:
            known = {
                key: np.frombuffer(blob, np.float32)
                for key, blob in database.execute("SELECT key, vectors FROM vectors")
            }
            missing = [place for place, key in enumerate(keys) if key not in known]
            for start in range(0, len(missing), _PASSAGES_AT_ONCE):
                places = missing[start : start + _PASSAGES_AT_ONCE]
                for place, rows in zip(places, embed(places), strict=True):
                    known[keys[place]] = np.asarray(rows, np.float32).ravel()
                with database:
                    database.executemany(
                        "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
                        [(keys[place], known[keys[place]].tobytes()) for place in places],
                    )
        dim = self.embedder.profile.dim
        return np.concatenate([known[key].reshape(-1, dim) for key in keys])


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
