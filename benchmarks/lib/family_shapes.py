"""One shape for every family: 6 layers, 384 wide, as all-MiniLM-L6-v2 has it, with random weights.

The checkpoints are saved by the peers' own transformers, so that they are what its classes compute; families that it
does not know are left out.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from lib.checkpoints import MAX_TOKENS, lay_out, pooling_config, read_json, write_json
from lib.large_shapes import VOCABULARY, LargeShape
from lib.workloads import BENCHMARKS

if TYPE_CHECKING:
    from pathlib import Path

LAYERS, WIDTH, WIDE, HEADS, KV_HEADS = 6, 384, 1536, 12, 4
HEAD = WIDTH // HEADS

_ENCODER: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": WIDE,
    "max_position_embeddings": MAX_TOKENS,
    "pad_token_id": 0,
    "bos_token_id": 101,
    "eos_token_id": 102,
    "cls_token_id": 101,
    "sep_token_id": 102,
}
_PADDED = {"max_position_embeddings": MAX_TOKENS + 2, "pad_token_id": 1}
_DECODER = {"num_key_value_heads": KV_HEADS, "head_dim": HEAD}
_DISTANCES = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
}
_T5 = {"d_model": WIDTH, "d_kv": HEAD, "d_ff": WIDE, "num_layers": LAYERS, "num_heads": HEADS}
_OWN: dict[str, dict[str, Any]] = {
    "albert": {"embedding_size": 128},
    "bert": {},
    "camembert": _PADDED,
    "deberta-v2": _DISTANCES,
    "distilbert": {"dim": WIDTH, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": WIDE},
    "electra": {"embedding_size": 128},
    "eurobert": _DECODER,
    "gemma3_text": {**_DECODER, "query_pre_attn_scalar": HEAD, "use_bidirectional_attention": True},
    "jina_embeddings_v3": {"pad_token_id": 1, "type_vocab_size": 1},
    "llama": _DECODER,
    "mistral": _DECODER,
    "modernbert": {},
    "mpnet": _PADDED,
    "nomic_bert": {},
    "qwen2": _DECODER,
    "qwen3": _DECODER,
    "roberta": _PADDED,
    "t5": {**_T5, "is_encoder_decoder": False},
    "xlm-roberta": _PADDED,
}
_LAST = frozenset({"llama", "mistral", "qwen2", "qwen3"})
"""Decoders, whose last token is the vector."""

FAMILY_SHAPES = {
    model_type: LargeShape(
        model_type,
        f"{model_type} ({LAYERS} layers, {WIDTH} wide)",
        "last" if model_type in _LAST else "mean",
        MAX_TOKENS,
        {**_ENCODER, **own, "model_type": model_type},
    )
    for model_type, own in _OWN.items()
}
"""By model type; those that no release of transformers has are not there."""


class UnknownFamilyError(Exception):
    """The peers' transformers cannot save a checkpoint of this family; the message is its reason."""


def make_family_checkpoint(shape: LargeShape, folder: Path, python: str) -> None:
    """Write the checkpoint of a family, with MiniLM's tokenizer.

    Args:
        shape: The family.
        folder: Is made.
        python: The peers' interpreter.

    Raises:
        UnknownFamilyError: its transformers does not know the family.
    """
    lay_out(folder, max_tokens=shape.max_tokens)
    write_json(folder / "1_Pooling" / "config.json", pooling_config(shape.pooling, WIDTH))
    settings = read_json(folder / "tokenizer_config.json")
    write_json(folder / "tokenizer_config.json", {**settings, "tokenizer_class": "PreTrainedTokenizerFast"})
    command = [python, str(BENCHMARKS / "lib" / "save_random.py"), json.dumps(shape.config), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - this project's program
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UnknownFamilyError(last.split(". ")[0])  # transformers then lists every model that it has
