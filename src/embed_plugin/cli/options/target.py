"""The options of commands that may make a collection: how it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, cast, get_args

import typer

if TYPE_CHECKING:
    from embed_plugin.ingest import CollectionSettings

_PANEL = "How a new collection is made"
_KINDS = Literal["keyword", "integer", "float", "bool", "datetime", "uuid", "text", "geo"]

Layout: TypeAlias = Annotated[
    Literal["plain", "langchain", "llama-index"] | None,
    typer.Option("--layout", help="Whose QdrantVectorStore reads it.", show_default="plain", rich_help_panel=_PANEL),
]
Distance: TypeAlias = Annotated[
    Literal["cosine", "dot", "euclid"] | None,
    typer.Option("--distance", help="How vectors are compared.", show_default="cosine", rich_help_panel=_PANEL),
]
Sparse: TypeAlias = Annotated[
    Literal["bm25"] | None,
    typer.Option("--sparse", help="Store a text's words too, for search --hybrid.", rich_help_panel=_PANEL),
]
VectorsOnDisk: TypeAlias = Annotated[
    bool | None,
    typer.Option("--vectors-on-disk/--vectors-in-memory", help="Where vectors are read from.", rich_help_panel=_PANEL),
]
PayloadOnDisk: TypeAlias = Annotated[
    bool | None,
    typer.Option("--payload-on-disk/--payload-in-memory", help="The same for payloads.", rich_help_panel=_PANEL),
]
Datatype: TypeAlias = Annotated[
    Literal["float32", "float16"] | None,
    typer.Option("--datatype", help="How a component is stored.", show_default="float32", rich_help_panel=_PANEL),
]
Quantisation: TypeAlias = Annotated[
    Literal["scalar", "binary"] | None,
    typer.Option("--quantisation", help="Search a copy of a byte or a bit a component.", rich_help_panel=_PANEL),
]
Shards: TypeAlias = Annotated[
    int | None, typer.Option("--shards", min=1, help="Parts spread over a server's nodes.", rich_help_panel=_PANEL)
]
ReplicationFactor: TypeAlias = Annotated[
    int | None, typer.Option("--replication-factor", min=1, help="Copies of each.", rich_help_panel=_PANEL)
]
HnswM: TypeAlias = Annotated[
    int | None, typer.Option("--hnsw-m", min=0, help="Edges of a point in the index; 0: none.", rich_help_panel=_PANEL)
]
HnswEfConstruct: TypeAlias = Annotated[
    int | None,
    typer.Option("--hnsw-ef-construct", min=4, help="Candidates when a point is indexed.", rich_help_panel=_PANEL),
]
PayloadIndexes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--payload-index",
        metavar="KEY[:KIND]",
        help="Index a payload key, e.g. metadata.page:integer; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
BulkLoad: TypeAlias = Annotated[
    bool, typer.Option("--bulk-load", help="Index a new collection when it is full.", rich_help_panel=_PANEL)
]
Recreate: TypeAlias = Annotated[
    bool, typer.Option("--recreate", help="Drop the collection first, with all in it; needs --yes.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask whether to drop what --recreate drops.")]


def collection_settings(
    *,
    layout: Layout = None,
    distance: Distance = None,
    sparse: Sparse = None,
    vectors_on_disk: VectorsOnDisk = None,
    payload_on_disk: PayloadOnDisk = None,
    datatype: Datatype = None,
    quantisation: Quantisation = None,
    shards: Shards = None,
    replication_factor: ReplicationFactor = None,
    hnsw_m: HnswM = None,
    hnsw_ef_construct: HnswEfConstruct = None,
    payload_indexes: PayloadIndexes = None,
    bulk_load: BulkLoad = False,
) -> CollectionSettings:
    """The settings that these options ask for; needs the extra ``ingest``.

    Raises:
        typer.BadParameter: a payload index is of no kind that Qdrant has.
    """
    from embed_plugin.ingest import CollectionSettings  # noqa: PLC0415 - the command checks for the extra first

    return CollectionSettings(
        distance=distance,
        layout=layout,
        sparse=sparse,
        vectors_on_disk=vectors_on_disk,
        payload_on_disk=payload_on_disk,
        datatype=datatype,
        quantisation=quantisation,
        shards=shards,
        replication_factor=replication_factor,
        hnsw_m=hnsw_m,
        hnsw_ef_construct=hnsw_ef_construct,
        payload_indexes=dict(map(_payload_index, payload_indexes or ())),
        bulk_load=bulk_load,
    )


def require_yes(*, recreate: bool, yes: bool) -> None:
    """Refuse to drop a collection that nobody has said twice to drop.

    Raises:
        typer.BadParameter: --recreate without --yes.
    """
    if recreate and not yes:
        message = "drops the collection with all that is in it. Add --yes if that is meant"
        raise typer.BadParameter(message, param_hint="--recreate")


def _payload_index(option: str) -> tuple[str, _KINDS]:
    key, _, kind = option.rpartition(":") if ":" in option else (option, "", "keyword")
    if not key or kind not in get_args(_KINDS):
        message = f"{option!r}: expected KEY or KEY:KIND, and of the kinds one of {', '.join(get_args(_KINDS))}"
        raise typer.BadParameter(message, param_hint="--payload-index")
    return key, cast("_KINDS", kind)
