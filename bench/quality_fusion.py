"""Tables `fusion`, `depth`, `context`, `digits` and `queries`: cosine and BM25 together, and what each sees of a query."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple
from unittest.mock import patch

import numpy as np

from bench.quality_corpus import DEVELOPED, Floats, Part
from bench.quality_scores import (
    Indices,
    KeywordScores,
    Measured,
    by_score,
    keyword_index,
    mean_max,
    measure,
    min_max,
    normalised_sum,
    over_max,
    query_in_parts,
    query_in_whole,
    search_hybrid,
    side,
    units_of,
    z_score,
)
from bench.quality_setting import PRODUCT_DEPTH, Setting, kinds_table, result_table
from docradar.documents import Passage
from docradar.embedding.centring import han_shares
from docradar.evaluation.metrics import Metric
from docradar.keywords import CONTEXT_WEIGHT, IDENTIFIER_WEIGHT, looks_up, query_keywords
from docradar.searching import fusion
from docradar.searching.fusion import (
    FULL_KEYWORD_SCORE,
    IDENTIFIER_KEYWORD_WEIGHT,
    KEYWORD_WEIGHT,
    Fusion,
    FusionMethod,
    fuse,
)

WEIGHTS: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
LOOKUP_WEIGHTS: Final = (0.1, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
RRF_KS: Final = (2, 10, 60)
DEPTHS: Final = (20, 50, PRODUCT_DEPTH, 200, 400)
CONTEXT_WEIGHTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
DIGIT_WEIGHTS: Final = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0)
IDENTIFIER_WEIGHTS: Final = (1.0, 2.0, 3.0, 5.0)


class Asked(NamedTuple):
    """A query with its scores over all units, and what BM25 would give were each of its tokens there with weight 1."""

    text: str
    cosine: Floats
    bm25: Floats
    idf_sum: float


def asked(
    setting: Setting, *, cosine: Floats | None = None, words: KeywordScores | None = None
) -> list[Asked]:
    """The answerable queries, with other scores than the setting's where they are given."""
    words = words or setting.words
    texts = [query.judgement.query for query in setting.answerable]
    rows = zip(
        texts, setting.cosine if cosine is None else cosine, words.bm25, words.idf_sums.tolist(), strict=True
    )
    return [Asked(*row) for row in rows]


Rank = Callable[[Asked, float], Indices]
"""A query and the weight of BM25, cosine having 1 → units, best first."""


@dataclass(frozen=True)
class Method:
    """A way of fusing."""

    name: str
    rank: Rank

    def rankings(
        self, setting: Setting, weight: float, lookup_weight: float = IDENTIFIER_KEYWORD_WEIGHT
    ) -> list[Indices]:
        """`lookup_weight` goes for queries that hold an identifier."""
        return [self.rank(one, lookup_weight if looks_up(one.text) else weight) for one in asked(setting)]


def methods(setting: Setting) -> list[Method]:
    """All of them. The fixed span of cosines is from the mean of all pairs to that of each query's best."""
    development = [query.part is not Part.FRESH for query in setting.answerable]
    cosine = setting.cosine[development]
    unrelated, best = float(cosine.mean()), float(cosine.max(1).mean())
    cosines = {
        "(cos − min) / (max − min)": min_max,
        "(cos − mean) / (max − mean)": mean_max,
        "z-score of cos": z_score,
        f"(cos − {unrelated:.2f}) / {best - unrelated:.2f}": lambda scores: (
            (scores - unrelated) / (best - unrelated)
        ),
    }
    least = FULL_KEYWORD_SCORE
    keywords: dict[str, Callable[[Floats, float], Floats]] = {
        "BM25 / max": lambda scores, _: over_max(scores),
        f"BM25 / max(max, {least:.0f})": lambda scores, _: scores / max(float(scores.max()), least),
        f"BM25 / {least:.0f}": lambda scores, _: scores / least,
        "BM25 / ΣIDF": lambda scores, total: scores / total if total else scores,
    }
    return [
        *(Method(f"RRF, k {k}", partial(_by_rank, k=k)) for k in RRF_KS),
        product_method(),
        *(
            Method(f"{shape} + w · {form}", partial(_by_score, cosine=cosine, keyword=keyword))
            for shape, cosine in cosines.items()
            for form, keyword in keywords.items()
            if (cosine, form) != (min_max, f"BM25 / max(max, {least:.0f})")
        ),
    ]


def product_method() -> Method:
    """The product's own sum of scores."""
    name = f"the product's: (cos − min) / (max − min) + w · BM25 / max(max, {FULL_KEYWORD_SCORE:.0f})"
    return Method(name, partial(_by_product, method=FusionMethod.SCORES))


def _by_product(one: Asked, weight: float, *, method: FusionMethod) -> Indices:
    found = search_hybrid(one.cosine, one.bm25, PRODUCT_DEPTH)
    return units_of(fuse(found, one.text, Fusion(method, keyword_weight=weight)))


def _by_rank(one: Asked, weight: float, *, k: int) -> Indices:
    with patch.object(fusion, "RRF_K", k):
        return _by_product(one, weight, method=FusionMethod.RRF)


def _by_score(
    one: Asked,
    weight: float,
    *,
    cosine: Callable[[Floats], Floats],
    keyword: Callable[[Floats, float], Floats],
) -> Indices:
    return normalised_sum(
        side(one.cosine, PRODUCT_DEPTH),
        side(one.bm25, PRODUCT_DEPTH, positive=True),
        cosine,
        lambda found: keyword(found, one.idf_sum),
        weight,
    )


def product_rankings(
    setting: Setting,
    *,
    cosine: Floats | None = None,
    words: KeywordScores | None = None,
    depth: int = PRODUCT_DEPTH,
) -> list[Indices]:
    """Units as the product's hybrid mode ranks them, by these scores."""
    return [
        units_of(fuse(search_hybrid(one.cosine, one.bm25, depth), one.text, Fusion()))
        for one in asked(setting, cosine=cosine, words=words)
    ]


def fusion_table(setting: Setting) -> str:
    """nDCG@10 by method and weight, then each method at its best weight on the first half."""
    queries = setting.answerable
    base = measure("the product", queries, product_rankings(setting))
    best = [
        measure("BM25 alone", queries, by_score(setting.words.bm25)),
        measure("cosine alone", queries, by_score(setting.cosine)),
        base,
    ]
    grid = []
    for method in methods(setting):
        runs = [
            measure(f"{method.name}, w {weight}", queries, method.rankings(setting, weight))
            for weight in WEIGHTS
        ]
        grid.append((method.name, runs))
        best.append(max(runs, key=lambda run: run.mean(Metric.NDCG_10, queries, parts=[Part.FIRST])))
    return "\n\n".join(
        (
            _grid(setting, WEIGHTS, grid),
            result_table(best, queries, base),
            kinds_table(best[:3], queries),
            _lookups(setting),
        )
    )


def _lookups(setting: Setting) -> str:
    """The product's fusion with another weight of BM25 for queries that hold an identifier."""
    queries = setting.answerable
    rows = [
        measure(
            f"w {weight} for identifiers", queries, product_method().rankings(setting, KEYWORD_WEIGHT, weight)
        )
        for weight in LOOKUP_WEIGHTS
    ]
    return result_table(rows, queries, rows[LOOKUP_WEIGHTS.index(IDENTIFIER_KEYWORD_WEIGHT)])


def _grid(setting: Setting, columns: Iterable[object], rows: Iterable[tuple[str, Sequence[Measured]]]) -> str:
    """nDCG@10, first half/second half."""
    names = [str(column) for column in columns]
    lines = ["| w | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for name, runs in rows:
        figures = [
            "/".join(
                f"{run.mean(Metric.NDCG_10, setting.answerable, parts=[half]):.3f}"[1:] for half in DEVELOPED
            )
            for run in runs
        ]
        lines.append(f"| {name} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def depth_table(setting: Setting) -> str:
    """The product's fusion with other numbers of candidates a side."""
    queries = setting.answerable
    rows = [
        measure(f"{depth} candidates a side", queries, product_rankings(setting, depth=depth))
        for depth in DEPTHS
    ]
    return result_table(rows, queries, rows[DEPTHS.index(PRODUCT_DEPTH)])


def context_table(setting: Setting) -> str:
    """What BM25 knows of a unit's surroundings: alone, then fused."""
    variants: list[tuple[str, dict[str, float]]] = [
        (f"headings and neighbours at {weight}", {"context_weight": weight}) for weight in CONTEXT_WEIGHTS
    ]
    variants += [
        ("headings alone at 0.5", {"neighbours": False}),
        ("neighbours alone at 0.5", {"headings": False}),
    ]
    queries = [query_keywords(query.judgement.query) for query in setting.answerable]
    scores = [(name, keyword_index(setting.corpus, **options).scores(queries)) for name, options in variants]
    return _alone_and_fused(setting, scores, CONTEXT_WEIGHTS.index(CONTEXT_WEIGHT))


def digits_table(setting: Setting) -> str:
    """Parts of identifiers at another weight in the query, and identifiers in whole as tokens of their own."""
    texts = [query.judgement.query for query in setting.answerable]
    parts = keyword_index(setting.corpus, whole_identifiers=False)
    scores = [
        (f"tokens with a digit weigh {weight}", parts.scores(query_in_parts(text, weight) for text in texts))
        for weight in DIGIT_WEIGHTS
    ]
    scores += [
        (
            f"identifiers in whole too, weight {weight}",
            setting.keywords.scores(query_in_whole(text, weight) for text in texts),
        )
        for weight in IDENTIFIER_WEIGHTS
    ]
    product = len(DIGIT_WEIGHTS) + IDENTIFIER_WEIGHTS.index(IDENTIFIER_WEIGHT)
    return _alone_and_fused(setting, scores, product)


def _alone_and_fused(setting: Setting, scores: list[tuple[str, KeywordScores]], base: int) -> str:
    queries = setting.answerable
    alone = [measure(name, queries, by_score(words.bm25)) for name, words in scores]
    fused = [
        measure(f"{name}, fused", queries, product_rankings(setting, words=words)) for name, words in scores
    ]
    return "\n\n".join(result_table(rows, queries, rows[base]) for rows in (alone, fused))


def queries_table(setting: Setting) -> str:
    """Bare keywords as a question, and other prompts: by cosine alone."""
    texts = [query.judgement.query for query in setting.answerable]
    keyword = np.array([query.kind in ("keyword", "identifier") for query in setting.answerable])
    forms: dict[str, Callable[[str], str]] = {
        "as typed": lambda text: text,
        "X是什么 / what is X": lambda text: f"{text}是什么" if _is_chinese(text) else f"what is {text}",
        "关于X的说明 / about X": lambda text: f"关于{text}的说明" if _is_chinese(text) else f"about {text}",
        "X？ / X?": lambda text: text + ("？" if _is_chinese(text) else "?"),
    }
    rows = [
        measure(
            name,
            setting.answerable,
            by_score(
                setting.vectors_of_texts([form(t) if k else t for t, k in zip(texts, keyword, strict=True)])
                @ setting.vectors.T
            ),
        )
        for name, form in forms.items()
    ]
    vectors = setting.packaged.embed_passages([Passage.whole(text) for text in texts])
    as_passages = setting.centring.of(vectors, "passage", texts)
    rows.append(
        measure("with the passages' prompt", setting.answerable, by_score(as_passages @ setting.vectors.T))
    )
    return "\n\n".join(
        (result_table(rows, setting.answerable, rows[0]), kinds_table(rows, setting.answerable))
    )


def _is_chinese(text: str) -> bool:
    return bool(han_shares([text])[0] >= 0.5)
