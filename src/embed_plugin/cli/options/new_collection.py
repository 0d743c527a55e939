"""The options for making a collection: the fields of ``CollectionSettings``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, cast, get_args

import typer

from embed_plugin.cli.options.groups import OptionGroup
from embed_plugin.cli.options.model_folders import ModelFolders
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from embed_plugin.ingest import CollectionSettings

_Kind: TypeAlias = Literal["keyword", "integer", "float", "bool", "datetime", "uuid", "text", "geo"]


@dataclass(frozen=True, kw_only=True)
class NewCollection(OptionGroup, panel="How a new collection is made"):
    """Options for making a collection that does not exist yet."""

    layout: Annotated[
        Literal["plain", "langchain", "llama-index"] | None,
        typer.Option(help="Whose QdrantVectorStore reads it.", show_default="plain"),
    ] = None
    context: Annotated[
        Literal["none", "title-and-headings"] | None,
        typer.Option(
            "--context-in-text", help="What is put in front of each text before it is embedded.", show_default="none"
        ),
    ] = None
    distance: Annotated[
        Literal["cosine", "dot", "euclid"] | None,
        typer.Option(help="How vectors are compared.", show_default="cosine"),
    ] = None
    sparse: Annotated[
        str | None,
        typer.Option(metavar="bm25|DIR", help="Store weights of words too, by BM25 or a model, for search --hybrid."),
    ] = None
    sparse_language: Annotated[
        str | None,
        typer.Option(metavar="LANGUAGE", help="The language of the texts' words.", show_default="english"),
    ] = None
    bm25_k: Annotated[
        float | None, typer.Option(min=0, help="How slowly a repeated word's weight saturates.", show_default="1.2")
    ] = None
    bm25_b: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much a text's length counts.", show_default="0.75")
    ] = None
    bm25_mean_words: Annotated[
        float | None, typer.Option(help="The length of a usual text, in words.", show_default="256")
    ] = None
    late: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Store a vector of each token too, by this model, for search --hybrid."),
    ] = None
    vectors_on_disk: Annotated[
        bool | None, typer.Option("--vectors-on-disk/--vectors-in-memory", help="Where vectors are read from.")
    ] = None
    payload_on_disk: Annotated[
        bool | None, typer.Option("--payload-on-disk/--payload-in-memory", help="The same for payloads.")
    ] = None
    datatype: Annotated[
        Literal["float32", "float16"] | None,
        typer.Option(help="How a component is stored.", show_default="float32"),
    ] = None
    quantisation: Annotated[
        Literal["scalar", "binary"] | None, typer.Option(help="Search a copy of a byte or a bit a component.")
    ] = None
    shards: Annotated[int | None, typer.Option(min=1, help="Parts spread over a server's nodes.")] = None
    replication_factor: Annotated[int | None, typer.Option(min=1, help="Copies of each.")] = None
    hnsw_m: Annotated[int | None, typer.Option(min=0, help="Edges of a point in the index; 0: none.")] = None
    hnsw_ef_construct: Annotated[int | None, typer.Option(min=4, help="Candidates when a point is indexed.")] = None
    payload_indexes: Annotated[
        list[str] | None,
        typer.Option(
            "--payload-index",
            metavar="KEY[:KIND]",
            help="Index a payload key, e.g. metadata.page:integer; repeatable.",
        ),
    ] = None
    bulk_load: Annotated[bool, typer.Option("--bulk-load", help="Index a new collection when it is full.")] = False

    def models(self, model: str) -> ModelFolders:
        """Return the models of all vectors, of which ``model`` makes the dense ones."""
        return ModelFolders(model, self.sparse, self.late)

    def settings(self, models: ModelFolders | None = None) -> CollectionSettings:
        """Make the settings.

        Args:
            models: Those of :meth:`models`; None: the sparse and the late one are loaded by themselves.

        Raises:
            typer.BadParameter: a payload index is of no kind that Qdrant has, there is no such language, or a setting
                of BM25 is given without it.
            ModelFolderError: the folder of a model cannot be used.
        """
        indexes = dict(map(_payload_index, self.payload_indexes or ()))
        try:
            return (models or self.models("")).settings(self.given() | {"payload_indexes": indexes})
        except InvalidInputError as error:
            raise typer.BadParameter(str(error)) from error


def _payload_index(option: str) -> tuple[str, _Kind]:
    key, _, kind = option.rpartition(":") if ":" in option else (option, "", "keyword")
    if not key or kind not in get_args(_Kind):
        message = f"{option!r}: expected KEY or KEY:KIND, and of the kinds one of {', '.join(get_args(_Kind))}"
        raise typer.BadParameter(message, param_hint="--payload-index")
    return key, cast("_Kind", kind)
