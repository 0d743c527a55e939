"""The adapters of jina-embeddings-v3, as the hub has them, against the same weights merged by numpy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from embed_plugin import Encoder, ExportError, SourceError, UnknownArchitectureError
from embed_plugin.cli.reports.model import facts_of
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names

if TYPE_CHECKING:
    from embed_plugin.types import Vectors

REFERENCES = Path(__file__).parents[1] / "references"
TASKS = ["retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"]
INSTRUCTION = "Represent the query for retrieving evidence documents: "
PUBLISHED: dict[str, Any] = {
    "model_type": "xlm-roberta",
    "architectures": ["XLMRobertaModel"],
    "auto_map": {"AutoModel": "jinaai/xlm-roberta-flash-implementation--modeling_lora.XLMRobertaLoRA"},
    "position_embedding_type": "rotary",
    "rotary_emb_base": 20000.0,
    "rope_parameters": None,
    "lora_adaptations": TASKS,
    "lora_alpha": 1,
    "lora_rank": 4,
    "lora_dropout_p": 0.0,
    "task_instructions": dict.fromkeys(TASKS, "") | {"retrieval.query": INSTRUCTION},
    "load_trained_adapters": True,
}
TEXTS = ["a", "The quick brown fox jumps over the lazy dog.", "one two three four five " * 12]


def plain_weights() -> dict[str, np.ndarray]:
    path = REFERENCES / "jina-v3" / "model.safetensors"
    return {name: read_tensor(path, name) for name in tensor_names(path)}


def changes(name: str, tensor: np.ndarray) -> dict[str, np.ndarray]:
    """The adapters of a weight, one a task."""
    rng, (rows, columns) = np.random.default_rng(len(name) * 1000 + tensor.size), tensor.shape
    first, second = ((rows, 4), (4, columns)) if "embeddings" in name else ((4, columns), (rows, 4))
    return {
        part: rng.standard_normal((len(TASKS), *shape), np.float32) / 2
        for part, shape in (("lora_A", first), ("lora_B", second))
    }


def merged(name: str, tensor: np.ndarray, task: int) -> np.ndarray:
    both = changes(name, tensor)
    a, b = both["lora_A"][task], both["lora_B"][task]
    return np.asarray(tensor + (a @ b if "embeddings" in name else b @ a) / 4)


def checkpoint_of(folder: Path, weights: dict[str, np.ndarray], **config: Any) -> Path:  # noqa: ANN401
    shutil.copytree(REFERENCES / "jina-v3", folder)
    shutil.copy(REFERENCES / "encoder.json", folder / "tokenizer.json")
    found = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(found | config))
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The checkpoint as the hub has it."""
    weights = {}
    for name, tensor in plain_weights().items():
        if tensor.ndim == 1:
            weights[f"roberta.{name}"] = tensor
            continue
        stored = f"roberta.{name.removesuffix('.weight')}.parametrizations.weight"
        weights[f"{stored}.original"] = tensor
        weights |= {f"{stored}.0.{part}": values for part, values in changes(name, tensor).items()}
    folder = checkpoint_of(tmp_path / "published", weights, **PUBLISHED)
    modules = json.loads((folder / "modules.json").read_text())
    modules[0] |= {"type": "custom_st.Transformer", "kwargs": ["task"]}
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def vectors_of(checkpoint: Path, folder: Path, adapter: str | None) -> Vectors:
    settings = ExportSettings(precision="fp32", exporter="native", adapter=adapter, query_prefix="", document_prefix="")
    export(str(checkpoint), folder, settings)
    return Encoder.load(folder).encode_documents(TEXTS)


def test_without_an_adapter_the_weights_are_as_they_are(tmp_path: Path, published: Path) -> None:
    plain = checkpoint_of(tmp_path / "plain", plain_weights())
    expected = vectors_of(plain, tmp_path / "expected", None)
    np.testing.assert_array_equal(vectors_of(published, tmp_path / "model", None), expected)


@pytest.mark.parametrize("task", ["retrieval.query", "text-matching"])
def test_the_adapter_of_a_task_is_merged(tmp_path: Path, published: Path, task: str) -> None:
    weights = {
        name: tensor if tensor.ndim == 1 else merged(name, tensor, TASKS.index(task))
        for name, tensor in plain_weights().items()
    }
    expected = vectors_of(checkpoint_of(tmp_path / "merged", weights), tmp_path / "expected", None)
    np.testing.assert_allclose(vectors_of(published, tmp_path / "model", task), expected, atol=2e-6)


def test_a_task_has_its_instruction_and_a_space_of_its_own(tmp_path: Path, published: Path) -> None:
    specs = {}
    for task in (None, "retrieval.query", "text-matching"):
        settings = ExportSettings(precision="fp32", adapter=task)
        specs[task] = export(str(published), tmp_path / str(task), settings)
    asked = specs["retrieval.query"]
    assert asked.query_prefix == asked.document_prefix == INSTRUCTION
    assert asked.provenance["adapter"] == {"name": "retrieval.query", "kind": "LoRA in the weights", "rank": 4}
    assert len({spec.fingerprint for spec in specs.values()}) == 3
    assert "adapter" not in specs[None].provenance


def test_a_users_prefix_wins_over_the_instruction(tmp_path: Path, published: Path) -> None:
    settings = ExportSettings(precision="fp32", adapter="retrieval.query", document_prefix="mine: ")
    spec = export(str(published), tmp_path / "model", settings)
    assert (spec.query_prefix, spec.document_prefix) == (INSTRUCTION, "mine: ")


def test_another_task_is_refused_with_the_tasks_there_are(tmp_path: Path, published: Path) -> None:
    with pytest.raises(ExportError, match=r"has no adapter 'query'; it has retrieval\.query, retrieval\.passage, sep"):
        export(str(published), tmp_path / "model", ExportSettings(adapter="query"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position_embedding_type": "absolute"}, "jina_embeddings_v3 with position_embedding_type 'absolute'"),
        ({"auto_map": {"AutoModel": "x--modeling_lora.XLMRobertaLoRA"}}, "custom_st.Transformer, which is code"),
        ({"hidden_act": "swiglu"}, "jina_embeddings_v3 with hidden_act 'swiglu', expected one of gelu"),
        ({"lora_rank": 3}, r"do not fit \(.*\) and rank 3"),
    ],
)
def test_other_variants_are_refused(tmp_path: Path, published: Path, change: dict[str, Any], message: str) -> None:
    config = published / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | change))
    with pytest.raises((ExportError, UnknownArchitectureError), match=message):
        export(str(published), tmp_path / "model", ExportSettings(exporter="native", adapter="separation"))


def test_a_config_that_says_too_little(tmp_path: Path, published: Path) -> None:
    config = json.loads((published / "config.json").read_text())
    del config["rotary_emb_base"]
    (published / "config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match="says no 'rotary_emb_base'"):
        export(str(published), tmp_path / "model", ExportSettings(exporter="native"))


def test_info_names_the_adapter(published: Path, tmp_path: Path) -> None:
    spec = export(str(published), tmp_path / "model", ExportSettings(precision="fp32", adapter="separation"))
    assert facts_of(spec)["adapter"] == "separation, LoRA in the weights of rank 4"
