"""The interface of an architecture: how its configuration is read and its graph is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output


class ArchitectureConfig(Protocol):
    """The shape of one checkpoint.

    Attributes:
        positions: The most tokens of a text that it has positions for.
    """

    @property
    def positions(self) -> int: ...  # noqa: D102 - documented above


@dataclass(frozen=True)
class Unwritten:
    """A variant of an architecture that its graph does not cover.

    Attributes:
        what: The variant, for a message.
        optimum: The exporter through optimum may know it.
    """

    what: str
    optimum: bool


def _all_written(config: Mapping[str, Any]) -> None:
    """Find no variant that is not covered."""
    del config


def _one_block(name: str) -> tuple[str, ...]:
    """The whole tensor, as it is stored."""
    return (name,)


Config = TypeVar("Config", bound=ArchitectureConfig)


@dataclass(frozen=True)
class Architecture(Generic[Config]):
    """One family of models, whose graph is written from the weights.

    Attributes:
        model_types: The values of ``model_type`` in ``config.json``.
        read_config: Reads the shape. Raises SourceError if a value is missing, UnknownArchitectureError for a variant
            that no exporter covers.
        build: Builds the fp32 graph; the weight source gives a tensor by its name in the checkpoint, as float32.
        find_unwritten: Finds a variant in ``config.json`` that ``build`` does not cover; None: there is none. The first
            family of the model type that finds none is taken.
        word_table: Name of the word embeddings.
        prefixes: The prefixes that the names of all weights may have.
        blocks: The names in transformers' class of the equal blocks of rows of a stored tensor, by which PEFT names
            what an adapter changes; usually one block, of the same name.
        left_out: The beginnings of names, behind the prefix, of weights that take no part in the token vectors.
    """

    model_types: tuple[str, ...]
    read_config: Callable[[CheckpointDescription], Config]
    build: Callable[[Config, WeightSource, Output], onnx.ModelProto]
    find_unwritten: Callable[[Mapping[str, Any]], Unwritten | None] = _all_written
    word_table: str = "embeddings.word_embeddings.weight"
    prefixes: tuple[str, ...] = ("", "bert.", "roberta.", "xlm_roberta.", "model.")
    left_out: tuple[str, ...] = ()
    blocks: Callable[[str], tuple[str, ...]] = _one_block
