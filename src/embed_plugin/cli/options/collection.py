"""The options that name a collection and open it; several commands have them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from embed_plugin.cli.options.groups import OptionGroup

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from embed_plugin.ingest import CollectionSettings, QdrantSink, StoredCollections

JsonFile: TypeAlias = Annotated[
    str | None, typer.Option("--json", help="Write the result as JSON to this file, or - for stdout.")
]


ApiKey: TypeAlias = Annotated[
    str | None, typer.Option(envvar="QDRANT_API_KEY", help="Key of the server.", show_envvar=True)
]
CaFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Certificate (PEM) of the CA that signed an https:// server's.", show_default=False
    ),
]
To: TypeAlias = Annotated[
    str,
    typer.Option(
        envvar="EMBED_PLUGIN_TO",
        help="Folder of embedded Qdrant, edge:FOLDER, URL of a server, or :memory:.",
        show_default=False,
    ),
]
COLLECTION_VARIABLE = "EMBED_PLUGIN_COLLECTION"


@dataclass(frozen=True, kw_only=True)
class CollectionOptions(OptionGroup, panel="Collection"):
    """Options that name a collection."""

    to: To
    collection: Annotated[
        str, typer.Option(envvar=COLLECTION_VARIABLE, help="Name of the collection.", show_default=False)
    ]
    api_key: ApiKey = field(default=None, repr=False)
    ca_file: CaFile = None

    def opened(
        self, *, create: bool = False, settings: CollectionSettings | None = None
    ) -> AbstractContextManager[QdrantSink]:
        """Open the collection; needs the extra ``ingest``.

        Raises:
            TargetError: it cannot be opened, or is absent and not created.
        """
        from embed_plugin.ingest import open_sink  # noqa: PLC0415 - needs the extra

        return open_sink(
            self.to,
            self.collection,
            api_key=self.api_key,
            ca_file=self.ca_file,
            create=create,
            settings=settings,
        )

    def stored(self) -> AbstractContextManager[StoredCollections]:
        """Open the collections of the target; needs the extra ``ingest``.

        Raises:
            TargetError: it cannot be opened.
        """
        return _stored(self.to, self.api_key, self.ca_file)


@dataclass(frozen=True, kw_only=True)
class TargetOptions(OptionGroup, panel="Collection"):
    """Options that name a target, and a collection in it or none."""

    to: To
    collection: Annotated[
        str | None,
        typer.Option(
            envvar=COLLECTION_VARIABLE, help="Name of a collection; without one, all are listed.", show_default=False
        ),
    ] = None
    api_key: ApiKey = field(default=None, repr=False)
    ca_file: CaFile = None

    def stored(self) -> AbstractContextManager[StoredCollections]:
        """Open the collections of the target; needs the extra ``ingest``.

        Raises:
            TargetError: it cannot be opened.
        """
        return _stored(self.to, self.api_key, self.ca_file)


def _stored(to: str, api_key: str | None, ca_file: Path | None) -> AbstractContextManager[StoredCollections]:
    from embed_plugin.ingest import open_collections  # noqa: PLC0415 - needs the extra

    return open_collections(to, api_key=api_key, ca_file=ca_file)


@dataclass(frozen=True, kw_only=True)
class Recreation(OptionGroup, panel="Collection"):
    """Options that drop a collection before it is filled."""

    recreate: Annotated[
        bool, typer.Option("--recreate", help="Drop the collection first, with all in it; needs --yes.")
    ] = False
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to drop what --recreate drops.")] = False

    def confirmed(self) -> bool:
        """Return whether the collection is to be dropped.

        Raises:
            typer.BadParameter: --recreate without --yes.
        """
        if self.recreate and not self.yes:
            message = "drops the collection with all that is in it. Add --yes if that is meant"
            raise typer.BadParameter(message, param_hint="--recreate")
        return self.recreate
