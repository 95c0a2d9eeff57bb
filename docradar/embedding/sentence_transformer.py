"""Local models: everything that sentence-transformers loads, on a CPU or a GPU."""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import Pooling

from docradar.documents import Passage
from docradar.embedding.centring import Centre, Role
from docradar.embedding.profiles import make_profile, query_prompt
from docradar.embedding.protocol import ModelProfile, Recipe, Vectors
from docradar.embedding.windows import Source, Window, Windower, batches, padded
from docradar.errors import ConfigurationError, EmbeddingError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)

CPU_BATCH_TOKENS: Final = 1024
CUDA_BATCH_TOKENS: Final = 16_384
_LENGTH_MULTIPLE: Final = 8
_LENGTH_MULTIPLE_ALONE: Final = 32
"""A text that goes alone, such as a query, is padded further: OpenVINO takes 1.5 ms for a shape other than the last one's,
half of what a query takes."""
_DIGEST_VALUES: Final = 64


class SentenceTransformerEmbedder:
    """Tokenise, forward, pool; in batches bounded by tokens.

    With late chunking the vector of a passage's span is the mean of its own tokens: those whose characters
    overlap the span, neither prompt nor special tokens. A passage that is one span from end to end is the plain
    case and pooled as the model itself does it, prompt and special tokens included, so that it equals
    `SentenceTransformer.encode`. Models of another recipe embed every span as a text of its own.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        model_id: str,
        *,
        revision: str,
        truncate_dim: int = 0,
        batch_tokens: int = 0,
        centre: Centre | None = None,
    ) -> None:
        self._model = model.eval()
        self._device = model.device
        modules: list[Any] = list(model)
        at = next((i for i, module in enumerate(modules) if isinstance(module, Pooling)), len(modules))
        self._before_pooling = modules[:at]
        self._after_pooling = [module for module in modules[at + 1 :] if not isinstance(module, Normalize)]
        pooling = modules[at] if at < len(modules) else None
        self.profile: ModelProfile = make_profile(
            model_id,
            revision=revision,
            dim=_dimension(model, model_id, truncate_dim),
            max_tokens=model.max_seq_length or 512,
            pooling=str(pooling.pooling_mode) if pooling else "model",
            prompts=model.prompts,
            centre=centre.digest if centre else "",
        )
        self._centre = centre
        self._windower = Windower(
            _fast_tokenizer(model, model_id),
            self.profile.max_tokens,
            pools_prompt=pooling is None or pooling.include_prompt,
        )
        streams = getattr(modules[0].model, "streams", 1) if modules else 1
        self._side_by_side = ThreadPoolExecutor(streams, "forward") if streams > 1 else None
        on_cuda = self._device.type == "cuda"
        self._batch_tokens = batch_tokens or (CUDA_BATCH_TOKENS if on_cuda else CPU_BATCH_TOKENS)

    def embed_passages(self, passages: Sequence[Passage]) -> list[Vectors]:
        per_passage = [self._sources(passage) for passage in passages]
        vectors = self._embed(list(chain.from_iterable(per_passage)), self.profile.passage_prompt)
        spans = (passage.text[start:end] for passage in passages for start, end in passage.spans)
        vectors = self._centred(vectors, "passage", spans)
        ends = np.cumsum([len(passage.spans) for passage in passages])
        return np.split(vectors, ends[:-1]) if passages else []

    def embed_queries(self, queries: Sequence[str], instruction: str | None = None) -> Vectors:
        vectors = self._embed([Source(query) for query in queries], query_prompt(self.profile, instruction))
        return self._centred(vectors, "query", queries)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._windower.count(texts)

    def close(self) -> None:
        if self._side_by_side:
            self._side_by_side.shutdown()

    def _sources(self, passage: Passage) -> list[Source]:
        if len(passage.spans) == 1 and (
            self.profile.recipe is not Recipe.LATE_CHUNKING or passage.spans[0] == (0, len(passage.text))
        ):
            return [Source(passage.text)]
        if self.profile.recipe is Recipe.LATE_CHUNKING:
            return [Source(passage.text, passage.spans)]
        return [Source(passage.text[start:end]) for start, end in passage.spans]

    def _centred(self, vectors: Vectors, role: Role, texts: Iterable[str]) -> Vectors:
        if self._centre is None or not len(vectors):
            return vectors
        return _normalised(self._centre.centred(vectors, role, list(texts)), self.profile.id)

    def _embed(self, sources: Sequence[Source], prompt: str) -> Vectors:
        sums = np.zeros((sum(source.vectors for source in sources), self.profile.dim), np.float32)
        if not len(sums):
            return sums
        windows = self._windower.windows(sources, prompt)
        for rows, vectors in self._all_pooled(list(batches(windows, self._batch_tokens, _LENGTH_MULTIPLE))):
            np.add.at(sums, rows, vectors[:, : self.profile.dim])
        return _normalised(sums, self.profile.id)

    def _all_pooled(self, pending: list[list[Window]]) -> Iterator[tuple[list[int], Vectors]]:
        """Batches side by side where the forward pass computes several at once, else one after another."""
        if self._side_by_side is None or len(pending) == 1:
            return chain.from_iterable(map(self._pooled, pending))
        done = self._side_by_side.map(lambda batch: list(self._pooled(batch)), pending)
        return chain.from_iterable(done)

    def _pooled(self, batch: list[Window]) -> Iterator[tuple[list[int], Vectors]]:
        """Output rows and their weighted vectors. What does not fit into the GPU's memory goes in halves."""
        try:
            yield self._forward(batch)
            return
        except torch.OutOfMemoryError as error:
            if len(batch) == 1:
                raise EmbeddingError(
                    f"{self.profile.id}: {self._device} has no memory for one text of {len(batch[0].ids)} tokens; "
                    "free memory on it, or choose a smaller model with the setting model"
                ) from error
        self._shrink_batches()
        yield from self._pooled(batch[: len(batch) // 2])
        yield from self._pooled(batch[len(batch) // 2 :])

    def _shrink_batches(self) -> None:
        self._batch_tokens = max(self._batch_tokens // 2, 64)
        logger.warning(
            "out of memory on %s: batches of %d tokens from now on", self._device, self._batch_tokens
        )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _forward(self, batch: list[Window]) -> tuple[list[int], Vectors]:
        features = _padded_tensors(batch, self._device)
        rows = [target.row for window in batch for target in window.targets]
        weights = np.array([[target.weight] for window in batch for target in window.targets], np.float32)
        if self.profile.pooling == "mean":
            vectors = self._mean_pooled(batch, features)
        else:
            for module in self._model:
                features = module(features)
            vectors = _to_numpy(features["sentence_embedding"])
        return rows, vectors * weights

    def _mean_pooled(self, batch: list[Window], features: dict[str, Any]) -> Vectors:
        # In NumPy: spans are ragged, and pooling is too little work for torch's way to be any faster.
        for module in self._before_pooling:
            features = module(features)
        states = _to_numpy(features["token_embeddings"])
        means = np.stack(
            [
                states[i, target.start : target.end].mean(axis=0)
                for i, window in enumerate(batch)
                for target in window.targets
            ]
        )
        if not self._after_pooling:
            return means
        features = {"sentence_embedding": torch.from_numpy(means).to(self._device)}
        for module in self._after_pooling:
            features = module(features)
        return _to_numpy(features["sentence_embedding"])


def _padded_tensors(batch: list[Window], device: torch.device) -> dict[str, Any]:
    """Padded on the right, which suits every pooling: the mask says where a text ends. The padding is id 0."""
    multiple = _LENGTH_MULTIPLE if len(batch) > 1 else _LENGTH_MULTIPLE_ALONE
    width = padded(max(len(window.ids) for window in batch), multiple)
    ids: NDArray[np.int64] = np.zeros((len(batch), width), np.int64)
    mask: NDArray[np.int64] = np.zeros((len(batch), width), np.int64)
    for i, window in enumerate(batch):
        ids[i, : len(window.ids)] = window.ids
        mask[i, : len(window.ids)] = 1
    return {
        "input_ids": torch.from_numpy(ids).to(device),
        "attention_mask": torch.from_numpy(mask).to(device),
    }


def _to_numpy(tensor: torch.Tensor) -> Vectors:
    array: Vectors = tensor.float().cpu().numpy()
    return array


def _normalised(vectors: Vectors, model_id: str) -> Vectors:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(norms).all() or not norms.all():
        raise EmbeddingError(
            f"{model_id} gave a vector that is zero or not finite; its weights may be damaged"
        )
    unit: Vectors = vectors / norms
    return unit


def _dimension(model: SentenceTransformer, model_id: str, truncate_dim: int) -> int:
    full = model.get_embedding_dimension()
    if not full:
        raise ConfigurationError(
            f"{model_id} does not say the dimension of its vectors; choose another model"
        )
    if truncate_dim > full:
        raise ConfigurationError(
            f"setting truncate_dim is {truncate_dim}, but {model_id} has {full} dimensions"
        )
    return truncate_dim or full


def _fast_tokenizer(model: SentenceTransformer, model_id: str) -> "Tokenizer":
    tokenizer: Tokenizer | None = getattr(model.tokenizer, "backend_tokenizer", None)
    if tokenizer is None:
        raise ConfigurationError(
            f"{model_id} has no fast tokenizer, which exact spans need; choose a model with a tokenizer.json"
        )
    return tokenizer


def weights_digest(model: SentenceTransformer) -> str:
    """16 hex digits that differ when the weights do, wherever they lie and in whatever precision they are loaded.

    Taken from the ends of every tensor, which training changes, so that it costs milliseconds.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        flat = tensor.detach().flatten()
        ends = torch.cat([flat[:_DIGEST_VALUES], flat[-_DIGEST_VALUES:]]).to("cpu", torch.bfloat16)
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(ends.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:16]
