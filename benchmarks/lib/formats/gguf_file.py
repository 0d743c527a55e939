"""Write a checkpoint as the fp32 GGUF file that llama.cpp reads, and quantises from.

The keys and names are those of the `gguf` package, which llama.cpp's authors publish and the peers' environment has.
BERT and XLM-RoBERTa are one architecture there (post-layer-norm, absolute positions, no mask), Qwen3 is another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np
from safetensors.numpy import load_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

POOLINGS = {
    "pooling_mode_mean_tokens": gguf.PoolingType.MEAN,
    "pooling_mode_cls_token": gguf.PoolingType.CLS,
    "pooling_mode_lasttoken": gguf.PoolingType.LAST,
}
WORD_START = "\u2581"
CONTINUES = "##"
SUFFIXES = (".weight", ".bias")
UNREAD = ("pooler.", "embeddings.position_ids")
"""Tensors of a checkpoint that no vector depends on."""


@dataclass(frozen=True)
class Family:
    """An architecture of llama.cpp.

    Attributes:
        name: Its name in GGUF files.
        architecture: Its tensor names.
        write_config: Writes the keys that this architecture alone has.
    """

    name: str
    architecture: gguf.MODEL_ARCH
    write_config: Callable[[gguf.GGUFWriter, Mapping[str, Any]], None]


def write_gguf(checkpoint: Path, path: Path) -> None:
    """Write a checkpoint folder with a WordPiece tokenizer as a GGUF file, every tensor in fp32.

    Raises:
        ValueError: llama.cpp has no such architecture or tensor, or the tokenizer is not WordPiece.
    """
    config = _read(checkpoint / "config.json")
    family = FAMILIES.get(config["model_type"])
    if family is None:
        found = f"{checkpoint} has the model_type {config['model_type']!r}"
        raise ValueError(f"{found}; what is written as GGUF is {', '.join(FAMILIES)}")
    writer = gguf.GGUFWriter(path, family.name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _write_shape(writer, config, _read(checkpoint / "1_Pooling" / "config.json"))
    family.write_config(writer, config)
    _write_vocabulary(writer, _read(checkpoint / "tokenizer.json"))
    for name, values in _tensors(checkpoint, config, family):
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_shape(writer: gguf.GGUFWriter, config: Mapping[str, Any], pooling: Mapping[str, Any]) -> None:
    """The keys that every architecture has."""
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"] - _first_position(config))
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_pooling_type(next(kind for name, kind in POOLINGS.items() if pooling.get(name)))


def _write_bert(writer: gguf.GGUFWriter, config: Mapping[str, Any]) -> None:
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)  # noqa: FBT003 - the package's own signature


def _write_qwen3(writer: gguf.GGUFWriter, config: Mapping[str, Any]) -> None:
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])


_BERT = Family("bert", gguf.MODEL_ARCH.BERT, _write_bert)
FAMILIES = {
    "bert": _BERT,
    "xlm-roberta": _BERT,
    "qwen3": Family("qwen3", gguf.MODEL_ARCH.QWEN3, _write_qwen3),
}


def _write_vocabulary(writer: gguf.GGUFWriter, tokenizer: Mapping[str, Any]) -> None:
    """A WordPiece vocabulary: pieces that begin a word are marked there, and those that continue it are not."""
    if tokenizer["model"]["type"] != "WordPiece":
        found = tokenizer["model"]["type"]
        raise ValueError(f"the tokenizer is a {found}, and only WordPiece vocabularies are written as GGUF")
    ids: dict[str, int] = tokenizer["model"]["vocab"]
    special = {token["content"] for token in tokenizer["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    control, normal = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(2)
    writer.add_token_list([token if token in special else _marked(token) for token in tokens])
    writer.add_token_types([control if token in special else normal for token in tokens])
    writer.add_unk_token_id(ids["[UNK]"])
    writer.add_bos_token_id(ids["[CLS]"])
    writer.add_sep_token_id(ids["[SEP]"])
    writer.add_pad_token_id(ids["[PAD]"])
    writer.add_mask_token_id(ids["[MASK]"])


def _marked(token: str) -> str:
    return token.removeprefix(CONTINUES) if token.startswith(CONTINUES) else WORD_START + token


def _tensors(
    checkpoint: Path, config: Mapping[str, Any], family: Family
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """The tensors under their names in GGUF; of positions those that tokens can have."""
    names = gguf.get_tensor_name_map(family.architecture, config["num_hidden_layers"])
    for name, values in load_file(checkpoint / "model.safetensors").items():
        if name.startswith(UNREAD):
            continue
        found = names.get_name(name, SUFFIXES) or names.get_name(f"model.{name}", SUFFIXES)
        if found is None:
            raise ValueError(f"{checkpoint}: llama.cpp's {family.name} has no tensor for {name}")
        first = _first_position(config) if name.endswith("position_embeddings.weight") else 0
        yield found, np.ascontiguousarray(values[first:], dtype=np.float32)


def _first_position(config: Mapping[str, Any]) -> int:
    """The row of the table of positions that the first token has: XLM-RoBERTa's begins with those of padding."""
    return int(config["pad_token_id"]) + 1 if config["model_type"] == "xlm-roberta" else 0


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))
