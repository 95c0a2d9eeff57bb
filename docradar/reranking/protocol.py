"""The seam between docradar and whatever judges how well a text answers a query."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Relevance = NDArray[np.float32]


class Reranker(Protocol):
    """A query and texts → how relevant each is, 0 to 1. Blocking; `RerankService` keeps it on a thread of its own."""

    @property
    def model(self) -> str: ...

    def rerank(self, query: str, texts: Sequence[str], instruction: str | None = None) -> Relevance:
        """float32 (texts,) in [0, 1], in the order given; a model that takes no instruction ignores it.

        Raises:
            RerankError: The model, or the endpoint, failed for good.
            UnavailableError: The endpoint may answer later.
        """
        ...

    def close(self) -> None:
        """Gives up connections and the like; called once, after the last text."""
        ...
