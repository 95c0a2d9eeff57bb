"""The corpus, the queries and their scores under the chosen recipe, which every table starts from."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from bench.quality_corpus import (
    CACHE,
    DEVELOPED,
    Corpus,
    Floats,
    JudgedQuery,
    Part,
    VectorCache,
    read_corpus,
    read_queries,
)
from bench.quality_languages import Centring, product_centring
from bench.quality_scores import KeywordIndex, KeywordScores, Measured, keyword_index
from docradar.embedding.choice import load_embedder
from docradar.embedding.protocol import Embedder
from docradar.evaluation.metrics import CUTOFF, Metric
from docradar.keywords import query_keywords
from docradar.searching.fusion import FUSION_DEPTH
from docradar.searching.retrieval import EXTRA_CANDIDATES
from docradar.searching.search import FOLD_MARGIN
from docradar.settings import Settings

PRODUCT_DEPTH: Final = max(CUTOFF + FOLD_MARGIN + EXTRA_CANDIDATES, FUSION_DEPTH)
"""Candidates a side for ten results: what the service asks the index for."""
METRICS: Final = (Metric.MRR_10, Metric.HIT_1, Metric.RECALL_10)
_COLUMNS: Final = (
    "nDCG@10, first half",
    "second half",
    "both",
    *METRICS,
    "identifiers hit@1",
    "cross nDCG@10",
    "p",
    "fresh nDCG@10",
)


def load_packaged() -> Embedder:
    """The packaged model without centring, unpacked once into the temporary folder."""
    return load_embedder(
        Settings(data_dir=CACHE / "model", model="packaged", centring=False), lambda _stage: None
    )


@dataclass(frozen=True)
class Setting:
    """Rows of scores are `answerable` queries, columns the corpus's units."""

    corpus: Corpus
    queries: list[JudgedQuery]
    packaged: VectorCache
    centring: Centring

    @classmethod
    def read(cls) -> "Setting":
        corpus = read_corpus()
        return cls(corpus, read_queries(corpus), VectorCache(load_packaged()), product_centring())

    def with_corpus(self, corpus: Corpus) -> "Setting":
        """The same queries, judged against another corpus's units."""
        return replace(self, corpus=corpus, queries=read_queries(corpus))

    def with_centring(self, centring: Centring) -> "Setting":
        return replace(self, centring=centring)

    @cached_property
    def answerable(self) -> list[JudgedQuery]:
        return [query for query in self.queries if query.judgement.answerable]

    @cached_property
    def vectors(self) -> Floats:
        """(units, dim)."""
        return self.centred(self.packaged.embed_passages(self.corpus.passages))

    def centred(self, vectors: Floats) -> Floats:
        """Vectors of the corpus's units, (units, dim), from whatever recipe."""
        return self.centring.of(vectors, "passage", [unit.text for unit in self.corpus.units])

    @cached_property
    def query_vectors(self) -> Floats:
        return self.vectors_of(self.answerable)

    def vectors_of(self, queries: Sequence[JudgedQuery]) -> Floats:
        """(queries, dim)."""
        return self.vectors_of_texts([query.judgement.query for query in queries])

    def vectors_of_texts(self, texts: Sequence[str]) -> Floats:
        """Of queries, (texts, dim)."""
        return self.centring.of(self.packaged.embed_queries(texts), "query", texts)

    @cached_property
    def cosine(self) -> Floats:
        return self.query_vectors @ self.vectors.T

    @cached_property
    def keywords(self) -> KeywordIndex:
        return keyword_index(self.corpus)

    @cached_property
    def words(self) -> KeywordScores:
        return self.words_of(self.answerable)

    def words_of(self, queries: Sequence[JudgedQuery]) -> KeywordScores:
        return self.keywords.scores(query_keywords(query.judgement.query) for query in queries)


def result_table(rows: Sequence[Measured], queries: Sequence[JudgedQuery], base: Measured) -> str:
    """A Markdown table of the development queries; the last column alone is of the fresh ones. `p` is of the difference from
    `base`."""
    lines = [f"| | {' | '.join(_COLUMNS)} |", "|---|" + "---:|" * len(_COLUMNS)]
    for row in rows:
        figures = [
            *(row.mean(Metric.NDCG_10, queries, parts=[half]) for half in DEVELOPED),
            *(row.mean(metric, queries) for metric in (Metric.NDCG_10, *METRICS)),
            row.mean(Metric.HIT_1, queries, kind="identifier"),
            row.mean(Metric.NDCG_10, queries, kind="cross"),
        ]
        p_value = "" if row is base else f"{row.p_value(base, queries):.2g}"
        fresh = row.mean(Metric.NDCG_10, queries, parts=[Part.FRESH])
        lines.append(
            f"| {row.name} | {' | '.join(f'{figure:.3f}' for figure in figures)} | {p_value} | {fresh:.3f} |"
        )
    return "\n".join(lines)


def kinds_table(
    rows: Sequence[Measured], queries: Sequence[JudgedQuery], parts: Collection[Part] = DEVELOPED
) -> str:
    """nDCG@10 by kind of query."""
    kinds = sorted({query.kind for query in queries})
    counts = [sum(query.kind == kind and query.part in parts for query in queries) for kind in kinds]
    lines = [
        "| | " + " | ".join(f"{kind} ({count})" for kind, count in zip(kinds, counts, strict=True)) + " |",
        "|---|" + "---:|" * len(kinds),
    ]
    for row in rows:
        figures = [f"{row.mean(Metric.NDCG_10, queries, parts=parts, kind=kind):.3f}" for kind in kinds]
        lines.append(f"| {row.name} | {' | '.join(figures)} |")
    return "\n".join(lines)
