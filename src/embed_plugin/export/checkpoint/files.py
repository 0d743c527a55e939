"""The files of a checkpoint: which are needed, whether they are all there, and the hash of the weights."""

from __future__ import annotations

import hashlib
import json
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.model.folder import MANIFEST
from embed_plugin.model.identity import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"
MODULES = "modules.json"
TRANSFORMER_SETTINGS = "sentence_bert_config.json"

NEEDED_FILES: tuple[str, ...] = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    MODULES,
    "sentence_*_config.json",
    "config_sentence_transformers.json",
    "*_Pooling/config.json",
    "*_Dense/config.json",
    "*_Dense/model.safetensors",
    WEIGHTS,
    "model-*.safetensors",
    SHARD_INDEX,
)
"""Patterns of the files that are ever fetched; none of them can run code when it is loaded."""


def is_needed(path: str) -> bool:
    """Whether a file of a checkpoint, by its ``/``-separated path in it, is one that is fetched."""
    return any(fnmatchcase(path, pattern) for pattern in NEEDED_FILES)


def require_complete(folder: Path, *, source: str) -> None:
    """Check that a folder has a configuration, a tokenizer, safetensors weights and its modules' settings.

    Raises:
        SourceError: something is missing; the message names it, the source and the remedy.
    """
    if (folder / MANIFEST).is_file():
        raise SourceError(
            f"{source}: {folder} is a model folder already ({MANIFEST}), and a checkpoint is what becomes one: use it "
            "as it is, or export its checkpoint again"
        )
    if not (folder / "config.json").is_file():
        raise SourceError(
            f"{source}: no config.json in {folder}. Give the folder (or model) that holds config.json, "
            f"tokenizer.json and {WEIGHTS} itself, not one above or below it"
        )
    if not (folder / WEIGHTS).is_file() and not (folder / SHARD_INDEX).is_file():
        raise SourceError(_no_weights(folder, source))
    if not (folder / "tokenizer.json").is_file():
        raise SourceError(
            f"{source}: no tokenizer.json in {folder}, and the older vocabulary files are not read. "
            f"{_conversion(source)}, which writes one"
        )
    absent = [name for name in _named_by_the_checkpoint(folder) if not (folder / name).is_file()]
    if absent:
        raise SourceError(
            f"{source}: the checkpoint in {folder} names {', '.join(absent)}, which is not there. It was "
            "copied or fetched in part: copy it again, or fetch it with the network at hand"
        )
    for kind, path in read_modules(folder):
        if kind == "Dense" and not (folder / path / WEIGHTS).is_file():
            raise SourceError(_no_weights(folder / path, source))


def hash_weights(folder: Path) -> str:
    """The sha256 (hex) of the weights.

    Weights in several files have the hash of their list, as ``sha256sum model-*.safetensors | sha256sum``
    prints it.
    """
    if (folder / WEIGHTS).is_file():
        return file_sha256(folder / WEIGHTS)
    lines = [f"{file_sha256(path)}  {path.name}\n" for path in weight_files(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint: one, or the shards its index names."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    return [folder / name for name in _shards(folder)]


def _no_weights(folder: Path, source: str) -> str:
    pickles = sorted(path.name for path in folder.glob("*.bin"))
    found = f"only {', '.join(pickles)}" if pickles else f"no {WEIGHTS}"
    return (
        f"{source}: {found} in {folder}. Weights are read from safetensors alone: a .bin, .pt or .h5 file "
        f"can be a pickle, which runs code when it is loaded, and is never loaded. {_conversion(source)}; "
        "for a hub model, see also whether its page has a revision with safetensors (SOURCE@refs/pr/N)"
    )


def _conversion(source: str) -> str:
    code = f"from sentence_transformers import SentenceTransformer as S; S({source!r}).save('NEW')"
    return f'Where you trust the model, run  python -c "{code}"  and use the folder NEW'


def _named_by_the_checkpoint(folder: Path) -> list[str]:
    """The files the checkpoint's own lists say it has: shards, settings of pooling and dense modules."""
    shards = [path.name for path in weight_files(folder)]
    return shards + [f"{path}/config.json" for kind, path in read_modules(folder) if kind in {"Pooling", "Dense"}]


def read_modules(folder: Path) -> list[tuple[str, str]]:
    """Kind (``Pooling``) and folder (``1_Pooling``) of each step ``modules.json`` lists; none without that file.

    Raises:
        SourceError: the file is not what sentence-transformers writes.
    """
    return [(module.rsplit(".", 1)[-1], path) for module, path in read_module_types(folder)]


def read_module_types(folder: Path) -> list[tuple[str, str]]:
    """:func:`read_modules` with the whole name of each class (``sentence_transformers.models.Pooling``).

    Raises:
        SourceError: the file is not what sentence-transformers writes.
    """
    path = folder / MODULES
    if not path.is_file():
        return []
    try:
        return [(module["type"] + "", module["path"] + "") for module in read_json(path)]
    except (TypeError, KeyError, AttributeError) as error:
        raise SourceError(f"{path} is no list of modules with type and path: fetch the checkpoint again") from error


def read_transformer_settings(folder: Path) -> dict[str, Any]:
    """What sentence-transformers keeps about the transformer, in a file that older releases named by architecture."""
    others = sorted(path.name for path in folder.glob("sentence_*_config.json"))
    found = [name for name in (TRANSFORMER_SETTINGS, *others) if (folder / name).is_file()]
    return read_object(folder / found[0]) if found else {}


def read_tokenizer_settings(folder: Path) -> dict[str, Any]:
    """``tokenizer_config.json``, overridden by what sentence-transformers passes to the tokenizer besides."""
    settings, ours = read_object_if_there(folder / "tokenizer_config.json"), read_transformer_settings(folder)
    return settings | (ours.get("tokenizer_args") or {}) | (ours.get("processor_kwargs") or {})


def _shards(folder: Path) -> list[str]:
    index = read_json(folder / SHARD_INDEX)
    weight_map = index.get("weight_map") if isinstance(index, dict) else None
    names = sorted({str(name) for name in weight_map.values()}) if isinstance(weight_map, dict) else []
    if not names or not all(fnmatchcase(name, "model-*.safetensors") and "/" not in name for name in names):
        raise SourceError(
            f"{folder / SHARD_INDEX} names the weight files {names!r:.80}, expected model-*.safetensors "
            "beside it: fetch the checkpoint again"
        )
    return names


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON is what it is
    """Read a JSON file of a checkpoint.

    Raises:
        SourceError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} is not readable JSON ({error}): fetch the checkpoint again") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file of a checkpoint that holds an object.

    Raises:
        SourceError: it cannot be read, or holds something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise SourceError(f"{path} holds a {type(content).__name__}, expected a JSON object")
    return content


def read_object_if_there(path: Path) -> dict[str, Any]:
    """:func:`read_object`, and nothing where there is no such file."""
    return read_object(path) if path.is_file() else {}
