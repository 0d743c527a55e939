"""Edit a finished ONNX graph, including the graphs inside its nodes (If, Loop)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import helper

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import onnx


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> Any:  # noqa: ANN401 - of many types
    """The value of a node's attribute."""
    return next((helper.get_attribute_value(found) for found in node.attribute if found.name == name), default)


def note(node: onnx.NodeProto, name: str, value: str) -> None:
    """Keep a fact about a node with it, which no runtime reads."""
    node.metadata_props.add(key=name, value=value)


def noted(node: onnx.NodeProto, name: str) -> str | None:
    """The fact that :func:`note` kept; None: there is none."""
    return next((entry.value for entry in node.metadata_props if entry.key == name), None)


def values_read(node: onnx.NodeProto) -> Iterator[str]:
    """Names of the values a node reads, including those that its inner graphs read from outside."""
    yield from (name for name in node.input if name)
    for graph in _inner_graphs(node):
        for inner in graph.node:
            yield from values_read(inner)
        yield from (output.name for output in graph.output)


def rename_values_read(node: onnx.NodeProto, names: Mapping[str, str]) -> None:
    """Rename the values that a node reads: ``names`` maps old to new."""
    for index, name in enumerate(node.input):
        node.input[index] = names.get(name, name)
    for graph in _inner_graphs(node):
        for inner in graph.node:
            rename_values_read(inner, names)
        for output in graph.output:
            output.name = names.get(output.name, output.name)


def _inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Replace all nodes of a graph."""
    del graph.node[:]
    graph.node.extend(nodes)


def remove_unused(graph: onnx.GraphProto) -> None:
    """Remove nodes and weights that no output needs."""
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(values_read(node))
            kept.append(node)
    replace_nodes(graph, kept[::-1])
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in needed:
            del graph.initializer[index]


def move_weights(weights: list[onnx.TensorProto], graph: onnx.GraphProto) -> None:
    """Move weights into a graph, one by one, so that no two copies of all are in memory; the list is then empty."""
    weights.reverse()
    while weights:
        graph.initializer.append(weights.pop())
