"""Where the words of a query stand in a text.

Keyword search answers with token hashes, not with places. So words of the text are marked whose hashes the query has, too;
and of scripts written without spaces, the pieces of the query that are tokens by themselves.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

from docradar.documents import Span
from docradar.keywords import query_keywords

MAX_QUERY_CHARS: Final = 500
"""Marking is for questions; of a page that somebody pastes, its beginning is enough."""

MAX_WORD_CHARS: Final = 100
MAX_TERM_CHARS: Final = 8
MAX_PARTS: Final = 8
MAX_GAP_CHARS: Final = 32

# Letters and marks of the scripts that `keywords` segments; unlike there, brackets and dots end a run.
_UNSPACED: Final = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ece\u1000-\u103f\u1050-\u109d\u1780-\u17d3"
    "\u3005-\u3007\u3021-\u302f\u3031-\u3035\u303b\u3041-\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Accents and vowel signs, which `\w` leaves out.
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    "\u0900-\u0963\u0966-\u0dff\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_MARKED: Final = re.compile(f"[{_MARKS}]+")
_WORD: Final = re.compile(rf"[^\W_{_UNSPACED}](?:[^\W_{_UNSPACED}]+|[{_MARKS}]+)*")
_RUN: Final = re.compile(f"[{_UNSPACED}]+")
_HUMP: Final = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z\d]+")  # get|User|Name, HTTP|Server

_JOINERS: Final = frozenset("_-.@\u2010\u2011")
_DIGIT_JOINERS: Final = frozenset("/:,")  # 2026/05/14, 12:30, 10,000; elsewhere they part words

# What `the` and `how` are in English, whose stop words the tokenizers leave out by themselves.
_STOP_WORDS: Final = frozenset(
    "的 地 得 了 着 过 是 在 和 与 及 或 也 都 就 还 把 被 给 对 从 为 之 其 这 那 这个 那个 吗 呢 吧 啊 我 你 您 他 她 它 我们 你们 他们 "  # noqa: SIM905
    "有 会 要 能 可以 怎么 怎样 怎么样 如何 什么 为什么 哪 哪个 哪些 哪里 谁 多少 几 "
    "の は が を に で と も へ や か た て だ し ます です まし する した こと".split()
)

Key: TypeAlias = tuple[int, ...] | str
"""What spellings of a word have in common: its token hashes, or the folded word where there are none."""

Sequence: TypeAlias = tuple[Key, ...]
"""Keys of words with the joiners between them: (ERR, "_", 4012)."""


class _Match(NamedTuple):
    """A term at its place. A `weak` one is a single character, which says little inside another word."""

    start: int
    end: int
    key: Key | Sequence
    weak: bool = False


class Highlighter:
    """The terms of one query, to be marked in many texts.

    An identifier of the query (ERR_4012, v2.3.1, 2026-05-14) is one term: its `05` alone is not marked. Of a query longer
    than `MAX_QUERY_CHARS` only the beginning counts.
    """

    def __init__(self, query: str) -> None:
        query = query[:MAX_QUERY_CHARS]
        self._words = _Words(query)
        self._pieces = _Pieces(query)
        self._joins = {
            (left.key, _folded(query[left.end : right.start]), right.key)
            for left, right in pairwise(self._matches(query))
        }

    def spans(self, text: str) -> list[Span]:
        """The places of the query's terms in `text`, in order, disjoint and apart.

        What stands between two terms is marked with them where the query has the same between the same two.
        """
        spans: list[Span] = []
        last: _Match | None = None
        for match in self._matches(text):
            if last is not None and self._joined(last, match, text):
                spans[-1] = Span(spans[-1].start, max(spans[-1].end, match.end))
            else:
                spans.append(Span(match.start, match.end))
            if last is None or match.end >= last.end:
                last = match
        return spans

    def _joined(self, left: _Match, right: _Match, text: str) -> bool:
        if right.start <= left.end:
            return True
        if right.start - left.end > MAX_GAP_CHARS:
            return False
        return (left.key, _folded(text[left.end : right.start]), right.key) in self._joins

    def _matches(self, text: str) -> list[_Match]:
        matches = sorted((*self._words.matches(text), *self._pieces.matches(text)))
        starts = {match.start for match in matches}
        ends = {match.end for match in matches}
        return [match for match in matches if not match.weak or match.start in ends or match.end in starts]


class _Words:
    """Terms of scripts that are written with spaces: words, and identifiers as sequences of them."""

    def __init__(self, query: str) -> None:
        self._words: set[Key] = set()
        self._tokens: set[int] = set()
        self._sequences: set[Sequence] = set()
        self._lengths: dict[Key, list[int]] = {}
        """How many keys the sequences have that begin with a key, longest first."""
        self._beginnings: set[str] = set()
        """What words can begin with: a look at two letters is cheaper than tokens."""
        self._ligature = False
        for compound in _compounds(query):
            self._learn(query, compound)

    def _learn(self, query: str, compound: list[Span]) -> None:
        words = [query[start:end] for start, end in compound]
        keys = [_key(word) for word in words]
        gaps = [query[left.end : right.start] for left, right in pairwise(compound)]
        if len(words) == 1 or not _is_identifier(words, gaps):
            hashed = [key for key in keys if isinstance(key, tuple)]
            self._words.update(hashed)
            self._tokens.update(*hashed)
            heads = words
        else:
            sequence = _sequence(keys, gaps)
            self._sequences.add(sequence)
            self._lengths[keys[0]] = sorted({len(keys), *self._lengths.get(keys[0], ())}, reverse=True)
            heads = words[:1]
        for word in heads:
            plain = unicodedata.normalize("NFKD", word[:2]).casefold()
            self._beginnings.update((plain[0], _beginning(_MARKED.sub("", plain))))
            # Tokens are ASCII where there is a way to write them so: Ørsted and orsted are one.
            self._ligature = self._ligature or any("\u0080" <= char < "\u0250" for char in plain)

    def matches(self, text: str) -> Iterator[_Match]:
        """Longest first at each place; those of one text do not overlap."""
        if not self._beginnings:
            return
        places = [match.span() for match in _WORD.finditer(text)]
        at = 0
        while at < len(places):
            start, end = places[at]
            at += 1
            if self._may_be_known(text[start : min(start + 2, end)]):
                key = _key(text[start:end])
                length = self._sequence_length(text, places[at - 1 : at - 1 + MAX_PARTS], key)
                if length:
                    at += length - 1
                    sequence_end = places[at - 1][1]
                    yield _Match(start, sequence_end, _folded(text[start:sequence_end]))
                    continue
                if self._is_word(key):
                    yield _Match(start, end, key)
                    continue
            yield from self._humps(text, start, end)

    def _may_be_known(self, letters: str) -> bool:
        """Judges by a word's first two letters."""
        if letters.isascii():
            return self._ligature or _beginning(letters.lower()) in self._beginnings
        initial = _initial(letters[0])
        return initial in self._beginnings or "\u0080" <= initial < "\u0250"

    def _is_word(self, key: Key) -> bool:
        """Ørsted has the token of orsted and one more."""
        if key in self._words:
            return True
        if isinstance(key, str):
            return False
        return any((token,) in self._words for token in key) or (len(key) == 1 and key[0] in self._tokens)

    def _sequence_length(self, text: str, places: list[tuple[int, int]], head: Key) -> int:
        """How many of the words make the longest sequence; 0 where there is none."""
        for length in self._lengths.get(head, ()):
            candidate = places[:length]
            gaps = [text[left[1] : right[0]] for left, right in pairwise(candidate)]
            if len(candidate) == length and all(len(gap) == 1 for gap in gaps):
                keys = [_key(text[start:end]) for start, end in candidate]
                if _sequence(keys, gaps) in self._sequences:
                    return length
        return 0

    def _humps(self, text: str, start: int, end: int) -> Iterator[_Match]:
        """`Name` in getUserName, which keyword search finds, too."""
        word = text[start:end]
        if end - start > MAX_WORD_CHARS or word.islower() or word.isupper() or word[1:].islower():
            return
        word = unicodedata.normalize("NFKC", word)
        if not word.isascii() or len(word) != end - start:
            return
        humps = list(_HUMP.finditer(word))
        for hump in humps if len(humps) > 1 else ():
            if self._may_be_known(hump.group()[:2]) and self._is_word(key := _key(hump.group())):
                yield _Match(start + hump.start(), start + hump.end(), key)


class _Pieces:
    """Terms of scripts that are written without spaces."""

    def __init__(self, query: str) -> None:
        self._weak: dict[str, bool] = {}
        for run in _RUN.finditer(query):
            folded = _folded(run.group())
            for piece in _pieces(folded):
                weak = len(piece) == 1 and piece != folded
                self._weak[piece] = weak and self._weak.get(piece, True)
        self._lengths: dict[str, list[int]] = {}
        """How long the terms are that begin with a character, longest first."""
        for length, initial in sorted({(len(piece), piece[0]) for piece in self._weak}, reverse=True):
            self._lengths.setdefault(initial, []).append(length)
        self._initial = re.compile(f"[{re.escape(''.join(self._lengths))}]") if self._lengths else None

    def matches(self, text: str) -> Iterator[_Match]:
        """Those of one text may overlap."""
        if self._initial is None:
            return
        for run in _RUN.finditer(text):
            chars, origins = run.group(), None
            if not unicodedata.is_normalized("NFKC", chars):
                chars, origins = _folded_with_origins(chars)
            for place in self._initial.finditer(chars):
                if match := self._longest(chars, place.start()):
                    start, end = match.start, match.end
                    if origins is not None:
                        start, end = origins[start], origins[end]
                    yield match._replace(start=run.start() + start, end=run.start() + end)

    def _longest(self, chars: str, start: int) -> _Match | None:
        for length in self._lengths[chars[start]]:
            piece = chars[start : start + length]
            weak = self._weak.get(piece)
            if weak is not None:
                return _Match(start, start + len(piece), piece, weak)
        return None


def _compounds(query: str) -> Iterator[list[Span]]:
    """The query's words; those with a joiner between them together, up to `MAX_PARTS`."""
    compound: list[Span] = []
    for found in _WORD.finditer(query):
        word = Span(*found.span())
        if compound and (len(compound) == MAX_PARTS or not _joins(query, compound[-1].end, word.start)):
            yield compound
            compound = []
        compound.append(word)
    if compound:
        yield compound


def _joins(query: str, left_end: int, right_start: int) -> bool:
    gap = unicodedata.normalize("NFKC", query[left_end:right_start])
    if gap in _DIGIT_JOINERS:
        return query[left_end - 1].isdigit() and query[right_start].isdigit()
    return gap in _JOINERS


def _is_identifier(words: list[str], gaps: list[str]) -> bool:
    """Late-chunking is two words; ERR_4012, order_timeout and U.S.A. are one."""
    return (
        any(_folded(gap) == "_" for gap in gaps)
        or any(len(word) == 1 for word in words)
        or any(char.isdigit() for word in words for char in word)
    )


def _sequence(keys: list[Key], gaps: list[str]) -> Sequence:
    return (keys[0], *(part for gap, key in zip(gaps, keys[1:], strict=True) for part in (_folded(gap), key)))


def _key(word: str) -> Key:
    """Equal for words that keyword search does not tell apart, case aside."""
    return _folded_key(_folded(word)) if len(word) <= MAX_WORD_CHARS else word


@lru_cache(maxsize=16_384)
def _folded_key(word: str) -> Key:
    return query_keywords(word).indices or word


@lru_cache(maxsize=4_096)
def _initial(char: str) -> str:
    return unicodedata.normalize("NFKD", char).casefold()[:1]


def _beginning(letters: str) -> str:
    """Stemming leaves the first two letters alone, but for `y` and `i`: dying, die."""
    return letters[:2].replace("y", "i")


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _folded_with_origins(run: str) -> tuple[str, list[int]]:
    """The run in NFKC, and for each of its characters, and its end, where it begins in the run."""
    folded: list[str] = []
    origins: list[int] = []
    start = 0
    for end in range(1, len(run) + 1):
        if end < len(run) and unicodedata.combining(unicodedata.normalize("NFKC", run[end])[0]):
            continue
        cluster = unicodedata.normalize("NFKC", run[start:end])
        folded.append(cluster)
        origins.extend([start] * len(cluster))
        start = end
    return "".join(folded), [*origins, len(run)]


@lru_cache(maxsize=256)
def _pieces(run: str) -> tuple[str, ...]:
    """The substrings of a folded run that are tokens by themselves and of the run, without stop words.

    Where tokens stay unfound, what is left of the run between those found is a piece, too.
    """
    missing = set(query_keywords(run).indices)
    covered = [False] * len(run)
    pieces: list[str] = []
    for length in range(1, MAX_TERM_CHARS + 1):
        found: set[int] = set()
        for start in range(len(run) - length + 1 if missing else 0):
            piece = run[start : start + length]
            indices = query_keywords(piece).indices
            if len(indices) == 1 and indices[0] in missing:
                pieces.append(piece)
                found.update(indices)
                covered[start : start + length] = [True] * length
        missing -= found
    if missing:
        pieces.extend(_uncovered(run, covered))
    return tuple(piece for piece in dict.fromkeys(pieces) if piece not in _STOP_WORDS)


def _uncovered(run: str, covered: list[bool]) -> Iterator[str]:
    for stretch in re.finditer("0{2,}", "".join("01"[known] for known in covered)):
        yield run[stretch.start() : stretch.end()]
