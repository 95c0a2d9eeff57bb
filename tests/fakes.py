"""Deterministic stand-ins behind the seams, for everybody's tests."""

import functools
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from docradar.documents import Passage
from docradar.embedding.protocol import ModelProfile, Recipe, Vectors

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")


def fake_profile(dim: int = 16, recipe: Recipe = Recipe.LATE_CHUNKING) -> ModelProfile:
    """A profile whose strong score suits `FakeEmbedder`'s vectors."""
    return ModelProfile(
        id="fake",
        revision="1",
        dim=dim,
        max_tokens=512,
        pooling="mean",
        query_prompt="",
        passage_prompt="",
        recipe=recipe,
        strong_score=0.6,
    )


@dataclass
class FakeEmbedder:
    """A hashed bag of words: equal texts give equal vectors, shared words near ones, in microseconds.

    A span's vector depends on its own text only. `passages_seen` and `queries_seen` record what was asked.
    """

    profile: ModelProfile = field(default_factory=fake_profile)
    passages_seen: list[Passage] = field(default_factory=list)
    queries_seen: list[str] = field(default_factory=list)
    closed: bool = False

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        self.passages_seen.extend(passages)
        return [
            np.stack([self._vector(passage.text[start:end]) for start, end in passage.spans])
            if passage.spans
            else np.zeros((0, self.profile.dim), np.float32)
            for passage in passages
        ]

    def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
        self.queries_seen.extend(queries)
        if not queries:
            return np.zeros((0, self.profile.dim), np.float32)
        return np.stack([self._vector(query) for query in queries])

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(_WORD.findall(text)) for text in texts]

    def close(self) -> None:
        self.closed = True

    def _vector(self, text: str) -> Vectors:
        vector = np.full(self.profile.dim, 1e-3)
        for word in _WORD.findall(text.lower()):
            vector += _word_vector(word, self.profile.dim)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@functools.cache
def _word_vector(word: str, dim: int) -> NDArray[np.float64]:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(dim)


class NoReranking:
    """For searches that ask for none."""

    async def rerank(self, query: str, texts: Sequence[str], instruction: str | None = None) -> list[float]:
        raise AssertionError("nothing was to be reranked")
