"""The seam between docradar and whatever turns text into vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from docradar.documents import Passage, Recipe

__all__ = ["Embedder", "ModelProfile", "Recipe", "Vectors"]

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """All that decides what a vector means. Two profiles with equal fingerprints give comparable vectors.

    `centre` is the digest of the means that are subtracted; empty where none are. A hit is strong where its cosine and a share
    of `keyword_bonus` come to `strong_score`.
    """

    id: str
    revision: str
    dim: int
    max_tokens: int
    pooling: str
    query_prompt: str
    passage_prompt: str
    recipe: Recipe
    strong_score: float
    takes_instruction: bool = False
    centre: str = ""
    keyword_bonus: float = 0.0


class Embedder(Protocol):
    """Text → L2-normalised float32 vectors. Blocking; the scheduler keeps it off the event loop.

    Queries come on one thread and passages on another, so the two may run at once.
    """

    @property
    def profile(self) -> ModelProfile: ...

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        """One array a passage, float32 (spans, dim), each row L2-normalised, in the order given.

        Raises:
            EmbeddingError: The model, or the endpoint, failed for good.
            UnavailableError: The endpoint may answer later.
        """
        ...

    def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
        """float32 (queries, dim), each row L2-normalised."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens the model sees of each text, without prompts and special tokens."""
        ...

    def close(self) -> None:
        """Gives up connections and the like; called once, after the last text."""
        ...
