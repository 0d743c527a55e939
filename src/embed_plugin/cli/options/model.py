"""The option ``--model``: a model folder, or the URL of a service that runs one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

import embed_plugin
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from embed_plugin.client import EmbeddingClient

Model: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model",
        envvar="EMBED_PLUGIN_MODEL",
        help="Model folder, or URL of an embedding service (its key: EMBED_PLUGIN_KEY).",
        show_default=False,
    ),
]


def is_url(model: str) -> bool:
    """Tell the URL of a service from a folder."""
    return model.startswith(("http://", "https://"))


def load_encoder(model: str) -> embed_plugin.Encoder | EmbeddingClient:
    """Load the encoder of a folder, or make a client of a service, which takes its place.

    Raises:
        ModelFolderError: the folder cannot be used.
        InvalidInputError: the URL cannot be used; the first request finds out if the service can.
        MissingExtraError: a URL, and the extra ``client`` is not installed.
    """
    if is_url(model):
        client: EmbeddingClient = import_part("embed_plugin.client", extra="client").EmbeddingClient(model)
        return client
    return embed_plugin.Encoder.load(model)
