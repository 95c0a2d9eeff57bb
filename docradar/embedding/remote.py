"""Any OpenAI-compatible `/embeddings` endpoint as an embedder."""

import base64
import binascii
import email.utils
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import httpx
import numpy as np

from docradar.documents import Passage
from docradar.embedding.profiles import make_profile, query_prompt
from docradar.embedding.protocol import ModelProfile, Vectors
from docradar.errors import ConfigurationError, EmbeddingError

logger = logging.getLogger(__name__)

_BATCH_TEXTS: Final = 32
_BATCH_BYTES: Final = 128_000
_ASSUMED_MAX_TOKENS: Final = 512
_BYTES_PER_TOKEN: Final = 3
_TIMEOUT_SECONDS: Final = 60.0
_BULK_ATTEMPTS: Final = 6
_QUERY_ATTEMPTS: Final = 2
_FIRST_BACKOFF_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 30.0
_MESSAGE_CHARS: Final = 200


class RemoteEmbedder:
    """Embeds through `POST {url}/embeddings`. Every span is a text of its own: token vectors stay at the endpoint.

    What may pass (429, 5xx, a broken connection) is tried again after a wait that doubles, with jitter, or after
    the endpoint's `Retry-After`, at most 30 s; a query only once, since somebody is waiting for it.
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
        except EmbeddingError as error:
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
        vectors = self._embed(texts, self.profile.passage_prompt, _BULK_ATTEMPTS)
        ends = np.cumsum([len(passage.spans) for passage in passages])
        return np.split(vectors, ends[:-1]) if passages else []

    def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
        return self._embed(queries, query_prompt(self.profile, instruction), _QUERY_ATTEMPTS)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """An estimate from the size in UTF-8, rather too high: the endpoint's tokenizer is not known here."""
        return [-(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN) for text in texts]

    def close(self) -> None:
        self._endpoint.close()

    def _embed(self, texts: Sequence[str], prompt: str, attempts: int) -> Vectors:
        parts = [
            self._endpoint.embed(self.profile.id, batch, attempts=attempts, dim=self._full_dim)
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
    """The HTTP side: requests, retries, and replies checked for what they claim to be.

    `sleep` is what waits between attempts. The API key appears in no message.
    """

    def __init__(self, url: str, api_key: str = "", *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api_key = api_key
        self._sleep = sleep
        self._encoding = "base64"
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        parsed = _checked(url)
        self._client = httpx.Client(base_url=parsed, headers=headers, timeout=_TIMEOUT_SECONDS)
        self._shown_url = str(parsed.copy_with(username=None, password=None, query=None))

    def __str__(self) -> str:
        return f"the embeddings endpoint {self._shown_url}"

    def first_model(self) -> str:
        reply = self._request("GET", "/models", None, _QUERY_ATTEMPTS)
        try:
            return str(reply["data"][0]["id"])
        except (KeyError, IndexError, TypeError) as error:
            raise EmbeddingError(f"{self} lists no model; name one in the setting model") from error

    def probe(self, model: str) -> int:
        """The dimension of its vectors. Falls back to vectors as JSON numbers where base64 is refused."""
        try:
            return len(self.embed(model, ["probe"], attempts=_QUERY_ATTEMPTS)[0])
        except EmbeddingError:
            self._encoding = "float"
            return len(self.embed(model, ["probe"], attempts=1)[0])

    def embed(self, model: str, texts: Sequence[str], *, attempts: int, dim: int | None = None) -> Vectors:
        """float32 (texts, dim), as the endpoint gives them, in the order of `texts`.

        Raises:
            EmbeddingError: It failed `attempts` times, refused, or answered with anything but these vectors.
        """
        body = {"model": model, "input": list(texts), "encoding_format": self._encoding}
        reply = self._request("POST", "/embeddings", body, attempts)
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
        self._client.close()

    def _request(self, method: str, path: str, body: object, attempts: int) -> Any:
        for attempt in range(1, attempts + 1):
            reply, reason, retry_after = self._attempt(method, path, body)
            if reply is not None:
                return reply
            if attempt < attempts:
                wait = min(_backoff(attempt) if retry_after is None else retry_after, _LONGEST_WAIT_SECONDS)
                logger.warning("%s: %s; trying again in %.1f s", self, reason, wait)
                self._sleep(wait)
        raise EmbeddingError(f"{self} failed {attempts} times, at last: {reason}")

    def _attempt(self, method: str, path: str, body: object) -> tuple[Any, str, float | None]:
        """(reply, "", None), or (None, why it may work later, after how many seconds)."""
        try:
            response = self._client.request(method, path, json=body)
        except httpx.TransportError as error:
            return None, f"{type(error).__name__} {self._without_key(str(error))}".strip(), None
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            return None, self._described(response), _retry_after_seconds(response)
        if not response.is_success:
            raise EmbeddingError(f"{self} refused: {self._described(response)}")
        try:
            return response.json(), "", None
        except ValueError as error:
            raise EmbeddingError(f"{self} answered with something else than JSON: {error}") from error

    def _described(self, response: httpx.Response) -> str:
        text = " ".join(response.text[: 4 * _MESSAGE_CHARS].split())
        return f"HTTP {response.status_code} {self._without_key(text)[:_MESSAGE_CHARS]}".strip()

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "***") if self._api_key else text


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url.rstrip("/"))
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"setting embedding_url is not a URL: {error}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError("setting embedding_url must look like http://host:port/v1")
    return parsed


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


def _backoff(attempt: int) -> float:
    """Doubling, with jitter, so that many workers do not come back at the same moment."""
    return float(_FIRST_BACKOFF_SECONDS * 2.0 ** (attempt - 1) * random.uniform(0.5, 1.0))  # noqa: S311


def _retry_after_seconds(response: httpx.Response) -> float | None:
    """RFC 9110: seconds, or a date."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
