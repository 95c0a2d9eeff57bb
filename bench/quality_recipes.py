"""Tables `vectors`, `languages` and `units`: what a unit's vector is made from, and how large units are."""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from bench.quality_corpus import (
    DEVELOPED,
    Corpus,
    Floats,
    Part,
    SampleDocument,
    VectorCache,
    constants,
    read_corpus,
)
from bench.quality_fusion import product_rankings
from bench.quality_languages import centrings, untouched
from bench.quality_scores import Measured, by_score, measure
from bench.quality_setting import Setting, kinds_table, result_table
from docradar.documents import Passage, Recipe, Span
from ingest.passages import PASSAGE_TOKENS
from ingest.units import LONG_CHARS
from ingest.units import SHORT_COLUMNS as PRODUCT_SHORT_COLUMNS

SIZES: Final = (48, 64, 80, 96, 128, 256, 384, 512)
SHORT_COLUMNS: Final = (0, 8, 16, 30, 60)


def vectors_table(setting: Setting) -> str:
    """Each recipe by cosine alone: as the model gives the vectors, then centred; then fused with BM25."""
    plain = setting.with_centring(untouched())
    return "\n\n".join(
        f"{title}\n\n{_vectors_table(chosen, fused=fused)}"
        for title, chosen, fused in (
            ("Cosine alone, vectors as the model gives them:", plain, False),
            ("Cosine alone, languages centred:", setting, False),
            ("Fused with BM25, languages centred:", setting, True),
        )
    )


def _vectors_table(setting: Setting, *, fused: bool) -> str:
    rows = []
    for name, embed in _recipes():
        vectors = setting.centred(embed(setting.corpus, setting.packaged))
        rows.append(_measured(setting, name, vectors, fused=fused))
    base = next(row for row in rows if row.name == f"late chunking, {PASSAGE_TOKENS} tokens")
    return result_table(rows, setting.answerable, base)


def _measured(setting: Setting, name: str, vectors: Floats, *, fused: bool) -> Measured:
    cosine = setting.query_vectors @ vectors.T
    rankings = product_rankings(setting, cosine=cosine) if fused else by_score(cosine)
    return measure(name, setting.answerable, rankings)


def languages_table(setting: Setting) -> str:
    """Ways of taking the language out of the vectors, by cosine alone; then by kind, of development and fresh queries."""
    rows = [
        measure(centring.name, setting.answerable, by_score(setting.with_centring(centring).cosine))
        for centring in centrings(setting.packaged)
    ]
    chosen = next(row for row in rows if row.name == setting.centring.name)
    kinds = [kinds_table(rows, setting.answerable, parts) for parts in (DEVELOPED, [Part.FRESH])]
    return "\n\n".join((result_table(rows, setting.answerable, chosen), *kinds))


Embed = Callable[[Corpus, VectorCache], Floats]


def _recipes() -> Iterator[tuple[str, Embed]]:
    yield "the unit alone", _alone
    yield "the unit with its two neighbours", _with_neighbours
    yield "heading path and the unit before as context", _context
    yield "heading path as context", _late(1)
    for tokens in SIZES:
        yield f"late chunking, {tokens} tokens", _late(tokens)
    yield f"late chunking, {PASSAGE_TOKENS} tokens, without headings", _late(PASSAGE_TOKENS, lambda _path: "")
    yield (
        f"late chunking, {PASSAGE_TOKENS} tokens, last heading only",
        _late(PASSAGE_TOKENS, lambda path: "".join(path[-1:])),
    )
    yield f"late chunking, {PASSAGE_TOKENS} tokens, title in front", _with_title
    for tokens in (256, 512):
        yield f"late chunking across sections, {tokens} tokens", _across_sections(tokens)


def _alone(corpus: Corpus, cache: VectorCache) -> Floats:
    return cache.embed_passages([Passage.whole(unit.text) for unit in corpus.units])


def _with_neighbours(corpus: Corpus, cache: VectorCache) -> Floats:
    passages = []
    for document in corpus.documents:
        for prepared in document.passages:
            texts = [unit.text for unit in prepared.units]
            passages += [
                Passage.whole("\n".join(texts[max(0, place - 1) : place + 2])) for place in range(len(texts))
            ]
    return cache.embed_passages(passages)


def _context(_corpus: Corpus, cache: VectorCache) -> Floats:
    return cache.embed_passages(read_corpus(Recipe.CONTEXT).passages)


def _with_title(corpus: Corpus, cache: VectorCache) -> Floats:
    return cache.embed_passages(
        [_titled(p.passage, d, p.units[0].heading_path) for d in corpus.documents for p in d.passages]
    )


def _late(tokens: int, heading: Callable[[tuple[str, ...]], str] | None = None) -> Embed:
    def embed(_corpus: Corpus, cache: VectorCache) -> Floats:
        with constants(passage_tokens=tokens, heading=heading):
            return cache.embed_passages(read_corpus().passages)

    return embed


def _titled(passage: Passage, document: SampleDocument, path: tuple[str, ...]) -> Passage:
    """The document's title in front, where the heading path does not begin with it."""
    title = document.title or document.filename.split(".")[0]
    if document.split_by_lines or title in path:
        return passage
    front = f"{title}\n"
    return Passage(front + passage.text, _moved(passage, len(front)))


def _moved(passage: Passage, by: int) -> tuple[Span, ...]:
    return tuple(Span(start + by, end + by) for start, end in passage.spans)


def _across_sections(tokens: int) -> Embed:
    """Passages of a document joined as long as they fit, each with its headings."""

    def embed(corpus: Corpus, cache: VectorCache) -> Floats:
        packed: list[Passage] = []
        for document in corpus.documents:
            passages = [prepared.passage for prepared in document.passages]
            if document.split_by_lines:
                packed += passages
                continue
            counts = np.cumsum(cache.embedder.count_tokens([passage.text for passage in passages]))
            starts = [0]
            for place, total in enumerate(counts):
                before = counts[starts[-1] - 1] if starts[-1] else 0
                if total - before > tokens and place > starts[-1]:
                    starts.append(place)
            packed += [
                _join(passages[start:end]) for start, end in zip(starts, [*starts[1:], None], strict=True)
            ]
        return cache.embed_passages(packed)

    return embed


def _join(passages: list[Passage]) -> Passage:
    text, spans = "", list[Span]()
    for passage in passages:
        text += "\n\n" if text else ""
        spans += _moved(passage, len(text))
        text += passage.text
    return Passage(text, tuple(spans))


def units_table(setting: Setting) -> str:
    """Each size, fused; larger units are easier to hit, so sizes compare only with that in mind."""
    rows = []
    product = (PRODUCT_SHORT_COLUMNS, LONG_CHARS)
    sizes = [(short, LONG_CHARS) for short in SHORT_COLUMNS] + [(PRODUCT_SHORT_COLUMNS, 300)]
    for short, long in sizes:
        with constants(short_columns=short, long_chars=long):
            variant = setting.with_corpus(read_corpus())
        name = f"at least {short} columns, at most {long} characters: {len(variant.corpus.units)} units"
        rows.append(_measured(variant, name, variant.vectors, fused=True))
    return result_table(rows, setting.answerable, rows[sizes.index(product)])
