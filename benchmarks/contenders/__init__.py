"""The contenders: each with the file that runs it and the environment that it runs in.

Nothing here imports a contender's library: a process imports the library of its own contender alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """One row of the tables.

    Attributes:
        name: Its name for ``--contenders``.
        label: Its name in the tables.
        family: The file in this folder that runs it.
        variant: The way the family runs it.
        is_peer: Whether it runs in the peers' environment, not in this project's.
    """

    name: str
    label: str
    family: str
    variant: str
    is_peer: bool = True


OURS = "embed-plugin"
EXACT = "st-torch"
"""The contender whose vectors all others are compared with."""

OPENVINO = "openvino-int8"
STATIC = "model2vec"

_EVERY = (
    Contender(OURS, "embed-plugin INT8", "embed_plugin", "int8", is_peer=False),
    Contender("embed-plugin-fp32", "embed-plugin fp32", "embed_plugin", "fp32", is_peer=False),
    Contender(OPENVINO, "OpenVINO INT8 (NNCF), own loop", "openvino", "int8"),
    Contender(EXACT, "sentence-transformers, torch fp32", "sentence_transformers", "fp32"),
    Contender("st-torch-bf16", "sentence-transformers, torch bf16", "sentence_transformers", "bf16"),
    Contender("st-onnx", "sentence-transformers, ONNX fp32", "sentence_transformers", "onnx"),
    Contender("st-onnx-int8", "sentence-transformers, ONNX INT8 (dynamic)", "sentence_transformers", "onnx-int8"),
    Contender("st-openvino", "sentence-transformers, OpenVINO fp32", "sentence_transformers", "openvino"),
    Contender("st-untuned", "sentence-transformers, torch fp32, batch of 32", "sentence_transformers", "untuned"),
    Contender("fastembed", "fastembed, ONNX fp32", "fastembed", "onnx"),
    Contender("fastembed-untuned", "fastembed, ONNX fp32, batch of 32", "fastembed", "untuned"),
    Contender("fastembed-int8", "fastembed, ONNX INT8 (dynamic)", "fastembed", "onnx-int8"),
    Contender("llama-cpp-q8", "llama.cpp Q8_0, own loop", "llama_cpp", "q8_0"),
    Contender("llama-cpp-q4", "llama.cpp Q4_K_M, own loop", "llama_cpp", "q4_k_m"),
    Contender("fasttextembed", "fasttextembed, fp16 weights (bge-small's shape alone)", "fasttextembed", "fp16"),
    Contender(STATIC, "model2vec, distilled (no transformer)", "model2vec", "static"),
)
ROSTER = {contender.name: contender for contender in _EVERY}
