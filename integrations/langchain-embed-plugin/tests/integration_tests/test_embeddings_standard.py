"""LangChain's standard integration tests, unchanged, on the real all-MiniLM-L6-v2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.integration_tests import EmbeddingsIntegrationTests

from langchain_embed_plugin import EmbedPluginEmbeddings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.real_model


class TestEmbedPluginEmbeddingsIntegration(EmbeddingsIntegrationTests):
    @pytest.fixture(autouse=True)
    def _made_here(self, minilm: Callable[[str], Path]) -> None:
        self.folder = minilm("int8")

    @property
    def embeddings_class(self) -> type[EmbedPluginEmbeddings]:
        return EmbedPluginEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": self.folder}
