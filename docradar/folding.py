"""Which of a list's texts say what an earlier one says.

Two texts are near-duplicates where the same letters are left without punctuation and white space, or where their shingles
are nearly the same (Broder, "On the resemblance and containment of documents", 1997). One digit or one "not" changes
what a sentence says and hardly its shingles, so numbers, identifiers and negations have to agree as well.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from math import ceil
from typing import Final, TypeAlias

SHINGLE_CHARS: Final = 3
RESEMBLANCE: Final = 0.9
"""Least Jaccard index. In a sentence of 60 characters one may be replaced, two side by side may not."""

MIN_RESEMBLING_CHARS: Final = 12
MAX_RESEMBLING_CHARS: Final = 2_000
"""Shorter and longer texts are folded only where their letters are equal."""

_NUMBER: Final = (
    r"(?:[<>≤≥≠]\s*)?(?:(?<![^\W_])[-+−])?[$€£¥]?\d+(?:[.,:/-]\d+)*%?"
    r"|[零〇一二两三四五六七八九十百千万亿]+"
    r"|(?<![a-z])(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand|million|billion|half"
    r"|double)(?![a-z])"
)
_NEGATION: Final = r"[不没無无非未勿别莫]|(?<![a-z])(?:not|no|never|none|nor|neither|without|cannot)(?![a-z])|n['’]t(?![a-z])"
_IDENTIFIER: Final = r"(?<![a-z0-9_])[a-z0-9]+_[a-z0-9_]*[a-z0-9]|(?<![a-z0-9_])[a-z](?:\+\+|#)"
_FACT: Final = re.compile(f"(?P<negation>{_NEGATION})|(?P<identifier>{_IDENTIFIER})|(?P<number>{_NUMBER})")
_MASK_BITS: Final = 2_048
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_LATIN_WORD: Final = re.compile("[A-Za-z]+")

Facts: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sketch:
    """A text as it is compared. `acronyms` are words with two capitals at least (USD, iOS), folded as `words` are.

    Each shingle sets one bit of the `mask`; two may share one.
    """

    letters: str
    facts: Facts
    shingles: frozenset[str]
    mask: int
    words: frozenset[str]
    acronyms: frozenset[str]


def fold(texts: Sequence[str]) -> list[int]:
    """For each text the place of the first that it is a near-duplicate of; its own where there is none.

    A place that comes back is its own representative. Texts whose numbers, identifiers or negations differ are never
    near-duplicates of each other.
    """
    sketches = [_sketch(text) for text in texts]
    frequency = Counter(chain.from_iterable(sketch.shingles for sketch in sketches))
    representatives: list[int] = []
    equal: dict[tuple[str, Facts], int] = {}
    resembling: dict[tuple[str, Facts], list[int]] = {}
    """Places of representatives by each shingle that a near-duplicate of theirs is sure to share, and the facts."""
    for place, sketch in enumerate(sketches):
        identity = (sketch.letters, sketch.facts)
        representative = equal.get(identity)
        if representative is None:
            keys = [(shingle, sketch.facts) for shingle in _prefix(sketch.shingles, frequency)]
            candidates = sorted({other for key in keys for other in resembling.get(key, ())})
            representative = next(
                (other for other in candidates if _resemble(sketches[other], sketch)), place
            )
            equal[identity] = representative
            if representative == place:
                for key in keys:
                    resembling.setdefault(key, []).append(place)
        representatives.append(representative)
    return representatives


def _sketch(text: str) -> _Sketch:
    normal = unicodedata.normalize("NFKC", text)
    folded = unicodedata.normalize("NFKC", normal.casefold())
    letters = folded.translate(_DROPPED) or folded
    shingles, words, acronyms = frozenset[str](), frozenset[str](), frozenset[str]()
    if MIN_RESEMBLING_CHARS <= len(letters) <= MAX_RESEMBLING_CHARS:
        shingles = frozenset(
            letters[start : start + SHINGLE_CHARS] for start in range(len(letters) - SHINGLE_CHARS + 1)
        )
        found = _LATIN_WORD.findall(normal)
        words = frozenset(word.lower() for word in found)
        acronyms = frozenset(word.lower() for word in found if sum(map(str.isupper, word)) > 1)
    mask = 0
    for shingle in shingles:
        mask |= 1 << (hash(shingle) % _MASK_BITS)
    return _Sketch(letters, _facts(folded), shingles, mask, words, acronyms)


def _facts(folded: str) -> Facts:
    """Numbers, identifiers and negations as they follow each other; one negation is as good as another."""
    return tuple(
        "not" if fact.lastgroup == "negation" else "".join(fact.group().split())
        for fact in _FACT.finditer(_THOUSANDS.sub("", folded))
    )


def _prefix(shingles: frozenset[str], frequency: Counter[str]) -> list[str]:
    """So many of the rarest shingles that two texts which resemble each other have one of them in common.

    Prefix filtering (Chaudhuri, Ganti, Kaushik: "A primitive operator for similarity joins", 2006).
    """
    shared = ceil(RESEMBLANCE * len(shingles) - 1e-9)
    length = len(shingles) - shared + 1
    return sorted(shingles, key=lambda shingle: (frequency[shingle], shingle))[:length] if shingles else []


def _resemble(left: _Sketch, right: _Sketch) -> bool:
    sizes = len(left.shingles), len(right.shingles)
    if min(sizes) < RESEMBLANCE * max(sizes):
        return False
    # A bit that one has alone is a shingle that the other lacks: most pairs need no look at the sets.
    common = min(
        sizes[0] - (left.mask & ~right.mask).bit_count(), sizes[1] - (right.mask & ~left.mask).bit_count()
    )
    if common < RESEMBLANCE * (sum(sizes) - common):
        return False
    common = len(left.shingles & right.shingles)
    if common < RESEMBLANCE * (sum(sizes) - common):
        return False
    return left.acronyms <= right.words and right.acronyms <= left.words


class _Dropped(dict[int, int | None]):
    """For `str.translate`: punctuation, white space and what cannot be seen go, symbols and emoji stay."""

    def __missing__(self, code_point: int) -> int | None:
        category = unicodedata.category(chr(code_point))
        dropped = category[0] in "PZC" or category == "Sk" or code_point == ord("|")
        return self.setdefault(code_point, None if dropped else code_point)


_DROPPED: Final = _Dropped()
