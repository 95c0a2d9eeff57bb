"""Inline markup of reStructuredText → the text that it shows."""

import re
from collections.abc import Mapping
from typing import Final

_SUBSTITUTION_CHARS: Final = 1000
_DEFINITION: Final = re.compile(r"[ ]*\.\.[ ]+\|([^|\s][^|]*)\|[ ]+(?:replace|unicode)::[ ]*(.*)")
# Each alternative stops at the first mark that could end it, so the time is linear whatever is left open.
_MARKUP: Final = re.compile(
    r"\\(?P<escaped>.?)"
    r"|``(?P<literal>[^`]+(?:`[^`]+)*)``"
    r"|(?<![\w`]):(?P<role>[A-Za-z][\w:.+-]{0,60}):`(?P<role_text>[^`]+)`"
    r"|_?`(?P<phrase>[^`\s][^`]*)`(?::[A-Za-z][\w:.+-]{0,60}:|_{0,2}(?!\w))"
    r"|(?<![\w*])\*\*(?P<strong>[^*\s](?:[^*]*[^*\s])?)\*\*(?![\w*])"
    r"|(?<![\w*])\*(?P<emphasis>[^*\s](?:[^*]*[^*\s])?)\*(?![\w*])"
    r"|(?<![\w|])\|(?P<substitution>[^|\s](?:[^|]*[^|\s])?)\|_{0,2}(?!\w)"
    r"|[ ]?\[(?:\#[\w-]*|\*|\d{1,4})\]_(?!\w)"
    r"|(?<![\w_])(?P<reference>[^\W_][\w.+-]{0,100}?)__?(?![\w_])"
    r"|\[(?P<citation>[^\]\[\s]{1,60})\]_(?!\w)"
)
_ANY_MARK: Final = re.compile(r"[\\`*|_]")
_TARGET: Final = re.compile(r"\s*<[^<>]*>$")
_NAMED_ROLES: Final = frozenset({
    "ref", "doc", "term", "numref", "download", "any", "func", "meth", "class", "mod", "attr", "exc", "data", "obj", "const", "envvar",
    "option", "keyword", "type", "macro", "member", "confval", "token",
})  # fmt: skip


def substitutions(lines: list[str]) -> dict[str, str]:
    """The texts that `|name|` stands for."""
    found: dict[str, str] = {}
    for place, line in enumerate(lines):
        match = _DEFINITION.match(line) if "|" in line else None
        if match is None:
            continue
        words = [match[2]]
        for more in lines[place + 1 : place + 20]:
            if not more.strip() or not more.startswith(" "):
                break
            words.append(more.strip())
        found[match[1].lower()] = shown(" ".join(words).strip()[:_SUBSTITUTION_CHARS], {})
    return found


def shown(text: str, replacements: Mapping[str, str]) -> str:
    """The text without its marks: a link's and a role's own words, a substitution's replacement."""
    if not _ANY_MARK.search(text):
        return text

    def replaced(match: re.Match[str]) -> str:
        kind = match.lastgroup
        if kind is None:  # a footnote's number
            return ""
        content = match[kind]
        if kind == "escaped":
            return "" if content.isspace() else content
        if kind == "role_text":
            return _role_text(match["role"], content)
        if kind == "phrase":
            return _without_target(content)
        if kind == "substitution":
            return replacements.get(content.lower(), match[0])
        return content

    return _MARKUP.sub(replaced, text)


def _role_text(role: str, content: str) -> str:
    text = _without_target(content)
    if text != content or role.rpartition(":")[2] not in _NAMED_ROLES:
        return text
    if text.startswith("~"):
        return text[1:].rpartition(".")[2]
    return text.removeprefix("!")


def _without_target(content: str) -> str:
    """`words` of `words <address>`; the address where there is nothing else."""
    return _TARGET.sub("", content, count=1) or content.strip().strip("<>")
