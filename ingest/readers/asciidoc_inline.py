"""Inline markup of AsciiDoc → the text that it shows."""

import re
from collections.abc import Mapping
from typing import Final

from ingest.readers.markup_lines import PAD

_CHARACTERS: Final = {
    "nbsp": " ", "sp": " ", "empty": "", "blank": "", "zwsp": "", "wj": "", "apos": "'", "quot": '"', "lsquo": "‘", "rsquo": "’",
    "ldquo": "“", "rdquo": "”", "deg": "°", "plus": "+", "brvbar": "¦", "vbar": "|", "amp": "&", "lt": "<", "gt": ">",
    "startsb": "[", "endsb": "]", "caret": "^", "asterisk": "*", "tilde": "~", "backslash": "\\", "backtick": "`", "two-colons": "::",
    "two-semicolons": ";;", "cpp": "C++",
}  # fmt: skip
_REFERENCE: Final = re.compile(r"(?<!\\)\{([A-Za-z0-9_][\w-]{0,60})\}")
_BRACKETED: Final = r"\[(?P<{}>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]"
# Each alternative stops at the first mark that could end it, so the time is linear whatever is left open.
_MARKUP: Final = re.compile(
    r"\\(?P<escaped>[*_`#^~\[{<:(])"
    r"|\+\+\+(?P<passed>[^+]+)\+\+\+"
    r"|(?<![\w:])(?:link|xref|mailto):(?P<target>[^\s\[\]<>]{1,2000})" + _BRACKETED.format("link")
    + r"|(?<![\w:])(?P<url>(?:https?|ftp|irc)://[^\s\[\]<>]{1,2000})" + _BRACKETED.format("url_text")
    + r"|<(?P<bare_url>(?:https?|ftp)://[^\s\[\]<>]{1,2000})>"
    r"|<<(?P<anchor>[^<>,\n]{1,200})(?:,(?P<anchor_text>[^<>]{0,1000}))?>>"
    r"|[ ]?(?<![\w:])footnote:[\w-]{0,60}" + _BRACKETED.format("footnote")
    + r"|(?<![\w:])menu:(?P<menu>[^\s\[\]][^\[\]\n]{0,200})\[(?P<menu_items>[^\[\]]{0,500})\]"
    r"|(?<![\w:])(?:kbd|btn|pass(?::[\w,]{0,20})?|stem|latexmath|asciimath|indexterm2):" + _BRACKETED.format("macro")
    + r"|(?<![\w:])(?:image|icon|anchor|indexterm|video|audio):[^\s\[\]]{0,2000}\[[^\[\]]*\]"
    r"|[ ]?\(\(\((?P<hidden>[^()]*)\)\)\)|\(\((?P<term>[^()]+)\)\)"
    r"|\[\[[^\[\]]{1,200}\]\]"
    r"|(?:\[[^\[\]\s]{1,100}\])?(?:"
    r"\*\*(?P<strong2>[^*]+)\*\*|__(?P<emphasis2>[^_]+)__|``(?P<code2>[^`]+)``|\#\#(?P<mark2>[^#]+)\#\#"
    r"|(?<![\w*])\*(?P<strong>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<emphasis>[^_\s](?:[^_]*[^_\s])?)_(?![\w_])"
    r"|(?<![\w`\"'])`\+?(?P<code>[^`\s](?:[^`]*[^`\s])?)`(?![\w`])"
    r"|(?<![\w#])\#(?P<mark>[^#\s](?:[^#]*[^#\s])?)\#(?![\w#])"
    r"|\^(?P<sup>[^\s^]+)\^|~(?P<sub>[^\s~]+)~"
    r")"
    r"|\"`(?P<double>[^`]+)`\"|'`(?P<single>[^`]+)`'"
)  # fmt: skip
_ANY_MARK: Final = re.compile(r"[*_`#^~\[<\\]|\(\(|\+\+\+")
_NAMED_ATTRIBUTE: Final = re.compile(r",\s*(?:role|window|opts|title|id|rel)\s*=.*$|\^$")
_MOST_MARKS: Final = 3


def resolved(text: str, attributes: Mapping[str, str]) -> str:
    """The text with the values of those attributes that are known."""
    if "{" not in text:
        return text

    def value(match: re.Match[str]) -> str:
        name = match[1].lower()
        return attributes.get(name, _CHARACTERS.get(name, match[0]))

    return _REFERENCE.sub(value, text)


def shown(text: str, attributes: Mapping[str, str]) -> str:
    """The text without its marks: the words of links and references, without their addresses."""
    text = resolved(text, attributes)
    for _ in range(_MOST_MARKS):  # marks stand in marks
        if not _ANY_MARK.search(text):
            break
        text, count = _MARKUP.subn(_replaced, text)
        if not count:
            break
    return text.replace(PAD, "")


def _replaced(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind is None or kind == "hidden":
        return ""
    content: str = match[kind]
    if kind == "escaped":
        return f"{content}{PAD}"  # white space to the patterns: no mark begins before it
    if kind == "link":
        return _NAMED_ATTRIBUTE.sub("", content).strip('"') or match["target"].lstrip("#")
    if kind == "url_text":
        return _NAMED_ATTRIBUTE.sub("", content).strip('"') or match["url"]
    if kind == "anchor":
        return content.lstrip("#")
    if kind == "footnote":
        return f" ({content.strip()})" if content.strip() else ""
    if kind == "menu_items":
        return " > ".join(part.strip() for part in (match["menu"], *content.split(">")) if part.strip())
    if kind in ("double", "single"):
        return f"“{content}”" if kind == "double" else f"‘{content}’"
    if kind == "code":
        return content.removesuffix("+")
    return content
