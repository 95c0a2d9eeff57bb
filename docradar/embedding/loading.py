"""Loading a local model: weights, then the engine its forward pass runs in."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from transformers.utils import logging as transformers_logging

from docradar.embedding import openvino_forward
from docradar.embedding.centring import Centre
from docradar.embedding.profiles import known_model
from docradar.embedding.sentence_transformer import SentenceTransformerEmbedder, weights_digest
from docradar.errors import ConfigurationError

logger = logging.getLogger(__name__)

OnStage = Callable[[str], None]

_INSTALL_OPENVINO: Final = 'pip install "docradar[cpu]", or set cpu_engine to torch'


def load_sentence_transformer(
    source: str,
    *,
    model_id: str,
    revision: str = "",
    device: str = "cpu",
    cpu_engine: str = "auto",
    truncate_dim: int = 0,
    batch_tokens: int = 0,
    centring: bool = True,
    data_dir: Path,
    on_stage: OnStage,
) -> SentenceTransformerEmbedder:
    """An embedder for `source`, a folder or an id on a hub, known to users as `model_id`.

    Raises:
        ConfigurationError: The model cannot be found, read or put on `device`.
    """
    on_stage(f"loading {model_id} on {device}")
    model = _load(source, revision, device)
    digest = weights_digest(model)
    if device == "cpu":
        _use_openvino(model, model_id, cpu_engine, data_dir / "models" / f"openvino-{digest}", on_stage)
    return SentenceTransformerEmbedder(
        model,
        model_id,
        revision=digest,
        truncate_dim=truncate_dim,
        batch_tokens=batch_tokens,
        # A shortened vector would need the means of shortened ones.
        centre=_centre(model_id) if centring and not truncate_dim else None,
    )


def _centre(model_id: str) -> Centre | None:
    """The means that are known of this model's vectors, if they are."""
    name = known_model(model_id).centre
    return Centre.load(name) if name else None


def _load(source: str, revision: str, device: str) -> SentenceTransformer:
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    is_folder = Path(source).is_dir()
    try:
        return SentenceTransformer(
            source,
            device=device,
            revision=revision or None,
            local_files_only=is_folder,
            model_kwargs={"dtype": "bfloat16" if device.startswith("cuda") else "float32"},
        )
    except Exception as error:
        raise ConfigurationError(_load_failure(source, device, is_folder=is_folder, error=error)) from error


def _load_failure(source: str, device: str, *, is_folder: bool, error: Exception) -> str:
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    if is_folder:
        return f"the folder {source} is not a model that sentence-transformers can load on {device}: {reason}"
    return (
        f"the model {source} cannot be loaded on {device}: {reason}. It is neither a folder here nor, as far as this "
        "machine can reach, a model on the hub: set model to a folder that holds it, or to packaged, which needs no network"
    )


def _use_openvino(
    model: SentenceTransformer, model_id: str, cpu_engine: str, folder: Path, on_stage: OnStage
) -> None:
    """Puts OpenVINO's forward pass in the place of torch's; with `auto`, only where that works."""
    if cpu_engine == "torch":
        return
    if not openvino_forward.is_installed():
        if cpu_engine == "openvino":
            raise ConfigurationError(
                f"setting cpu_engine is openvino, which is not installed: {_INSTALL_OPENVINO}"
            )
        logger.info("openvino is not installed; %s runs in torch, several times slower", model_id)
        return
    transformer = model[0]
    if not isinstance(transformer, Transformer):
        _refuse_openvino(model_id, cpu_engine, "its first module is not a Transformer")
        return
    try:
        if not openvino_forward.is_converted(folder):
            on_stage(f"converting {model_id} to OpenVINO, once")
        graph = openvino_forward.convert(transformer.model, folder)
        on_stage(f"compiling {model_id}")
        transformer.model = openvino_forward.OpenVinoForward(graph, transformer.model.config)
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001  conversion fails in as many ways as there are models
        _refuse_openvino(model_id, cpu_engine, (str(error).strip() or repr(error)).splitlines()[0])


def _refuse_openvino(model_id: str, cpu_engine: str, reason: str) -> None:
    if cpu_engine == "openvino":
        raise ConfigurationError(
            f"OpenVINO cannot run {model_id} ({reason}); set cpu_engine to auto or torch"
        )
    logger.warning("OpenVINO cannot run %s (%s); it runs in torch", model_id, reason)
