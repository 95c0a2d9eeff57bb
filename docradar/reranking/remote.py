"""Any `/rerank` endpoint in the shape of Jina's and Cohere's as a reranker."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from docradar.endpoints import EndpointKind, JsonEndpoint
from docradar.errors import RerankError
from docradar.reranking.protocol import Relevance

_KIND: Final = EndpointKind("rerank", "rerank_url", RerankError)
_INSTRUCTION: Final = "instruction"


class RemoteReranker:
    """Reranks through `POST {url}/rerank`; all texts of a call go in one request.

    An instruction is sent only where there is one, as `instruction`, since most servers do not know it.
    """

    def __init__(
        self, url: str, model: str, *, api_key: str = "", sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Nothing is asked of the endpoint yet.

        Raises:
            ConfigurationError: `url` is not one of an HTTP endpoint.
        """
        self.model = model
        self._endpoint = JsonEndpoint(_KIND, url, api_key, sleep=sleep)

    def rerank(self, query: str, texts: Sequence[str], instruction: str | None = None) -> Relevance:
        if not texts:
            return np.zeros(0, np.float32)
        body: dict[str, object] = {
            "model": self.model,
            "query": query,
            "documents": list(texts),
            "top_n": len(texts),
        }
        if instruction:
            body[_INSTRUCTION] = instruction
        return self._scores(self._endpoint.request("POST", "/rerank", body), len(texts))

    def close(self) -> None:
        self._endpoint.close()

    def _scores(self, reply: Any, count: int) -> Relevance:
        try:
            given = [(result["index"], float(result["relevance_score"])) for result in reply["results"]]
        except (KeyError, TypeError, ValueError) as error:
            raise RerankError(
                f"{self._endpoint} answered with something else than results: {error!r}"
            ) from error
        indexes = [index for index, _ in given]
        if any(type(index) is not int for index in indexes) or sorted(indexes) != list(range(count)):
            raise RerankError(
                f"{self._endpoint} answered with {len(given)} results for {count} texts, or not with one for each "
                "index from 0; does it honour top_n?"
            )
        scores = np.array([score for _, score in sorted(given)], np.float64)
        if not ((scores >= 0) & (scores <= 1)).all():
            raise RerankError(
                f"{self._endpoint} gave a relevance_score that is not within 0 and 1; have it normalise its scores"
            )
        return scores.astype(np.float32)
