"""Texts and spans → windows of token ids that fit the model, and where in them each vector is to be found."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from docradar.documents import Span

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Source(NamedTuple):
    """A text to embed. `spans` is None where one vector is wanted for all of it, pooled as the model does."""

    text: str
    spans: Sequence[Span] | None = None

    @property
    def vectors(self) -> int:
        return 1 if self.spans is None else len(self.spans)


class Target(NamedTuple):
    """Tokens [start, end) of a window count towards output row `row`, with this weight."""

    row: int
    start: int
    end: int
    weight: int


@dataclass(frozen=True, slots=True)
class Window:
    """What goes through the model at once: special tokens, prompt, tokens of the text, special tokens."""

    ids: list[int]
    targets: list[Target]


class _Piece(NamedTuple):
    """Tokens [start, end) of a text, and the spans in them as (row, start, end)."""

    start: int
    end: int
    spans: list[tuple[int, int, int]]


class Windower:
    """Cuts texts for a model of `max_tokens`.

    Nothing is ever truncated: a text too long for the model is cut between its spans, and a span that is too
    long by itself is cut by tokens, the row being the mean of its windows weighted by their tokens.
    """

    def __init__(self, tokenizer: "Tokenizer", max_tokens: int, *, pools_prompt: bool = True) -> None:
        # For good: nothing here calls transformers' own wrapper, which would set them again at each call.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._pools_prompt = pools_prompt

    def windows(self, sources: Sequence[Source], prompt: str) -> list[Window]:
        """Rows are numbered through all sources, in order."""
        encodings = self._encode([prompt + source.text for source in sources])
        windows: list[Window] = []
        row = 0
        for source, encoding in zip(sources, encodings, strict=True):
            windows.extend(self._windows_of(source, encoding, len(prompt), row))
            row += source.vectors
        return windows

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special ones not counted."""
        return [len(encoding.ids) for encoding in self._encode(texts, special_tokens=False)]

    def _encode(self, texts: Sequence[str], *, special_tokens: bool = True) -> "list[Encoding]":
        try:
            return self._tokenizer.encode_batch(texts, add_special_tokens=special_tokens)
        except (TypeError, UnicodeEncodeError):
            clean = [_LONE_SURROGATE.sub("\ufffd", text) for text in texts]
            return self._tokenizer.encode_batch(clean, add_special_tokens=special_tokens)

    def _windows_of(
        self, source: Source, encoding: "Encoding", prompt_chars: int, row: int
    ) -> Iterator[Window]:
        head, tail = _frame(encoding, prompt_chars)
        ids = encoding.ids
        tokens = len(ids) - head - tail
        capacity = max(1, self._max_tokens - head - tail)
        if source.spans is None:
            whole = [(row, 0, tokens)]
        else:
            whole = _token_ranges(source.spans, encoding, head, tail, prompt_chars, row)
        for start, end, spans in _pieces(whole, tokens, capacity):
            window = ids[:head] + ids[head + start : head + end] + ids[len(ids) - tail :]
            if source.spans is None:
                first = 0 if self._pools_prompt else head
                targets = [Target(row, first, len(window), max(1, end - start))]
            else:
                targets = [
                    Target(r, head + lo - start, head + hi - start, max(1, hi - lo)) for r, lo, hi in spans
                ]
            yield Window(window, [_at_least_one_token(target, len(window)) for target in targets])


def _frame(encoding: "Encoding", prompt_chars: int) -> tuple[int, int]:
    """How many tokens come before the text (special ones and the prompt's), and how many after it."""
    special, offsets = encoding.special_tokens_mask, encoding.offsets
    tail = 0
    while tail < len(special) and special[-1 - tail]:
        tail += 1
    head = 0
    while head < len(special) - tail and (
        special[head] or (prompt_chars and offsets[head][1] <= prompt_chars)
    ):
        head += 1
    return head, tail


def _token_ranges(
    spans: Sequence[Span], encoding: "Encoding", head: int, tail: int, prompt_chars: int, row: int
) -> list[tuple[int, int, int]]:
    """(row, start, end) for each span: the tokens that share a character with it, counted from the text's first.

    A span whose characters the tokenizer drops, such as a lone control character, gets the nearest token.
    """
    stop = len(encoding.ids) - tail
    offsets: NDArray[np.int64] = np.array(encoding.offsets[head:stop], np.int64).reshape(-1, 2) - prompt_chars
    characters = np.array(spans, np.int64).reshape(-1, 2)
    starts = np.searchsorted(offsets[:, 1], characters[:, 0], side="right")
    ends = np.searchsorted(offsets[:, 0], characters[:, 1], side="left")
    starts = np.clip(starts, 0, max(0, len(offsets) - 1))
    ends = np.clip(ends, starts + 1, max(1, len(offsets)))
    rows = range(row, row + len(spans))
    return list(zip(rows, starts.tolist(), ends.tolist(), strict=True))


def _pieces(spans: list[tuple[int, int, int]], tokens: int, capacity: int) -> Iterator[_Piece]:
    if tokens <= capacity:
        yield _Piece(0, tokens, spans)
        return
    start, inside = 0, list[tuple[int, int, int]]()
    for row, lo, hi in spans:
        first = lo
        if hi - start > capacity:
            if inside:
                yield _Piece(start, inside[-1][2], inside)
            while hi - first > capacity:
                yield _Piece(first, first + capacity, [(row, first, first + capacity)])
                first += capacity
            start, inside = first, []
        inside.append((row, first, hi))
    if inside:
        yield _Piece(start, min(tokens, start + capacity), inside)


def _at_least_one_token(target: Target, window_tokens: int) -> Target:
    """An empty text has no tokens of its own; special tokens and prompt stand in for it."""
    if target.start < target.end <= window_tokens:
        return target
    return target._replace(start=0, end=window_tokens)


def batches(windows: Iterable[Window], batch_tokens: int, multiple: int) -> Iterator[list[Window]]:
    """Windows of like length together, longest first, each batch at most `batch_tokens` with its padding.

    Longest first, so that memory runs out at once or not at all. A single window may exceed the bound.
    """
    ordered = sorted(windows, key=lambda window: len(window.ids), reverse=True)
    remaining = iter(ordered)
    for longest in remaining:
        count = max(1, batch_tokens // padded(len(longest.ids), multiple))
        yield [longest, *islice(remaining, count - 1)]


def padded(tokens: int, multiple: int) -> int:
    """`tokens` rounded up to a multiple: few distinct shapes let an engine reuse what it compiled for one."""
    return -(-tokens // multiple) * multiple
