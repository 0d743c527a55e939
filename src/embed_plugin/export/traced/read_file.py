"""Read a ready ONNX file into the form that a traced graph has: this package's opset, and the outputs that are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx
from onnx import TensorProto, helper
from onnx.compose import add_prefix
from onnx.inliner import inline_local_functions
from onnx.version_converter import convert_version

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.onnx_graph.builder import INPUT, OPSET
from embed_plugin.export.onnx_graph.edit import remove_unused, rename_values_read

if TYPE_CHECKING:
    from pathlib import Path

TOKEN_OUTPUTS = ("last_hidden_state", "token_embeddings")
POOLED_OUTPUT = "sentence_embedding"
"""The vector of a text, as sentence-transformers and optimum call it."""

POOLED_OUTPUTS = (POOLED_OUTPUT, "pooler_output")
"""Names of a text's vector in files without token vectors; beside them, pooler_output is a head of BERT's training."""

INPUTS = (INPUT, "attention_mask", "token_type_ids", "position_ids")
OLDEST_OPSET = 11
SMALL_BYTES = 1024
"""Most bytes of a constant that takes part in the conversion: shapes and axes do, weights do not."""

PREFIX = "file."
REMEDY = "Give the file in fp32 (onnx/model.onnx), and this package's --precision int8 for the same speed or more"

_DOMAINS = frozenset({"", "ai.onnx", "com.microsoft"})
_PACKED = frozenset(
    {
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "DynamicQuantizeMatMul",
        "GatherBlockQuantized",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "QAttention",
        "QEmbedLayerNormalization",
        "QLinearMatMul",
        "QuantizeLinear",
    }
)
"""Operators of quantised models."""


@dataclass(frozen=True)
class OnnxFile:
    """A file's graph, and the names of its outputs.

    Attributes:
        model: The graph, with these outputs alone.
        token_vectors: Name of the token vectors; None: it gives none.
        vector: Name of the text's vector; None: it gives none.
    """

    model: onnx.ModelProto
    token_vectors: str | None
    vector: str | None


def read_onnx_file(path: Path) -> OnnxFile:
    """Read a file.

    Raises:
        SourceError: it is damaged, or its weights are not beside it.
        ExportError: it is quantised, of half precision, or has other inputs, outputs, shapes or operators than are
            read; the message names what is in the way.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's errors have no base but this
        raise SourceError(f"{path} is not a readable ONNX file ({error}): fetch it again") from error
    _require_fp32(model, path)
    _load_weights(model, path)
    _require_inputs(model, path)
    token_vectors, vector = _keep_outputs(model, path)
    model = _converted(model, path)
    names = iter([output.name for output in model.graph.output])
    return OnnxFile(model, next(names) if token_vectors else None, next(names) if vector else None)


def _require_fp32(model: onnx.ModelProto, path: Path) -> None:
    """Refuse what is quantised, of half precision, or of an opset or domain that is not read."""
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    packed = sorted({node.op_type for node in nodes} & _PACKED)
    if packed:
        raise ExportError(f"{path} is quantised (it has {', '.join(packed)}). {REMEDY}")
    halves = [
        each.name for each in model.graph.initializer if each.data_type in (TensorProto.FLOAT16, TensorProto.BFLOAT16)
    ]
    if halves:
        raise ExportError(f"{path} is of half precision (its weight {halves[0]}). {REMEDY}")
    local = {function.domain for function in model.functions}
    others = sorted({node.domain for node in nodes} - _DOMAINS - local)
    if others:
        raise ExportError(f"{path} has operators of {', '.join(others)}, which onnxruntime alone does not run")
    opset = _opset(model)
    if not OLDEST_OPSET <= opset <= OPSET:
        raise ExportError(f"{path} is of opset {opset}, expected {OLDEST_OPSET} to {OPSET}: export it again")


def _opset(model: onnx.ModelProto) -> int:
    return next((int(each.version) for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)


def _load_weights(model: onnx.ModelProto, path: Path) -> None:
    """Read the weights that are in files beside the graph.

    onnx's own function refuses links, and a hub's cache consists of them.
    """
    for tensor in model.graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        place = {entry.key: entry.value for entry in tensor.external_data}
        name = place.get("location", "")
        file = path.with_name(name) if name and "/" not in name and "\\" not in name and name != ".." else None
        if file is None or not file.is_file():
            raise SourceError(f"{path} has weights in {name!r:.80}, expected a file beside it: fetch it too")
        tensor.raw_data = _slice(file, int(place.get("offset", 0)), int(place.get("length", file.stat().st_size)))
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _slice(file: Path, offset: int, length: int) -> bytes:
    if offset < 0 or length < 0 or offset + length > file.stat().st_size:
        raise SourceError(f"{file} has fewer bytes than the graph beside it says: fetch it again")
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(length)


def _require_inputs(model: onnx.ModelProto, path: Path) -> None:
    """Refuse other inputs, types or fixed shapes; constants that older files list as inputs are none."""
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    names = [value.name for value in inputs]
    if INPUT not in names or not set(names) <= set(INPUTS):
        raise ExportError(f"{path} asks for {', '.join(names)}, expected {INPUT} and none but {', '.join(INPUTS[1:])}")
    for value in inputs:
        tensor = value.type.tensor_type
        if tensor.elem_type != TensorProto.INT64:
            kind = TensorProto.DataType.Name(tensor.elem_type)
            raise ExportError(f"{path}: its input {value.name} is {kind}, expected INT64: export it again")
        fixed = [dim.dim_value for dim in tensor.shape.dim if dim.dim_value]
        if fixed:
            found = f"{path}: its input {value.name} has a fixed size ({', '.join(map(str, fixed))})"
            raise ExportError(f"{found}, expected any number of texts and tokens: export it with dynamic axes")


def _keep_outputs(model: onnx.ModelProto, path: Path) -> tuple[bool, bool]:
    """Keep the token vectors and the text's vector, in this order, as far as they are there, and tell which are."""
    found = {value.name: value for value in model.graph.output}
    tokens = next((found[name] for name in TOKEN_OUTPUTS if name in found), None)
    vectors = (POOLED_OUTPUT,) if tokens else POOLED_OUTPUTS
    vector = next((found[name] for name in vectors if name in found), None)
    if tokens is None and vector is None:
        vector = _only_vector(model.graph)
    if tokens is None and vector is None:
        message = f"{path} gives {', '.join(found)}, expected {' or '.join((*TOKEN_OUTPUTS, POOLED_OUTPUT))}"
        raise ExportError(f"{message}: export it with its token vectors, or leave --exporter out")
    del model.graph.output[:]
    model.graph.output.extend([value for value in (tokens, vector) if value is not None])
    remove_unused(model.graph)
    return tokens is not None, vector is not None


def _only_vector(graph: onnx.GraphProto) -> onnx.ValueInfoProto | None:
    """The one output, if it has one row of numbers a text."""
    shapes = [len(value.type.tensor_type.shape.dim) for value in graph.output]
    return graph.output[0] if shapes == [len(("n", "dimension"))] else None


def _converted(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model in this package's opset, with names that no node of an output has.

    Weights wait outside: the converter copies the model several times, and no message holds 2 GiB.
    """
    weights = [each for each in model.graph.initializer if len(each.raw_data) > SMALL_BYTES]
    small = [each for each in model.graph.initializer if len(each.raw_data) <= SMALL_BYTES]
    del model.graph.initializer[:]
    model.graph.initializer.extend(small)
    own = list(model.graph.input)
    stand_ins = [helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in weights]
    model.graph.input.extend(stand_ins)
    try:
        inlined = inline_local_functions(model) if model.functions else model
        made = convert_version(inlined, OPSET) if _opset(inlined) < OPSET else inlined
    except Exception as error:  # the converter's errors have no common base
        raise ExportError(f"{path} cannot be brought from opset {_opset(model)} to {OPSET} ({error})") from error
    del made.graph.input[:]
    made.graph.input.extend(own)
    made.graph.initializer.extend(weights)
    return _named_apart(made)


def _named_apart(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a prefix to every name but its inputs', which onnx before 1.19 renames with the others."""
    names = [value.name for value in model.graph.input]
    made = add_prefix(model, PREFIX, rename_inputs=False, inplace=True)
    for value, name in zip(made.graph.input, names, strict=True):
        value.name = name
    for node in made.graph.node:
        rename_values_read(node, {f"{PREFIX}{name}": name for name in names})
    return made
