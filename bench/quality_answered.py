"""Table `answered`: by which rule a search says that nothing answers a question."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.quality_corpus import DEVELOPED, Floats, JudgedQuery, Part
from bench.quality_languages import untouched
from bench.quality_scores import KeywordScores
from bench.quality_setting import Setting
from docradar.searching.fusion import FULL_KEYWORD_SCORE

TARGET_PRECISION: Final = 0.8
TARGET_ANSWERED: Final = 0.9
SHARES: Final = (0.05, 0.1, 0.2, 0.3, 0.45)
CHOSEN: Final = "best of cosine + 0.2 · min(1, BM25 / 20)"
"""What the product does (docradar.searching.retrieval), over all units instead of the results."""


class Verdicts(NamedTuple):
    """Shares, as `docradar eval` computes them: of the verdict "unanswered", and of the answerable queries."""

    precision: float
    recall: float
    answered: float

    @property
    def f1(self) -> float:
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0

    def __str__(self) -> str:
        return " / ".join(f"{share:.2f}" for share in self)


@dataclass(frozen=True)
class Questions:
    """All queries with their scores over all units; `answerable` (queries,) is what should come out."""

    queries: list[JudgedQuery]
    cosine: Floats
    words: KeywordScores

    @property
    def answerable(self) -> NDArray[np.bool_]:
        return np.array([query.judgement.answerable for query in self.queries])

    def of(self, *parts: Part) -> NDArray[np.bool_]:
        """(queries,): which are of these parts."""
        return np.array([query.part in parts for query in self.queries])

    @property
    def coverage(self) -> Floats:
        sums = self.words.idf_sums[:, None]
        return np.divide(self.words.bm25, sums, out=np.zeros_like(self.words.bm25), where=sums > 0)


def questions_of(setting: Setting) -> Questions:
    queries = setting.queries
    return Questions(queries, setting.vectors_of(queries) @ setting.vectors.T, setting.words_of(queries))


Confidence = Callable[[Questions], Floats]
"""(queries,): how sure a rule is that there is an answer."""


def rules() -> dict[str, Confidence]:
    found: dict[str, Confidence] = {
        "top cosine": lambda q: q.cosine.max(1),
        "top cosine − mean": lambda q: q.cosine.max(1) - q.cosine.mean(1),
        "(top cosine − mean) / standard deviation": lambda q: (
            (q.cosine.max(1) - q.cosine.mean(1)) / q.cosine.std(1)
        ),
        "top cosine − 90 % quantile": lambda q: q.cosine.max(1) - np.quantile(q.cosine, 0.9, axis=1),
        "top cosine − 99 % quantile": lambda q: q.cosine.max(1) - np.quantile(q.cosine, 0.99, axis=1),
        "best BM25 / ΣIDF": lambda q: q.coverage.max(1),
        "best BM25": lambda q: q.words.bm25.max(1),
    }
    for share in SHARES:
        found[f"best of cosine + {share} · min(1, BM25 / 20)"] = lambda q, w=share: (
            q.cosine + w * np.minimum(1, q.words.bm25 / FULL_KEYWORD_SCORE)
        ).max(1)
        found[f"best of cosine + {share} · min(1, BM25 / ΣIDF)"] = lambda q, w=share: (
            q.cosine + w * np.minimum(1, q.coverage)
        ).max(1)
    return found


def verdicts(confidence: Floats, answerable: NDArray[np.bool_], threshold: float) -> Verdicts:
    """`threshold` and more is called answered."""
    unanswered = confidence < threshold
    right = int((unanswered & ~answerable).sum())
    return Verdicts(
        right / int(unanswered.sum()) if unanswered.any() else 1.0,
        right / int((~answerable).sum()),
        float((~unanswered[answerable]).mean()),
    )


def best_threshold(confidence: Floats, answerable: NDArray[np.bool_]) -> float:
    """That of the highest recall where both targets are met; of the highest F1 where none meets them."""
    found = [(verdicts(confidence, answerable, t), float(t)) for t in _thresholds(confidence)]
    good = [
        (v.recall, t) for v, t in found if v.precision >= TARGET_PRECISION and v.answered >= TARGET_ANSWERED
    ]
    return max(good or [(v.f1, t) for v, t in found])[1]


def _thresholds(confidence: Floats) -> Floats:
    ordered = np.unique(confidence)
    return (ordered[1:] + ordered[:-1]) / 2


def area(confidence: Floats, answerable: NDArray[np.bool_]) -> float:
    """How often an answerable query is rated above an unanswerable one (area under the ROC curve)."""
    right, wrong = confidence[answerable], confidence[~answerable]
    return float((right[:, None] > wrong[None]).mean())


def answered_table(setting: Setting) -> str:
    """Each rule with the threshold that is best on the first half, and what it gives on each part; over vectors whose
    languages are centred, then over the model's own."""
    return "\n\n".join(
        f"Vectors {chosen.centring.name}:\n\n{_rules_table(questions_of(chosen))}"
        for chosen in (setting, setting.with_centring(untouched()))
    )


def _rules_table(questions: Questions) -> str:
    lines = [
        "| rule | area | threshold | first half: precision / recall / answered | second half | both | fresh |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    answerable, developed, first = questions.answerable, questions.of(*DEVELOPED), questions.of(Part.FIRST)
    for name, rule in rules().items():
        confidence = rule(questions)
        threshold = best_threshold(confidence[first], answerable[first])
        parts = [first, questions.of(Part.SECOND), developed, questions.of(Part.FRESH)]
        shown = [str(verdicts(confidence[part], answerable[part], threshold)) for part in parts]
        rated = area(confidence[developed], answerable[developed])
        lines.append(f"| {name} | {rated:.3f} | {threshold:.4f} | {' | '.join(shown)} |")
    return "\n".join(lines)


def curve_table(setting: Setting) -> str:
    """The whole trade of two rules."""
    questions = questions_of(setting)
    return "\n\n".join(f"{name}:\n\n{_curve(questions, rules()[name])}" for name in ("top cosine", CHOSEN))


def _curve(questions: Questions, rule: Confidence) -> str:
    confidence, answerable = rule(questions), questions.answerable
    developed, fresh = questions.of(*DEVELOPED), questions.of(Part.FRESH)
    lines = ["| threshold | precision | recall | answered | fresh |", "|---:|---:|---:|---:|---:|"]
    for threshold in np.quantile(confidence[developed], np.arange(0.01, 0.42, 0.02)):
        shares = verdicts(confidence[developed], answerable[developed], float(threshold))
        shown = " | ".join(f"{share:.2f}" for share in shares)
        others = verdicts(confidence[fresh], answerable[fresh], float(threshold))
        lines.append(f"| {threshold:.3f} | {shown} | {others} |")
    return "\n".join(lines)
