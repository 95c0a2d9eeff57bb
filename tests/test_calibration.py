"""The threshold of a model, from units alone."""

from collections.abc import Sequence

import numpy as np
import pytest

from docradar.calibration import MIN_UNITS, QUERIES, CosineCalibration, Vectors, calibrate
from docradar.errors import InvalidRequestError

DIM = 8


def embedding(texts: Sequence[str]) -> Vectors:
    """Unit vectors that only depend on the text."""
    rows = [np.random.default_rng(list(text.encode())).normal(size=DIM) for text in texts]
    vectors = np.asarray(rows, np.float32).reshape(-1, DIM)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def corpus(units: int, documents: int) -> tuple[list[str], list[str], Vectors]:
    texts = [f"unit {number}" for number in range(units)]
    return texts, [f"document {number % documents}" for number in range(units)], embedding(texts)


def calibrated(units: int, documents: int) -> CosineCalibration:
    return calibrate(*corpus(units, documents), embedding)


def test_figures_are_those_of_pairs_across_documents() -> None:
    texts, document_ids, vectors = corpus(60, 4)
    found = calibrate(texts, document_ids, vectors, embedding)
    pairs = [
        [float(vectors[i] @ vectors[j]) for j in range(60) if document_ids[i] != document_ids[j]]
        for i in range(60)
    ]
    nearest = [max(row) for row in pairs]
    assert found.strong_score == pytest.approx(np.quantile(nearest, 0.05), abs=1e-5)
    assert found.nearest_50 == pytest.approx(np.median(nearest), abs=1e-5)
    assert found.unrelated_mean == pytest.approx(np.mean(pairs), abs=1e-5)
    assert (found.queries, found.units, found.documents) == (60, 60, 4)


def test_units_of_the_same_document_do_not_count() -> None:
    """Each document repeats one vector: its own units have cosine 1, those of the other -1."""
    documents = ["one", "other"] * MIN_UNITS
    vectors = np.array([[1.0], [-1.0]] * MIN_UNITS, np.float32)
    found = calibrate(
        documents,
        documents,
        vectors,
        lambda texts: np.array([[1.0 if text == "one" else -1.0] for text in texts], np.float32),
    )
    assert found.strong_score == found.nearest_95 == found.unrelated_99 == -1.0


def test_quantiles_are_in_order_and_the_score_is_one_of_them() -> None:
    found = calibrated(200, 10)
    assert found.strong_score == found.nearest_5 < found.nearest_50 < found.nearest_95 <= 1
    assert found.unrelated_50 < found.unrelated_99


def test_many_units_are_sampled_alike_each_time() -> None:
    asked: list[int] = []

    def counting(texts: Sequence[str]) -> Vectors:
        asked.append(len(texts))
        return embedding(texts)

    first, second = (calibrate(*corpus(3 * QUERIES, 5), counting) for _ in range(2))
    assert first == second
    assert asked == [QUERIES, QUERIES]


@pytest.mark.parametrize(("units", "documents"), [(0, 1), (MIN_UNITS - 1, 2), (MIN_UNITS, 1)])
def test_too_little_is_refused_with_the_remedy(units: int, documents: int) -> None:
    with pytest.raises(InvalidRequestError, match=r"too few.*ingest at least 50 units of 2 documents"):
        calibrated(units, documents)
