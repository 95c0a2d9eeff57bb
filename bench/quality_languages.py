"""Ways of taking out of a multilingual model's vectors what they say of the language instead of the meaning.

All are made from the parallel texts in bench/centre_texts, which have nothing to do with the samples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.make_centre import MODEL, pairs
from bench.quality_corpus import Floats, VectorCache
from docradar.documents import Passage
from docradar.embedding.centring import Centre, Role

Transform = Callable[[Floats, Role, Sequence[str]], Floats]


@dataclass(frozen=True)
class Centring:
    """`transform` takes vectors and the texts they are of; what it returns needs no length of 1."""

    name: str
    transform: Transform

    def of(self, vectors: Floats, role: Role, texts: Sequence[str]) -> Floats:
        """L2-normalised."""
        return normalised(self.transform(vectors, role, texts))


def normalised(vectors: Floats) -> Floats:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def means_of(cache: VectorCache) -> Floats:
    """(2, 2, dim): of passages and of queries, each in Chinese and in English; as bench.make_centre computes them."""
    english, chinese = pairs("passages")
    asked_english, asked_chinese = pairs("questions")
    passages = [cache.embed_passages([Passage.whole(text) for text in texts]) for texts in (chinese, english)]
    queries = [cache.embed_queries(texts) for texts in (asked_chinese, asked_english)]
    return np.array([[vectors.mean(0) for vectors in role] for role in (passages, queries)])


def product_centring() -> Centring:
    """Each language's and role's own mean is subtracted, as the product does."""
    return Centring("languages centred", Centre.load(MODEL).centred)


def untouched() -> Centring:
    return Centring("as the model gives them", lambda vectors, _role, _texts: vectors)


def centrings(cache: VectorCache) -> list[Centring]:
    """The candidates."""
    means = means_of(cache)
    by_role = {"passage": means[0].mean(0), "query": means[1].mean(0)}
    everything = means.mean((0, 1))
    gaps = means[:, 0] - means[:, 1]
    directions = np.linalg.qr(gaps.T)[0].T
    with_role = np.linalg.qr(np.stack([*gaps, by_role["passage"] - by_role["query"]]).T)[0].T

    def without(vectors: Floats, rows: Floats) -> Floats:
        return vectors - vectors @ rows.T @ rows

    return [
        untouched(),
        Centring("all centred alike", lambda vectors, _role, _texts: vectors - everything),
        Centring("passages and queries centred", lambda vectors, role, _texts: vectors - by_role[role]),
        Centring("language directions removed", lambda vectors, _role, _texts: without(vectors, directions)),
        Centring(
            "all centred alike, directions of language and role removed (one linear map)",
            lambda vectors, _role, _texts: without(vectors - everything, with_role),
        ),
        Centring(
            "passages and queries centred, language directions removed",
            lambda vectors, role, _texts: without(vectors - by_role[role], directions),
        ),
        product_centring(),
    ]
