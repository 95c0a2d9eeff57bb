"""Text → BM25 sparse vector, for exact words: product ids, dates, versions, error codes, names.

A vector is the union of the tokens of two of Qdrant's tokenizers. `Multilingual` segments Chinese and Japanese
but drops every bare number; `Code` keeps numbers and splits `iPhone15`, `ERR_4012` and `v1.2.3` into their parts,
but takes a run of Chinese for one word. Since the parts of an identifier stand in many others, identifiers are tokens
in whole, too. Token indices are hashes of the token, so equal tokens merge.
Qdrant multiplies the weights by the inverse document frequency (the vector's modifier is IDF).
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import qdrant_edge

CONTEXT_WEIGHT: Final = 0.5
IDENTIFIER_WEIGHT: Final = 2.0

_COMPOUND: Final = re.compile(r"[a-z0-9]++(?:[-._/:#][a-z0-9]++)*+")
_LONG_NUMBER: Final = re.compile(r"\d{4}", re.ASCII)

# Scripts written without spaces, which `Code` would glue to the number beside them ("错误码4012" as one token).
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Weights above 0 at `indices`, which ascend and are token hashes (32 bits)."""

    indices: tuple[int, ...]
    values: tuple[float, ...]

    def __bool__(self) -> bool:
        return bool(self.indices)


def document_keywords(
    text: str, *, headings: Sequence[str] = (), neighbours: Sequence[str] = ()
) -> SparseVector:
    """Term-frequency weights (k 1.2, b 0.75) of `text`; a token of its context weighs half of what it would there.

    The context are the headings above and the texts beside: a word that stands there should find the unit, but after a
    unit that says it itself. An identifier in whole weighs as much as the weightiest token, one of a heading too: a section
    on version 4.3.1 is about it in every sentence.
    """
    weights = dict(_document_weights(text))
    for beside in (*headings, *neighbours):
        for index, weight in _document_weights(beside).items():
            weights[index] = max(weights.get(index, 0.0), CONTEXT_WEIGHT * weight)
    full = max(weights.values(), default=1.0)
    for share, texts in ((CONTEXT_WEIGHT, neighbours), (1.0, (text, *headings))):
        for identifier in chain.from_iterable(map(identifiers, texts)):
            weights[_identifier_index(identifier)] = share * full
    return _sparse_vector(weights)


def query_keywords(text: str) -> SparseVector:
    """Weight 1 for each distinct token, `IDENTIFIER_WEIGHT` for each identifier in whole.

    Empty for a text of stop words and punctuation alone.
    """
    multilingual, code = _tokenizers()
    weights = _union(text, multilingual.embed_query, code.embed_query)
    weights |= {_identifier_index(identifier): IDENTIFIER_WEIGHT for identifier in identifiers(text)}
    return _sparse_vector(weights)


@lru_cache(maxsize=1024)
def identifiers(text: str) -> frozenset[str]:
    """What has letters and digits in one word, or a digit in one of several parts: `alr-506`, `4.3.1`, `2027-02-28`, `a11y`."""
    return frozenset(
        word
        for word in _COMPOUND.findall(_normalise(text).lower())
        if any(map(str.isdigit, word)) and not word.isdigit()
    )


def looks_up(query: str) -> bool:
    """Whether the query asks for an identifier, or for a number of four digits or more."""
    return bool(identifiers(query) or _LONG_NUMBER.search(_normalise(query)))


def _identifier_index(identifier: str) -> int:
    """Another hash than Qdrant's tokens have, which a tokenizer would have taken apart."""
    return int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=4).digest(), "little")


@lru_cache(maxsize=1024)  # a text is its own unit, and context of the next one and the one before
def _document_weights(text: str) -> dict[int, float]:
    multilingual, code = _tokenizers()
    return _union(text, multilingual.embed_document, code.embed_document)


def _union(
    text: str,
    multilingual: Callable[[str], "qdrant_edge.SparseVector"],
    code: Callable[[str], "qdrant_edge.SparseVector"],
) -> dict[int, float]:
    normalised = _normalise(text)
    weights: dict[int, float] = {}
    for vector in (multilingual(normalised), code(_UNSPACED.sub(" ", normalised))):
        for index, weight in zip(vector.indices, vector.values, strict=True):
            weights[index] = max(weights.get(index, 0.0), weight)
    return weights


def _normalise(text: str) -> str:
    """Full-width forms become plain ones; half a surrogate pair, which no tokenizer takes, becomes `?`."""
    return unicodedata.normalize("NFKC", text).encode("utf-8", "replace").decode()


def _sparse_vector(weights: dict[int, float]) -> SparseVector:
    indices = tuple(sorted(weights))
    return SparseVector(indices, tuple(weights[index] for index in indices))


@cache
def _tokenizers() -> "tuple[qdrant_edge.Bm25, qdrant_edge.Bm25]":
    """English stop words and stems; `Multilingual` folds accents by itself, so `Code` is told to."""
    from qdrant_edge import Bm25, Bm25Config, TokenizerType

    return (
        Bm25(Bm25Config(tokenizer=TokenizerType.Multilingual, language="english")),
        Bm25(Bm25Config(tokenizer=TokenizerType.Code, language="english", ascii_folding=True)),
    )
