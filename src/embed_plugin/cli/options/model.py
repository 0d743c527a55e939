"""The option ``--model``: a model folder, or the URL of a service that has one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from embed_plugin.encode import Encoder
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from embed_plugin.client import EmbeddingClient

Model: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model", help="Model folder, or URL of an embedding service (its key: EMBED_PLUGIN_KEY).", show_default=False
    ),
]


def load_encoder(model: str) -> Encoder | EmbeddingClient:
    """The encoder of a folder, or a client of a service, which takes its place.

    Raises:
        ModelFolderError: the folder cannot be used.
        InvalidInputError: the URL cannot be used; whether the service can is found out when it is first asked.
        MissingExtraError: a URL, and the extra ``client`` is not installed.
    """
    if model.startswith(("http://", "https://")):
        client: EmbeddingClient = import_part("embed_plugin.client", extra="client").EmbeddingClient(model)
        return client
    return Encoder.load(model)
