"""The forward pass of a Hugging Face encoder in OpenVINO, in place of `Transformer.model`."""

import importlib.util
import sys
import threading
import warnings
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from docradar.embedding.folders import build_once

_GRAPH: Final = "openvino_model.xml"
_LEAST_SIMILARITY: Final = 0.99
_SMALL_TOKENS: Final = 256

_SIDE_BY_SIDE: Final = frozenset({"bert", "camembert", "distilbert", "mpnet", "roberta", "xlm-roberta"})
"""Model types that run in two streams. Not those with causal attention: OpenVINO 2026.4 ends the process (SIGFPE) when it
compiles one for anything but latency on two cores."""


def is_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


class OpenVinoForward(nn.Module):
    """(batch, tokens) int64 ids and mask → last_hidden_state, float32 (batch, tokens, hidden).

    Computes in bf16 where the processor has it, in float32 elsewhere. May be called from several threads. A small call
    that comes alone, such as a query, gets all cores. Calls that come together, or are large, get half of them each:
    `streams` such calls run side by side, which does more than one after another on all cores would, as threads of one
    call wait for each other wherever something else takes a core away.
    """

    def __init__(self, graph: Path, config: Any) -> None:
        super().__init__()
        core = _openvino().Core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision = "bf16" if "BF16" in capabilities else "f32"
        self.config = config
        self.streams = 2 if config.model_type in _SIDE_BY_SIDE else 1

        def requests(**scheduling: str) -> _Requests:
            options = {"INFERENCE_PRECISION_HINT": self.precision} | scheduling
            return _Requests(core.compile_model(str(graph), "CPU", options))

        self._alone = requests(PERFORMANCE_HINT="LATENCY")
        self._together = requests(NUM_STREAMS="2") if self.streams == 2 else self._alone
        self._running = 0
        self._lock = threading.Lock()

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: object) -> BaseModelOutput:
        inputs = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        with self._lock:
            self._running += 1
            alone = self._running == 1 and input_ids.numel() <= _SMALL_TOKENS
        try:
            request = (self._alone if alone else self._together).of_this_thread()
            states = request.infer(inputs, share_inputs=True)[0]
        finally:
            with self._lock:
                self._running -= 1
        return BaseModelOutput(last_hidden_state=torch.from_numpy(states))


class _Requests:
    """A compiled model's inference requests, one a thread, since each holds the buffers of one call."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._local = threading.local()

    def of_this_thread(self) -> Any:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        return self._local.request


def convert(model: PreTrainedModel, folder: Path) -> Path:
    """Path of the model's OpenVINO graph in `folder`, converted first if it is not there.

    Weights are stored as float16, which halves disk and memory; the packaged model keeps a cosine of 0.999999.

    Raises:
        Exception: OpenVINO cannot convert the model, or not without changing its vectors. Which type it is differs
            from model to model.
    """
    build_once(folder, is_converted, lambda fresh: _write_graph(model, fresh / _GRAPH))
    return folder / _GRAPH


def is_converted(folder: Path) -> bool:
    return (folder / _GRAPH).exists()


class _LastHiddenState(nn.Module):
    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states


def _write_graph(model: PreTrainedModel, path: Path) -> None:
    openvino = _openvino()
    # Two rows and a hidden token, so that tracing takes neither the batch nor the mask for a constant.
    mask = torch.tensor([[1] * 8, [1] * 7 + [0]])
    example = {"input_ids": torch.ones(2, 8, dtype=torch.int64), "attention_mask": mask}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter(
            "ignore"
        )  # tracing warns of branches on shapes, which are the same for every input
        graph = openvino.convert_model(_LastHiddenState(model).eval(), example_input=example)
    _require_equal_states(model, openvino.compile_model(graph, "CPU"))
    openvino.save_model(graph, path, compress_to_fp16=True)


def _require_equal_states(model: PreTrainedModel, compiled: Any) -> None:
    """Tracing may bake the example's shape or mask into the graph unnoticed; another shape and mask shows it."""
    ids = torch.arange(1, 40).reshape(3, 13) % model.config.vocab_size
    mask = torch.tensor([[1] * 13, [1] * 9 + [0] * 4, [1] * 2 + [0] * 11])
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).last_hidden_state
    states = torch.from_numpy(compiled({"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0])
    similarity = torch.nn.functional.cosine_similarity(states, expected, dim=-1)[mask.bool()].min().item()
    if not similarity > _LEAST_SIMILARITY:
        raise ValueError(f"its converted form gives other vectors, cosine {similarity:.3f}")


def _openvino() -> Any:
    # Its converter reports each use to its maker; without this module it falls back to its own silent stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
