"""Any OpenAI-compatible `/embeddings` endpoint as an embedder."""

import base64
import binascii
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Final

import numpy as np

from docradar import endpoints
from docradar.documents import Passage
from docradar.embedding.profiles import make_profile, query_prompt
from docradar.embedding.protocol import ModelProfile, Vectors
from docradar.endpoints import EndpointKind, JsonEndpoint
from docradar.errors import ConfigurationError, EmbeddingError, UnavailableError

_BATCH_TEXTS: Final = 32
_BATCH_BYTES: Final = 128_000
_ASSUMED_MAX_TOKENS: Final = 512
_BYTES_PER_TOKEN: Final = 3
_KIND: Final = EndpointKind("embeddings", "embedding_url", EmbeddingError)


class RemoteEmbedder:
    """Embeds through `POST {url}/embeddings`. Every span is a text of its own: token vectors stay at the endpoint.

    What may pass (429, 5xx, a broken connection) is tried once more where that can begin within 2 s. Then it is an
    UnavailableError: whoever asked knows better how to wait than a thread that others share.
    """

    def __init__(
        self,
        endpoint: "Endpoint",
        model: str,
        *,
        dim: int,
        truncate_dim: int = 0,
    ) -> None:
        self._endpoint = endpoint
        self._full_dim = dim
        self.profile: ModelProfile = make_profile(
            model,
            revision="",
            dim=truncate_dim or dim,
            max_tokens=_ASSUMED_MAX_TOKENS,
            pooling="remote",
        )

    @classmethod
    def connect(
        cls, url: str, *, api_key: str = "", model: str = "", truncate_dim: int = 0
    ) -> "RemoteEmbedder":
        """Asks the endpoint for its first model, if none is named, and embeds a word to learn the dimension.

        Raises:
            ConfigurationError: It does not answer, refuses, or gives fewer dimensions than `truncate_dim`.
        """
        endpoint = Endpoint(url, api_key)
        try:
            model = model or endpoint.first_model()
            dim = endpoint.probe(model)
            if truncate_dim > dim:
                raise ConfigurationError(
                    f"setting truncate_dim is {truncate_dim}, but {model} has {dim} dimensions"
                )
        except (EmbeddingError, UnavailableError) as error:
            endpoint.close()
            raise ConfigurationError(
                f"{error}. Check the settings embedding_url, embedding_api_key and model"
            ) from error
        except ConfigurationError:
            endpoint.close()
            raise
        return cls(endpoint, model, dim=dim, truncate_dim=truncate_dim)

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        texts = list(chain.from_iterable(_texts(passage) for passage in passages))
        vectors = self._embed(texts, self.profile.passage_prompt)
        ends = np.cumsum([len(passage.spans) for passage in passages])
        return np.split(vectors, ends[:-1]) if passages else []

    def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
        return self._embed(queries, query_prompt(self.profile, instruction))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An estimate from the size in UTF-8, rather too high: the endpoint's tokenizer is not known here."""
        return [-(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN) for text in texts]

    def close(self) -> None:
        self._endpoint.close()

    def _embed(self, texts: Sequence[str], prompt: str) -> Vectors:
        parts = [
            self._endpoint.embed(self.profile.id, batch, dim=self._full_dim)
            for batch in _batches([prompt + text for text in texts])
        ]
        if not parts:
            return np.zeros((0, self.profile.dim), np.float32)
        vectors = np.concatenate(parts)[:, : self.profile.dim]
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise EmbeddingError(f"{self._endpoint} gave a vector that is zero or not finite")
        unit: Vectors = vectors / norms
        return unit


class Endpoint:
    """The HTTP side: replies are checked for what they claim to be.

    Every request raises UnavailableError where the endpoint may answer later.
    """

    def __init__(self, url: str, api_key: str = "", *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._json = JsonEndpoint(_KIND, url, api_key, sleep=sleep)
        self._encoding = "base64"

    def __str__(self) -> str:
        return str(self._json)

    def first_model(self) -> str:
        reply = self._json.request("GET", "/models")
        try:
            return str(reply["data"][0]["id"])
        except (KeyError, IndexError, TypeError) as error:
            raise EmbeddingError(f"{self} lists no model; name one in the setting model") from error

    def probe(self, model: str) -> int:
        """The dimension of its vectors. Falls back to vectors as JSON numbers where base64 is refused, if only by a 500."""
        try:
            return len(self.embed(model, ["probe"])[0])
        except (EmbeddingError, UnavailableError):
            self._encoding = "float"
            return len(self.embed(model, ["probe"])[0])

    def embed(self, model: str, texts: Sequence[str], *, dim: int | None = None) -> Vectors:
        """float32 (texts, dim), as the endpoint gives them, in the order of `texts`.

        Raises:
            EmbeddingError: It refused, or answered with anything but these vectors.
        """
        body = {"model": model, "input": list(texts), "encoding_format": self._encoding}
        reply = self._json.request("POST", "/embeddings", body)
        try:
            entries = sorted(reply["data"], key=lambda entry: entry["index"])
            vectors = np.stack([_decoded(entry["embedding"]) for entry in entries])
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise EmbeddingError(f"{self} answered with something else than embeddings: {error!r}") from error
        expected = (len(texts), dim or vectors.shape[-1])
        if vectors.ndim != 2 or vectors.shape != expected:
            raise EmbeddingError(
                f"{self} answered with vectors of shape {vectors.shape} instead of {expected}; was its model changed?"
            )
        return vectors

    def close(self) -> None:
        self._json.close()


def shown_url(url: str) -> str:
    """The URL without what may be a secret in it.

    Raises:
        ConfigurationError: It is not one of an HTTP endpoint.
    """
    return endpoints.shown_url(url, _KIND.setting)


def _texts(passage: Passage) -> list[str]:
    """A single span stands for the whole text, which may give it context; several stand for themselves."""
    if len(passage.spans) == 1:
        return [passage.text]
    return [passage.text[start:end] for start, end in passage.spans]


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size_bytes = 0
    for text in texts:
        text_bytes = len(text.encode(errors="replace"))
        if batch and (len(batch) == _BATCH_TEXTS or size_bytes + text_bytes > _BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(text)
        size_bytes += text_bytes
    if batch:
        yield batch


def _decoded(embedding: object) -> Vectors:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), "<f4")
    return np.asarray(embedding, np.float32)
