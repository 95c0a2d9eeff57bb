"""Local rerankers: every cross-encoder that sentence-transformers loads, on a CPU or a GPU."""

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from sentence_transformers import CrossEncoder

from docradar.errors import RerankError
from docradar.reranking.protocol import Relevance

logger = logging.getLogger(__name__)

MAX_TOKENS: Final = 2048
"""Of a pair and its prompt, where the model takes as many. What is beyond is cut: time grows faster than the text."""
_BATCH_PAIRS: Final = 64
_CPU_BATCH_TOKENS: Final = 4_096
_CUDA_BATCH_TOKENS: Final = 32_768
_LEAST_BATCH_TOKENS: Final = 64


class CrossEncoderReranker:
    """Scores pairs with one forward pass each: the sigmoid of the model's logit.

    A query takes up to half of the room that the prompt leaves, and a text the rest of it. Special tokens that are
    written out in a text are taken out, so that no document can speak in the prompt's place. Not for several threads.
    """

    def __init__(self, model: CrossEncoder, model_id: str, *, batch_tokens: int = 0) -> None:
        """`batch_tokens` bounds a batch, padding included; 0 chooses by device.

        Raises:
            RerankError: Its tokenizer cannot say where a text is to be cut.
        """
        self.model = model_id
        self._model = model
        self._tokenizer: Any = model.tokenizer
        if not getattr(self._tokenizer, "is_fast", False):
            raise RerankError(f"{model_id} has no fast tokenizer")
        self._max_tokens = min(model.max_seq_length or MAX_TOKENS, MAX_TOKENS)
        model.max_seq_length = self._max_tokens
        first_module: Any = model[0]
        self._takes_instruction = "message" in first_module.modality_config
        self._special = _any_of(
            token.content for token in self._tokenizer.added_tokens_decoder.values() if token.special
        )
        usual_prompt = (model.prompts or {}).get(model.default_prompt_name or "")
        self._prompt_tokens = int(model.preprocess([("", "")], prompt=usual_prompt)["input_ids"].shape[1])
        on_cuda = model.device.type == "cuda"
        self._batch_tokens = batch_tokens or (_CUDA_BATCH_TOKENS if on_cuda else _CPU_BATCH_TOKENS)

    @classmethod
    def tried(cls, model: CrossEncoder, model_id: str) -> "CrossEncoderReranker":
        """A reranker that has scored a pair.

        Raises:
            RerankError: The model gives no single finite number for it.
        """
        reranker = cls(model, model_id)
        reranker.rerank("query", ["text"])
        return reranker

    def rerank(self, query: str, texts: Sequence[str], instruction: str | None = None) -> Relevance:
        scores = np.zeros(len(texts), np.float32)
        if not texts:
            return scores
        prompt, room = self._prompt(instruction)
        [(query, query_tokens)] = self._cut([query], room // 2)
        cut = self._cut(texts, room - query_tokens)
        sizes = [self._max_tokens - room + query_tokens + tokens for _, tokens in cut]
        for rows in self._batches(sizes):
            pairs = [(query, cut[row][0]) for row in rows]
            scores[rows] = self._scored(pairs, prompt, max(sizes[row] for row in rows))
        return scores

    def close(self) -> None:
        """Nothing is held but memory."""

    def _prompt(self, instruction: str | None) -> tuple[str | None, int]:
        """What goes with each pair, and the tokens that it leaves to query and text."""
        room = self._max_tokens - self._prompt_tokens
        if not instruction or not self._takes_instruction:
            return None, room
        [(instruction, tokens)] = self._cut([instruction], room // 4)
        return instruction, room - tokens

    def _cut(self, texts: Sequence[str], most_tokens: int) -> list[tuple[str, int]]:
        """Each text as far as it has up to so many tokens, and how many it has."""
        clean = [self._special.sub(" ", text) for text in texts] if self._special else list(texts)
        encoded = self._tokenizer(
            clean,
            add_special_tokens=False,
            truncation=True,
            max_length=max(most_tokens, 1),
            padding=False,
            return_offsets_mapping=True,
        )
        return [
            (text[: offsets[-1][1]] if offsets and len(offsets) >= most_tokens else text, len(offsets))
            for text, offsets in zip(clean, encoded["offset_mapping"], strict=True)
        ]

    def _batches(self, sizes: Sequence[int]) -> Iterator[list[int]]:
        """Rows whose pairs share a forward pass: of like length, since all are padded to the longest."""
        batch: list[int] = []
        for row in sorted(range(len(sizes)), key=lambda row: -sizes[row]):
            if batch and (
                len(batch) == _BATCH_PAIRS or (len(batch) + 1) * sizes[batch[0]] > self._batch_tokens
            ):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    def _scored(self, pairs: list[tuple[str, str]], prompt: str | None, longest_tokens: int) -> Relevance:
        """What does not fit into the GPU's memory goes in halves."""
        try:
            return self._forward(pairs, prompt)
        except torch.OutOfMemoryError as error:
            if len(pairs) == 1:
                raise RerankError(
                    f"{self.model}: {self._model.device} has no memory for one pair of {longest_tokens} tokens; "
                    "free memory on it, or choose a smaller model with the setting reranker"
                ) from error
        self._shrink_batches()
        middle = len(pairs) // 2
        halves = [self._scored(half, prompt, longest_tokens) for half in (pairs[:middle], pairs[middle:])]
        return np.concatenate(halves)

    def _shrink_batches(self) -> None:
        self._batch_tokens = max(self._batch_tokens // 2, _LEAST_BATCH_TOKENS)
        logger.warning(
            "out of memory on %s: reranking in batches of %d tokens from now on",
            self._model.device,
            self._batch_tokens,
        )
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()

    def _forward(self, pairs: list[tuple[str, str]], prompt: str | None) -> Relevance:
        logits = self._model.predict(
            pairs,
            prompt=prompt,
            batch_size=len(pairs),
            show_progress_bar=False,
            activation_fn=torch.nn.Identity(),
        )
        if logits.shape != (len(pairs),):
            raise RerankError(
                f"{self.model} gives {logits.size // len(pairs)} numbers for a pair, not one relevance"
            )
        if not np.isfinite(logits).all():
            raise RerankError(
                f"{self.model} gave a score that is not a finite number; its weights may be damaged"
            )
        return _sigmoid(logits)


def _sigmoid(logits: Relevance) -> Relevance:
    """By way of tanh, which does not overflow."""
    scores: Relevance = (0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))).astype(np.float32)
    return scores


def _any_of(tokens: Iterator[str]) -> "re.Pattern[str] | None":
    written = sorted((token for token in tokens if token.strip()), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, written))) if written else None
