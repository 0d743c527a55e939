"""Trace any architecture that optimum covers: a checkpoint becomes an ONNX graph that ends in token vectors.

The only file that imports optimum, transformers and torch. No hub is contacted and no code of a checkpoint is run: the
folder is the only input, and its weights are safetensors.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from optimum.exporters.onnx import onnx_export_from_model
from optimum.exporters.tasks import TasksManager
from optimum.utils import logging as optimum_logging
from transformers import CONFIG_MAPPING, AutoModel
from transformers.utils import logging as transformers_logging

from embed_plugin.errors import ExportError, UnknownArchitectureError
from embed_plugin.export.traced.known import positions_of
from embed_plugin.export.traced.loaded_weights import require_fit
from embed_plugin.export.traced.newer_config import translate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.export.checkpoint.description import CheckpointDescription

OPSET = 20
"""The first opset with Gelu as one operator, and the last that torch's tracing through optimum writes."""

TASK = "feature-extraction"
TOKEN_VECTORS = "last_hidden_state"  # noqa: S105 - the name of the traced graph's output


_POSITIONS = frozenset({"absolute", "relative_key", "relative_key_query"})
"""The values of ``position_embedding_type`` that BERT and its copies compute."""


@dataclass(frozen=True)
class BackboneConfig:
    """The configuration of a backbone, before its weights are loaded.

    Attributes:
        model_type: The architecture's name.
        positions: The most tokens it has positions for; None: it does not state it.
    """

    model_type: str
    positions: int | None


def read_backbone_config(checkpoint: CheckpointDescription) -> BackboneConfig:
    """Read ``config.json``, with the defaults of transformers.

    Raises:
        UnknownArchitectureError: transformers or optimum does not cover the architecture, or it has a decoder.
        ExportError: transformers cannot read it.
    """
    config = _load_config(checkpoint)
    if config.is_encoder_decoder:
        raise UnknownArchitectureError(f"architecture {config.model_type!r} has a decoder; an encoder alone is needed")
    rows = getattr(config, "max_position_embeddings", None)
    return BackboneConfig(config.model_type, positions_of(config.model_type, rows, config.pad_token_id))


def _load_config(checkpoint: CheckpointDescription) -> Any:  # noqa: ANN401 - transformers has no types
    config, model_type = checkpoint.config.object(), checkpoint.model_type
    _require_known(model_type, own_code="auto_map" in config)
    _require_own_class(config, model_type)
    translated = translate(config)
    with _quiet():
        try:
            return CONFIG_MAPPING[model_type].from_dict(translated)
        except Exception as error:  # any type of error, by the fault in the config
            raise ExportError(f"transformers cannot read {checkpoint.encoder} ({_first_line(error)})") from error


def _require_known(model_type: str, *, own_code: bool) -> None:
    if model_type not in CONFIG_MAPPING:
        brought = "; the checkpoint brings code for it (auto_map), which is never run" if own_code else ""
        raise UnknownArchitectureError(f"architecture {model_type!r} is not known to transformers{brought}")
    try:
        tasks = TasksManager.get_supported_tasks_for_model_type(model_type, "onnx", library_name="transformers")
    except KeyError:
        tasks = {}
    if TASK not in tasks:
        raise UnknownArchitectureError(f"architecture {model_type!r} is not known to optimum's export of token vectors")


def _require_own_class(config: Mapping[str, Any], model_type: str) -> None:
    """Refuse a model that only shares a class name with transformers: its weights may fit and mean another model."""
    auto_map = config.get("auto_map")
    own_code = auto_map.get("AutoModel") if isinstance(auto_map, dict) else None
    if own_code:
        raise UnknownArchitectureError(
            f"config.json's auto_map says that {own_code} computes the model: code that comes with the checkpoint, "
            f"which is never run. transformers' own {model_type!r} may be another model (one that sees both ways, with "
            "the same weights). Where you know that the two are the same, remove auto_map from config.json"
        )
    positions = config.get("position_embedding_type") or "absolute"
    if positions not in _POSITIONS and (model_type, positions) != ("esm", "rotary"):
        message = f"architecture {model_type!r} with position_embedding_type {positions!r}"
        raise UnknownArchitectureError(f"{message} is not known to transformers, which would leave its positions out")


class TorchBackbone:
    """A checkpoint's model in torch: it is traced, and the traced graph is compared with it."""

    def __init__(self, checkpoint: CheckpointDescription) -> None:
        self.folder = folder = checkpoint.encoder
        config = _load_config(checkpoint)
        with _quiet():
            try:
                self.model, loading = AutoModel.from_pretrained(
                    folder,
                    config=config,
                    local_files_only=True,
                    trust_remote_code=False,
                    use_safetensors=True,
                    dtype=torch.float32,
                    ignore_mismatched_sizes=True,  # they are named below, where transformers' error names none
                    output_loading_info=True,
                )
            except Exception as error:  # any type of error, by the fault in the config or a file
                raise ExportError(f"transformers cannot load {folder} ({_first_line(error)})") from error
        require_fit(folder, loading["missing_keys"], loading["unexpected_keys"], loading["mismatched_keys"])
        self.model.eval()
        self._require_direction()

    @property
    def vocabulary(self) -> int:
        """Number of token ids."""
        return int(self.model.config.vocab_size)

    def _require_direction(self) -> None:
        """Refuse a model that should attend to later tokens and does not; transformers 5 has more of them than 4.57."""
        config: Any = self.model.config
        both_ways = getattr(config, "is_causal", True) is False or getattr(config, "use_bidirectional_attention", False)
        if not both_ways:
            return
        first, other = self.token_vectors(np.array([[0, 0], [0, 1]]))[:, 0]
        if np.array_equal(first, other):
            message = f"{self.folder}: config.json says is_causal false or use_bidirectional_attention true"
            found = f"but transformers 4.57's {config.model_type!r} shows a token only those before it"
            raise UnknownArchitectureError(f"{message}, {found}: it would be another model")

    def trace(self, scratch: Path) -> onnx.ModelProto:
        """Export with optimum, into an empty temporary folder.

        Raises:
            ExportError: optimum cannot export the model.
        """
        with _quiet():
            try:
                onnx_export_from_model(
                    self.model, scratch, opset=OPSET, task=TASK, do_validation=False, no_post_process=True
                )
            except Exception as error:  # tracing runs the model's own code, which may raise anything
                raise ExportError(f"optimum cannot export {self.folder} ({_first_line(error)})") from error
        return onnx.load(scratch / "model.onnx")

    def token_vectors(self, input_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """``(n, length)`` to ``(n, length, hidden_size)``, without padding."""
        ids = torch.from_numpy(input_ids)
        with _quiet(), torch.inference_mode():
            output: Any = self.model(input_ids=ids, attention_mask=torch.ones_like(ids))
        vectors: npt.NDArray[np.float32] = output.last_hidden_state.numpy()
        return vectors


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence warnings and progress bars of the packages: a user cannot act on them."""
    levels = [(part, part.get_verbosity()) for part in (transformers_logging, optimum_logging)]
    showed_progress = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part, _ in levels:
            part.set_verbosity_error()
        try:
            yield
        finally:
            for part, level in levels:
                part.set_verbosity(level)
            if showed_progress:
                transformers_logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]:.300}"
