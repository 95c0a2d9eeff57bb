"""From which cosine on a hit is strong, found out from the user's own units, without judged queries.

A unit asked as if it were a query says nothing that the units of other documents answer, yet the nearest of them has some
cosine: what this model gives in this corpus to texts of the same field, language and style that are no answer. Nearly all
units find a neighbour above the `STRONG_QUANTILE` of these cosines, so a query whose best hit stays below it has less to
do with the corpus than its own documents have with each other. docs/quality.md compares this rule with others, over two
models.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docradar.errors import InvalidRequestError

Vectors = NDArray[np.float32]

STRONG_QUANTILE: Final = 0.05
QUERIES: Final = 300
MIN_DOCUMENTS: Final = 2
MIN_UNITS: Final = 50
"""With fewer, the quantile is that of two or three units."""
_SEED: Final = 20_260


@dataclass(frozen=True, slots=True)
class CosineCalibration:
    """Cosines of texts that do not answer each other.

    `unrelated_*` are of all pairs of a query and a unit of another document, `nearest_*` of each query's best such unit;
    numbers are percentiles. `queries` and `units` say how many there were of each.
    """

    strong_score: float
    queries: int
    units: int
    documents: int
    unrelated_mean: float
    unrelated_50: float
    unrelated_99: float
    nearest_5: float
    nearest_50: float
    nearest_95: float


def calibrate(
    texts: Sequence[str],
    document_ids: Sequence[str],
    vectors: Vectors,
    embed_queries: Callable[[Sequence[str]], Vectors],
) -> CosineCalibration:
    """The threshold and what it comes from; the same input gives the same result.

    `texts` are units with the ids of their documents and their stored `vectors`, float32 (units, dim), L2-normalised.
    At most `QUERIES` of them go through `embed_queries`, which returns the like. The nearest of more units is nearer, so
    samples of about 2,000 units are comparable with the measurements, and far fewer give too low a score.

    Raises:
        InvalidRequestError: There are too few units, or all are of one document.
    """
    documents = len(set(document_ids))
    if len(texts) < MIN_UNITS or documents < MIN_DOCUMENTS:
        raise InvalidRequestError(
            f"{len(texts)} units of {documents} documents are too few to calibrate with; ingest at least "
            f"{MIN_UNITS} units of {MIN_DOCUMENTS} documents first, or set strong_score by hand"
        )
    chosen = np.sort(np.random.default_rng(_SEED).choice(len(texts), min(QUERIES, len(texts)), replace=False))
    cosines = embed_queries([texts[place] for place in chosen]) @ vectors.T
    _, document_numbers = np.unique(np.asarray(document_ids), return_inverse=True)
    elsewhere = document_numbers[chosen][:, None] != document_numbers[None, :]
    unrelated = cosines[elsewhere]
    nearest = np.where(elsewhere, cosines, -np.inf).max(axis=1)
    return CosineCalibration(
        strong_score=float(np.quantile(nearest, STRONG_QUANTILE)),
        queries=len(chosen),
        units=len(texts),
        documents=documents,
        unrelated_mean=float(unrelated.mean()),
        unrelated_50=float(np.quantile(unrelated, 0.5)),
        unrelated_99=float(np.quantile(unrelated, 0.99)),
        nearest_5=float(np.quantile(nearest, 0.05)),
        nearest_50=float(np.quantile(nearest, 0.5)),
        nearest_95=float(np.quantile(nearest, 0.95)),
    )
