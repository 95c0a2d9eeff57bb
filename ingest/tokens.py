"""How many tokens a multilingual model will see, without asking it."""

import re
from typing import Final

# Measured against the real tokenizer, this makes the estimate too low for about one passage in ten, by a tenth.
_MARGIN: Final = 1.08
_PIECE: Final = re.compile(
    r"([A-Za-z]+)|(\d+)|([\u2e80-\u9fff\uf900-\ufaff]+)|([\u3040-\u30ff\uac00-\ud7af]+)|([^\s\w]+)|(\w)"
)


def estimate_tokens(text: str) -> int:
    """Tokens of `text` in XLM-RoBERTa's vocabulary, rather too many than too few; cheap and deterministic."""
    total = 0.0
    for match in _PIECE.finditer(text):
        length = match.end() - match.start()
        match match.lastindex:
            case 1:
                total += 1 if length < 5 else length / 4
            case 2:
                total += 0.5 + length / 2
            case 3 | 4:
                total += 0.5 + 0.75 * length
            case _:
                total += length
    return int(_MARGIN * total) + 1
