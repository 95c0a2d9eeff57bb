"""What is known of embedding models, and the fingerprint of what decides a vector."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from typing import Final

from docradar.embedding.protocol import ModelProfile, Recipe

UNIT_RECIPE_VERSION: Final = 2
"""Grows whenever the same document and model give other units, passages or contexts than before."""

INSTRUCTION_PROMPT: Final = "Instruct: {instruction}\nQuery:"
DEFAULT_INSTRUCTION: Final = "Given a web search query, retrieve relevant passages that answer the query"
_QWEN_QUERY: Final = INSTRUCTION_PROMPT.format(instruction=DEFAULT_INSTRUCTION)
_BGE_EN_QUERY: Final = "Represent this sentence for searching relevant passages: "
_BGE_ZH_QUERY: Final = "为这个句子生成表示以用于检索相关文章："

_UNFINGERPRINTED: Final = {"strong_score", "keyword_bonus", "takes_instruction"}


@dataclass(frozen=True, slots=True)
class Strength:
    """From which score on a hit is strong, and how much its words may add to its cosine."""

    score: float
    keyword_bonus: float = 0.0


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A row of the table. `pattern` is matched against the model's id, or the name of its folder, in lower case.

    `strong_score` is the cosine between query and unit from which a hit is strong. `centre` names the means that are
    subtracted from the model's vectors, which have another strength then, `centred`; that is measured for the packaged model
    (docs/quality.md). Qwen3's is set by the product's design. The rest are estimates that nobody has measured here:
    `docradar calibrate` and the setting `strong_score` go before them.
    """

    pattern: str
    strong_score: float
    query_prompt: str = ""
    passage_prompt: str = ""
    recipe: Recipe | None = None
    takes_instruction: bool = False
    centre: str = ""
    centred: Strength | None = None


KNOWN_MODELS: Final = (
    KnownModel("*qwen3-embedding*", 0.4, _QWEN_QUERY, recipe=Recipe.CONTEXT, takes_instruction=True),
    KnownModel("*multilingual-e5-large-instruct*", 0.85, _QWEN_QUERY, takes_instruction=True),
    KnownModel(
        "*multilingual-e5-small*",
        0.87,
        "query: ",
        "passage: ",
        centre="multilingual-e5-small",
        centred=Strength(0.25, keyword_bonus=0.2),
    ),
    KnownModel("*multilingual-e5-*", 0.85, "query: ", "passage: "),
    KnownModel("*e5-*-v2*", 0.80, "query: ", "passage: "),
    KnownModel("*bge-m3*", 0.55),
    KnownModel("*bge-*-zh-v1.5*", 0.55, _BGE_ZH_QUERY),
    KnownModel("*bge-*-en-v1.5*", 0.65, _BGE_EN_QUERY),
    KnownModel("*gte-multilingual*", 0.60),
    KnownModel("*all-minilm-l*", 0.45),
    KnownModel("*all-mpnet-base*", 0.45),
    KnownModel("*paraphrase-multilingual-*", 0.50),
    KnownModel("*nomic-embed-text*", 0.60, "search_query: ", "search_document: "),
    KnownModel("*embeddinggemma*", 0.45, "task: search result | query: ", "title: none | text: "),
    KnownModel("*text-embedding-3-*", 0.40),
    KnownModel("*text-embedding-ada-002*", 0.80),
)
_UNKNOWN: Final = KnownModel("*", 0.5)


def known_model(model_id: str) -> KnownModel:
    """The first row that matches, or one without prompts and a strong score of 0.5."""
    name = model_id.rstrip("/").lower()
    return next((known for known in KNOWN_MODELS if fnmatch(name, known.pattern)), _UNKNOWN)


def make_profile(
    model_id: str,
    *,
    revision: str,
    dim: int,
    max_tokens: int,
    pooling: str,
    prompts: Mapping[str, str | None] | None = None,
    centre: str = "",
) -> ModelProfile:
    """A model's profile: its own `prompts` where it declares them, the table's else; the recipe by its pooling."""
    known = known_model(model_id)
    strength = (known.centred if centre else None) or Strength(known.strong_score)
    declared = prompts or {}
    return ModelProfile(
        id=model_id,
        revision=revision,
        dim=dim,
        max_tokens=max_tokens,
        pooling=pooling,
        query_prompt=declared.get("query") or known.query_prompt,
        passage_prompt=declared.get("passage") or declared.get("document") or known.passage_prompt,
        recipe=known.recipe or _RECIPES.get(pooling, Recipe.PLAIN),
        strong_score=strength.score,
        keyword_bonus=strength.keyword_bonus,
        takes_instruction=known.takes_instruction,
        centre=centre,
    )


_RECIPES: Final = {"mean": Recipe.LATE_CHUNKING, "lasttoken": Recipe.CONTEXT}


def query_prompt(profile: ModelProfile, instruction: str | None) -> str:
    """What is put before a query. Models that take no instruction ignore it."""
    if instruction and profile.takes_instruction:
        return INSTRUCTION_PROMPT.format(instruction=instruction)
    return profile.query_prompt


def fingerprint(profile: ModelProfile) -> str:
    """Hex SHA-256 of all that decides a vector. Equal ones may share an index; thresholds do not count."""
    decisive = {name: value for name, value in asdict(profile).items() if name not in _UNFINGERPRINTED}
    if not profile.centre:
        del decisive["centre"]
    decisive["unit_recipe_version"] = UNIT_RECIPE_VERSION
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()
