"""Loading a cross-encoder: a classifier over pairs, or a language model that is asked for yes or no.

sentence-transformers 6 loads both. For the second kind (Qwen3-Reranker and its like) it takes the last position's
logit("yes") - logit("no") and renders a pair with the model's chat template, in which the pair has the roles `query`
and `document` and a prompt the role `system`. The repositories of Qwen3-Reranker hold such a template; their first
revisions, and copies made of these, hold a general one, which knows neither role.
"""

from pathlib import Path
from typing import Any, Final

from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from transformers.utils import logging as transformers_logging

from docradar.errors import ConfigurationError, RerankError
from docradar.reranking.cross_encoder import CrossEncoderReranker

_REMEDY: Final = (
    "set reranker to a cross-encoder, such as Qwen/Qwen3-Reranker-0.6B or a folder that holds it, "
    "or rerank_url to an endpoint"
)
_SCORING_HEADS: Final = ("ForSequenceClassification", "ForCausalLM")

QWEN3_CHAT_TEMPLATE: Final = (
    "<|im_start|>system\n"
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
    "<Instruct>: {{ messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first"
    " | default('Given a web search query, retrieve relevant passages that answer the query') }}\n"
    "<Query>: {{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}\n"
    "<Document>: {{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n\n"  # Jinja drops the last line feed
)
"""The prompt that Qwen3-Reranker was trained with, by its model card."""


def load_cross_encoder(
    source: str, *, model_id: str, revision: str = "", device: str = "cpu"
) -> CrossEncoderReranker:
    """A reranker for `source`, a folder or an id on a hub, known to users as `model_id`; it has scored a pair already.

    Raises:
        ConfigurationError: The model cannot be found, read or put on `device`, or does not score pairs.
    """
    model = _load(source, revision, device)
    transformer = model[0] if len(model) else None
    if not isinstance(transformer, Transformer) or not _scores_pairs(model, transformer):
        raise ConfigurationError(
            f"{model_id} is not a cross-encoder: its weights hold nothing that scores a pair; {_REMEDY}"
        )
    if _is_general_qwen3(model, transformer):
        transformer.processor.chat_template = QWEN3_CHAT_TEMPLATE
    try:
        return CrossEncoderReranker.tried(model, model_id)
    except RerankError as error:
        raise ConfigurationError(f"{error}; {_REMEDY}") from error
    except Exception as error:
        raise ConfigurationError(
            f"{model_id} cannot score a pair on {device}: {_first_line(error)}; {_REMEDY}"
        ) from error


def _load(source: str, revision: str, device: str) -> CrossEncoder:
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    folder = Path(source).expanduser()
    try:
        model: CrossEncoder = CrossEncoder(
            str(folder) if folder.is_dir() else source,
            device=device,
            revision=revision or None,
            local_files_only=folder.is_dir(),
            model_kwargs={"dtype": "bfloat16" if device.startswith("cuda") else "float32"},
        )
        return model
    except Exception as error:
        reason = _first_line(error)
        if folder.is_dir():
            raise ConfigurationError(
                f"the folder {source} is not a cross-encoder that can be loaded on {device}: {reason}; {_REMEDY}"
            ) from error
        raise ConfigurationError(
            f"the reranker {source} cannot be loaded on {device}: {reason}. It is neither a folder here nor, as far "
            f"as this machine can reach, a model on the hub: {_REMEDY}"
        ) from error


def _scores_pairs(model: CrossEncoder, transformer: Transformer) -> bool:
    """Whether the head is of the checkpoint: transformers gives an encoder a random one, which scores at random."""
    architectures: list[str] = getattr(transformer.config, "architectures", None) or []
    judge = next((module for module in model if isinstance(module, LogitScore)), None)
    if judge is not None and judge.true_token_id == judge.false_token_id:  # both unknown to the tokenizer
        return False
    return len(model) > 1 or any(name.endswith(_SCORING_HEADS) for name in architectures)


def _is_general_qwen3(model: CrossEncoder, transformer: Transformer) -> bool:
    config: Any = transformer.config
    return (
        config.model_type == "qwen3"
        and any(isinstance(module, LogitScore) for module in model)
        and "message" in transformer.modality_config
        and transformer.input_formatter.pair_roles_failure() is not None
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]
