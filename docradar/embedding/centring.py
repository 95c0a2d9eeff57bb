"""Taking out of a vector what it owes to its language instead of its meaning.

Contrastively trained encoders of many languages put all texts of one language into a narrow cone: unrelated texts then
have cosines of 0.75 and more, and a text in another language comes after every text in one's own. Subtracting each
language's mean vector opens the cones and lays them over each other (Libovický, Rosa, Fraser: "On the Language Neutrality of
Pre-trained Multilingual Representations", Findings of EMNLP 2020). docs/quality.md has what it brings.

The means are those of `bench/centre_texts`, made by `python -m bench.make_centre`: parallel texts, so that only the
language differs. A text of two scripts gets a mean in between.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from docradar.embedding.protocol import Vectors

Role = Literal["passage", "query"]

FOLDER: Final = Path(__file__).parent / "centres"
_HAN: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_WORD: Final = re.compile("[^\\W\\d_\u3400-\u4dbf\u4e00-\u9fff]+")
HAN_CHARACTERS_A_WORD: Final = 1.5


@dataclass(frozen=True, eq=False)
class Centre:
    """`means` is float32 (2, 2, dim): of passages and queries, each in Chinese and in English."""

    means: Vectors

    @classmethod
    def load(cls, name: str) -> "Centre":
        """The centre that is packaged under the name of a model."""
        means: Vectors = np.load(FOLDER / f"{name}.npy").astype(np.float32)
        return cls(means)

    @property
    def digest(self) -> str:
        """16 hex digits that differ when a mean does."""
        return hashlib.sha256(self.means.tobytes()).hexdigest()[:16]

    def centred(self, vectors: Vectors, role: Role, texts: Sequence[str]) -> Vectors:
        """The vectors, float32 (n, dim), without their languages' means; lengths are no longer 1."""
        chinese, english = self.means[("passage", "query").index(role)]
        shares = han_shares(texts)[:, None]
        centred: Vectors = vectors - (shares * chinese + (1 - shares) * english)
        return centred


def han_shares(texts: Sequence[str]) -> NDArray[np.float32]:
    """How much of each text is Chinese, 0…1, by Han characters against words; half, where it has neither."""
    return np.array([_han_share(text) for text in texts], np.float32).reshape(len(texts))


def _han_share(text: str) -> float:
    han, words = len(_HAN.findall(text)), len(_WORD.findall(text))
    if not han and not words:
        return 0.5
    return han / (han + HAN_CHARACTERS_A_WORD * words)
