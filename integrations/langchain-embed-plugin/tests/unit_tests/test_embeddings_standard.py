"""LangChain's standard unit tests, unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.unit_tests import EmbeddingsUnitTests

from langchain_embed_plugin import EmbedPluginEmbeddings

if TYPE_CHECKING:
    from pathlib import Path


class TestEmbedPluginEmbeddingsUnit(EmbeddingsUnitTests):
    @pytest.fixture(autouse=True)
    def _made_here(self, folder: Path) -> None:
        self.folder = str(folder)

    @property
    def embeddings_class(self) -> type[EmbedPluginEmbeddings]:
        return EmbedPluginEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": self.folder}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return {"EMBED_PLUGIN_MODEL": self.folder}, {}, {"model": self.folder}
