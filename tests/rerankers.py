"""A reranker that counts words, for tests of what is around a reranker."""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from docradar.reranking.protocol import Relevance, Reranker


@dataclass
class WordReranker:
    """The share of the query's words that a text holds. `poison` fails it; `go` can hold it still."""

    model: str = "words"
    go: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    calls: list[tuple[str, list[str]]] = field(default_factory=list)
    closed: bool = False

    def __post_init__(self) -> None:
        self.go.set()

    def rerank(self, query: str, texts: Sequence[str], instruction: str | None = None) -> Relevance:
        self.calls.append((query, list(texts)))
        self.entered.release()
        assert self.go.wait(30)
        if query == "poison":
            raise ValueError(query)
        words = set(re.findall(r"\w+", query))
        return np.array(
            [len(words & set(re.findall(r"\w+", text))) / max(len(words), 1) for text in texts], "f4"
        )

    def close(self) -> None:
        self.closed = True


def loading_until(go: threading.Event, reranker: Reranker) -> Callable[[], Reranker]:
    """Loads the reranker for as long as `go` is not set."""

    def load() -> Reranker:
        assert go.wait(30)
        return reranker

    return load
