"""Which reranker a service uses, and how it comes to be loaded."""

import os

from docradar.embedding.choice import known_as, resolve_device
from docradar.reranking.protocol import Reranker
from docradar.settings import Settings


def reranker_name(settings: Settings) -> str:
    """What callers see of the setting: an id, or a folder's name."""
    return settings.reranker if settings.rerank_url else known_as(settings.reranker)


def load_reranker(settings: Settings) -> Reranker:
    """Blocks until the chosen model can rerank, which for an endpoint is at once.

    Raises:
        ConfigurationError: The model cannot be loaded; the message says which and what to do.
    """
    if settings.rerank_url:
        from docradar.reranking.remote import RemoteReranker

        return RemoteReranker(settings.rerank_url, settings.reranker, api_key=settings.rerank_api_key)
    # Read when huggingface_hub is first imported, which this import does.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from docradar.reranking.loading import load_cross_encoder

    return load_cross_encoder(
        settings.reranker,
        model_id=reranker_name(settings),
        revision=settings.reranker_revision,
        device=resolve_device(settings.device),
    )
