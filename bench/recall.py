"""How much of what a reader sees is in a document's units, and how much of the units is nothing that he reads."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

_WORD: Final = re.compile(
    r"[\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff]|[^\W_\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff]+"
)


class Recall(NamedTuple):
    """Shares from 0 to 1: of the reader's words that are in the units, and of the units' words that are not the reader's."""

    recall: float
    furniture_share: float


def words(text: str) -> list[str]:
    """Words in order, without case, ligatures and signs; each Chinese, Japanese or Korean character is a word."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).replace("\u00ad", "").casefold())


def recall(reader_words: Sequence[str], unit_words: Sequence[str]) -> Recall:
    """Compares words with their counts; where they stand does not matter.

    Two words on one side that are one on the other (a hyphen undone, or a space left out) count as found.
    """
    missing = Counter(reader_words) - Counter(unit_words)
    extra = Counter(unit_words) - Counter(reader_words)
    _match_joined(missing, extra, reader_words)
    _match_joined(extra, missing, unit_words)
    return Recall(
        1 - missing.total() / len(reader_words) if reader_words else 1.0,
        extra.total() / len(unit_words) if unit_words else 0.0,
    )


def missed(reader_words: Sequence[str], unit_words: Sequence[str]) -> tuple[Counter[str], Counter[str]]:
    """The reader's words that are not in the units, and the units' that are not the reader's, with their counts."""
    missing = Counter(reader_words) - Counter(unit_words)
    extra = Counter(unit_words) - Counter(reader_words)
    _match_joined(missing, extra, reader_words)
    _match_joined(extra, missing, unit_words)
    return missing, extra


def _match_joined(parts: Counter[str], whole: Counter[str], ordered: Sequence[str]) -> None:
    """Takes off both where two or three neighbours of `ordered`, joined, are a word of `whole`."""
    for joined in _neighbours(ordered):
        word = "".join(joined)
        if whole[word] > 0 and all(parts[part] > 0 for part in joined):
            whole[word] -= 1
            for part in joined:
                parts[part] -= 1


def _neighbours(ordered: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield from pairwise(ordered)
    yield from zip(ordered, ordered[1:], ordered[2:], strict=False)
