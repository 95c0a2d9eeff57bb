"""Text → sentence spans, in linear time.

Chinese, English, Japanese, Korean and mixtures of them are split by the rules below: one scan finds every place
where a sentence could end, and each is judged by a bounded look at what stands around it. Texts mostly in
another script (Thai, Arabic, Hindi, …) go through `sentencex`.
"""

import re
from collections.abc import Iterator
from typing import Final

# The longest bracketed or quoted aside that is kept whole.
_ASIDE_CHARS: Final = 120
# sentencex is superlinear in its input; windows keep it linear.
_WINDOW_CHARS: Final = 2_000

_OPENERS: Final = "“‘「『（《【〈(["
_CLOSERS: Final = "”’」』）》】〉)]"
_OPENER_OF: Final = dict(zip(_CLOSERS, _OPENERS, strict=True)) | {'"': '"', "'": "'"}
_EMOJI: Final = "[\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff\u200d\ufe0f]"
_HAN: Final = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff65-\uffdc\U00020000-\U0003ffff"
_LIST_MARK: Final = (
    r"[-*+•·●○■▪◦‣–—][ \t\u3000]|[(（]?\d{1,3}[.)、）](?!\d)|[A-Za-z][.)][ \t]|[\u2460-\u2473]|\||\#{1,6} |>"
)

_CANDIDATE: Final = re.compile(
    rf"""
      (?P<link> https?://[!-;=?-~]*[A-Za-z0-9/=&\#-] | `[^`\n]{{1,200}}` )
    | (?P<open> [“‘「『（《【〈(\[]+ )
    | (?P<close> [”’」』）》】〉)\]]+ )
    | (?P<stop> [.!?。！？｡．…‼⁇⁈⁉]+ )
      (?P<closers> [”’」』）》】〉)\]"'\u200b]* (?:[ \t]{{0,2}}{_EMOJI}+)* \u200b* )
      (?P<space> \s* )
    | (?P<newline> [\n\r\f\x85\u2028\u2029]\s* )
    """,
    re.VERBOSE,
)
_HARD: Final = frozenset("。！？｡‼⁇⁈⁉")
_ELLIPSIS: Final = frozenset(".…")
_LIST_LINE: Final = re.compile(_LIST_MARK)
_GLUED_LIST_MARK: Final = re.compile(rf"(?:\d{{1,2}}[.)、]\s+\S|[a-z][.)]\s+[A-Z{_HAN}])")
_IDENTIFIER: Final = re.compile(r"[A-Z]\w+[.(_@]\w|[A-Z]\w*\(|[A-Z][a-z]+[A-Z]")
_CLOSER: Final = re.compile(f"[{re.escape(_CLOSERS)}\n]")
_IS_HAN: Final = re.compile(f"[{_HAN}]")
# Matched against the reversed text before a period: the word and dots of "U.S" or "p.m".
_LAST_WORD_REVERSED: Final = re.compile(r"[0-9A-Za-z\u00c0-\u024f.]*")
_ACRONYM: Final = re.compile(r"(?:[A-Za-z]\.)*[A-Z]")
_ORDINAL: Final = re.compile(r"(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})")
_LABELLED_NUMBER: Final = re.compile(
    r"(?:Chapter|Section|Part|Appendix|Step|Figure|Table|Unit|Lesson|Phase|Stage|Rule|Article)\s[\dIVX.]{1,8}",
)
_WORD: Final = re.compile(r"[A-Za-z']{1,12}")


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Before a name or a number these never end a sentence.
_TITLES: Final = _words(
    "dr mr mrs ms prof st rev hon sen rep gov gen col capt lt sgt messrs e.g i.e cf vs viz approx resp mt ft"
)
# Before a number or a lower-case word these do not end a sentence.
_ABBREVIATIONS: Final = _words(
    "no nos p pp fig figs eq eqs sec ch vol al art ref refs ed eds tab app jan feb mar apr jun jul aug sep sept "
    "oct nov dec inc ltd co corp ca min max ver"
)
# A capitalised one of these after "U.S." or "p.m." begins a sentence.
_STARTERS: Final = _words(
    "he she it they we you i the this that these those there here in on at but and so if when then what who how "
    "why his her its their our my your a an as after before don't not no yes please however"
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Half-open spans of the sentences of `text`, in order.

    They are disjoint, trimmed of white space at both ends, and together hold every character that is not white
    space. A line break ends a sentence only at a blank line, before a list mark, or after an end mark.
    """
    script = _foreign_script(text)
    ends = _foreign_ends(text, script) if script else _ends(text)
    return list(_trimmed(text, ends))


def _trimmed(text: str, ends: Iterator[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for end in (*ends, len(text)):
        piece = text[start:end]
        left = len(piece) - len(piece.lstrip())
        if left < len(piece):
            yield start + left, start + len(piece.rstrip())
        start = end


def _ends(text: str) -> Iterator[int]:
    start = 0  # of the sentence being read
    opened = -1  # where the innermost bracket still open began
    for match in _CANDIDATE.finditer(text):
        kind = match.lastgroup
        if kind == "space":
            if _is_end(text, match, start, opened):
                opened = -1
                start = match.end("closers")
                yield start
            elif match["closers"]:
                opened = -1
            if _breaks_line(text, match["space"], match.end()):
                opened = -1
                start = match.end()
                yield start
        elif kind == "newline":
            if _breaks_line(text, match[0], match.end()):
                opened = -1
                start = match.end()
                yield start
        elif kind == "open":
            opened = match.start()
        elif kind == "close":
            opened = -1


def _breaks_line(text: str, space: str, end: int) -> bool:
    """Whether the white space holds a paragraph's end, or a line break before a list mark."""
    lines = space.count("\n") or space.count("\r")
    if lines > 1 or "\f" in space or "\u2029" in space:
        return True
    return (lines == 1 or "\u2028" in space) and _LIST_LINE.match(text, end) is not None


def _is_end(text: str, match: re.Match[str], start: int, opened: int) -> bool:
    stop, closers, after = match["stop"], match["closers"], match.end()
    if after == len(text):
        return True
    following = text[after]
    if following in "，、；：,;:|~～" or (following in "-=/\\_*&" and not match["space"]):
        return False
    if not closers and opened >= start:
        aside_end = _CLOSER.search(text, after, after + _ASIDE_CHARS)
        if aside_end and aside_end[0] != "\n":
            return False
    if _HARD.isdisjoint(stop):
        is_ellipsis = stop != "." and _ELLIPSIS.issuperset(stop)
        ends = _ellipsis_ends(text, match) if is_ellipsis else _latin_ends(text, match, start)
        return ends and _quote_ends(text, match, start)
    return _quote_ends(text, match, start)


def _quote_ends(text: str, match: re.Match[str], start: int) -> bool:
    """Whether what was quoted is a sentence of its own, and not a word in one: 所谓的“好！”字帖."""
    closer = match["closers"][:1]
    following = text[match.end()]
    if closer not in _OPENER_OF:
        return True
    if following in _OPENERS:
        return True
    if match["space"] or following.isupper():
        return not following.islower()
    if following in "とって" or closer in "》〉":
        return False
    left = text.rfind(_OPENER_OF[closer], max(start, match.start() - 2 * _ASIDE_CHARS), match.start())
    return left < 0 or not text[start:left].strip() or text[left - 1] in ":：,，" or text[left - 1].isspace()


def _ellipsis_ends(text: str, match: re.Match[str]) -> bool:
    if match["closers"] and not match["space"]:
        return True
    following = text[match.end() : match.end() + 2]
    if following[0] == "I" and not following[1:].isalpha():  # always upper case, so it tells nothing
        return False
    return bool(match["space"]) and (following[0].isupper() or _is_han(following[0]))


def _latin_ends(text: str, match: re.Match[str], start: int) -> bool:
    """Whether `.`, `!`, `?` or a run of them ends a sentence."""
    if match["stop"] == "." or match["stop"] == "．":
        if match["closers"]:
            return _opens_sentence(text, match)
        return _period_ends(text, match, start)
    following = text[match.end()]
    if match["space"]:
        return not (match["closers"] and following.islower())
    return not (following.isascii() and (following.islower() or following.isdigit())) or _is_han(
        text[match.start() - 1 : match.start()]
    )


def _opens_sentence(text: str, match: re.Match[str]) -> bool:
    following = text[match.end()]
    if following.islower():
        return False
    return bool(match["space"]) or following.isupper() or _is_han(following) or following in _OPENERS


def _period_ends(text: str, match: re.Match[str], start: int) -> bool:
    dot, after = match.start(), match.end()
    word = _word_before(text, start, dot)
    if not match["space"]:
        return _glued_period_ends(text, dot, after, start, word)
    following = text[after]
    if following.islower() or word.lower() in _TITLES:
        return False
    if following.isdigit() and word.lower() in _ABBREVIATIONS:
        return False
    if _ACRONYM.fullmatch(word) or word.lower() in ("a.m", "p.m"):
        return _begins_with_starter(text, after) and len(word) > 1
    return not _is_ordinal(text, start, dot)


def _glued_period_ends(text: str, dot: int, after: int, start: int, word: str) -> bool:
    following, before = text[after], text[dot - 1 : dot]
    if not before or before.isspace() or before in _OPENERS:
        return False
    if following.isascii() and (following.isdigit() or following.islower()):
        return len(word) != 1 and not before.isdigit() and _GLUED_LIST_MARK.match(text, after) is not None
    if following.isupper():
        if len(word) == 1 and before.isupper():
            return False
        if _ACRONYM.fullmatch(word) and "." in word:
            return _begins_with_starter(text, after)
        return not (before.isupper() and text[after + 1 : after + 2].isupper()) and not _IDENTIFIER.match(
            text, after
        )
    if _ACRONYM.fullmatch(word) or word.lower() in _TITLES:
        return False
    return (_is_han(following) or following in _OPENERS or following in "\"'") and not _is_ordinal(
        text, start, dot
    )


def _word_before(text: str, start: int, dot: int) -> str:
    reversed_head = text[max(start, dot - 24) : dot][::-1]
    match = _LAST_WORD_REVERSED.match(reversed_head)
    return match[0][::-1].lstrip(".") if match else ""


def _begins_with_starter(text: str, at: int) -> bool:
    word = _WORD.match(text, at)
    return not word or word[0].lower() in _STARTERS


def _is_ordinal(text: str, start: int, dot: int) -> bool:
    """Whether the sentence so far is only its number: `2.`, `b.`, `Chapter 1.`"""
    if dot - start > 40:
        return False
    head = text[start:dot].strip()
    return bool(_ORDINAL.fullmatch(head) or _LABELLED_NUMBER.fullmatch(head))


def _is_han(character: str) -> bool:
    return _IS_HAN.match(character) is not None


# Scripts whose sentences these rules do not know, and the language that sentencex reads each as.
_FOREIGN: Final = {
    "ar": "\u0600-\u06ff",
    "hi": "\u0900-\u097f",
    "bn": "\u0980-\u09ff",
    "ta": "\u0b80-\u0bff",
    "te": "\u0c00-\u0c7f",
    "th": "\u0e00-\u0e7f",
    "my": "\u1000-\u109f",
    "am": "\u1200-\u137f",
    "hy": "\u0530-\u058f",
    "km": "\u1780-\u17ff",
}
_ANY_FOREIGN: Final = re.compile(f"[{''.join(_FOREIGN.values())}]")
_SAMPLE_CHARS: Final = 4_000


def _foreign_script(text: str) -> str | None:
    """The language whose script most of the text's letters are in, if it is one of `_FOREIGN`."""
    if not _ANY_FOREIGN.search(text):
        return None
    middle = max(0, (len(text) - _SAMPLE_CHARS) // 2)
    sample = text[middle : middle + _SAMPLE_CHARS]
    letters = sum(map(str.isalpha, sample))
    counts = {language: len(re.findall(f"[{chars}]", sample)) for language, chars in _FOREIGN.items()}
    language = max(counts, key=counts.__getitem__)
    return language if 2 * counts[language] > letters else None


def _foreign_ends(text: str, language: str) -> Iterator[int]:
    from sentencex import segment

    for start, end in _windows(text):
        at = start
        for sentence in segment(language, text[start:end]):
            found = text.find(sentence, at, end)
            at = (found if found >= 0 else at) + len(sentence)
            yield min(at, end)
        yield end


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Stretches of at most `_WINDOW_CHARS`, cut at a line's end, else at a space, else anywhere."""
    start = 0
    while start < len(text):
        end = min(start + _WINDOW_CHARS, len(text))
        if end < len(text):
            half = start + _WINDOW_CHARS // 2
            cut = max(text.rfind("\n", half, end), 0) or max(text.rfind(" ", half, end), 0)
            end = cut + 1 if cut else end
        yield start, end
        start = end
