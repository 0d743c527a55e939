"""EuroBERT's configuration as published; what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed_plugin import Encoder, SourceError, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from export.references.texts import TEXTS

REFERENCES = Path(__file__).parents[1] / "references"
PUBLISHED = {
    "auto_map": {"AutoModel": "modeling_eurobert.EuroBertModel"},
    "rope_scaling": None,
    "rope_theta": 250000,
    "torch_dtype": "bfloat16",
}
"""The keys of EuroBERT-210m that transformers 5 does not write."""


def checkpoint_with(folder: Path, **change: Any) -> Path:  # noqa: ANN401 - JSON
    """The reference checkpoint with its configuration as published, and other values; ... takes a key away."""
    shutil.copytree(REFERENCES / "eurobert", folder)
    shutil.copy(REFERENCES / "encoder.json", folder / "tokenizer.json")
    config = json.loads((folder / "config.json").read_text())
    config = {**config, "rope_parameters": ..., "dtype": ..., **PUBLISHED, **change}
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not ...}))
    return folder


def test_a_published_configuration_gives_the_same_vectors(tmp_path: Path) -> None:
    checkpoint = checkpoint_with(tmp_path / "checkpoint")
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    assert (spec.provenance["exporter"], spec.architecture, spec.max_tokens) == ("native", "eurobert", 256)
    vectors = Encoder.load(tmp_path / "model").encode_documents(TEXTS[:5])
    np.testing.assert_allclose(vectors, np.load(checkpoint / "vectors.npy")[:5], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"hidden_act": "quick_gelu"}, "hidden_act 'quick_gelu'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rotations scaled by .*linear"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rotations scaled by .*yarn"),
    ],
)
def test_other_variants_are_refused_by_name(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    checkpoint = checkpoint_with(tmp_path / "checkpoint", **change)
    with pytest.raises(UnknownArchitectureError, match=f"eurobert with {named}"):
        export(str(checkpoint), tmp_path / "model", ExportSettings(exporter="native"))


@pytest.mark.parametrize("missing", ["hidden_size", "rope_theta", "rms_norm_eps"])
def test_a_config_that_says_too_little(tmp_path: Path, missing: str) -> None:
    checkpoint = checkpoint_with(tmp_path / "checkpoint", **{missing: ...})
    with pytest.raises(SourceError, match=rf"config\.json says no '{missing}'"):
        export(str(checkpoint), tmp_path / "model")
