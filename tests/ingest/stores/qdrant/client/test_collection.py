"""The request that makes a collection; local mode ignores some of it, so the request itself is looked at."""

from __future__ import annotations

import pytest
from qdrant_client import models

from embed_plugin.ingest.stores.collection_settings import CollectionSettings, Quantisation
from embed_plugin.ingest.stores.description import new_identity
from embed_plugin.ingest.stores.qdrant.client.collection import collection_arguments
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder


@pytest.mark.parametrize(
    ("quantisation", "sent"),
    [
        ("scalar", {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}}),
        ("binary", {"binary": {"always_ram": True}}),
    ],
)
def test_quantisation_is_asked_for_every_vector_token_vectors_too(
    quantisation: Quantisation, sent: dict[str, object]
) -> None:
    settings = CollectionSettings(late=FakeLateInteractionEncoder(8), quantisation=quantisation)
    made = collection_arguments(new_identity(FakeEncoder(), settings, namespace="c"), settings)
    request = models.CreateCollection(
        vectors=made["vectors_config"], quantization_config=made["quantization_config"]
    ).model_dump(mode="json", exclude_none=True)
    assert request["quantization_config"] == sent
    tokens = request["vectors"]["late"]
    assert (tokens["size"], tokens["distance"]) == (8, "Dot")
    assert tokens["multivector_config"] == {"comparator": "max_sim"}
    assert all("quantization_config" not in vector for vector in request["vectors"].values())
