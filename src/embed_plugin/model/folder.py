"""Read, verify and write model folders and their manifest.

The files of a folder are ``model.onnx``, its weights in ``model.onnx.data``, ``tokenizer.json``, and in INT8 also
``model.kernels-2.onnx``, the same model with the operators of :mod:`embed_plugin.kernels` and the same weights. The
manifest, ``embed_plugin.json``, is ``{"schema_version": 2, <every field of ModelSpec>}``; an embedding model's has
neither ``kinds`` nor ``facts``. Reading a folder checks every file's sha256 and the fingerprint, so that a changed byte
is found before it changes a vector.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from embed_plugin.errors import ModelFolderError
from embed_plugin.model.canaries import CheckedOn
from embed_plugin.model.identity import file_sha256, fingerprint_of
from embed_plugin.model.spec import ModelSpec
from embed_plugin.types import Kind, Pooling, Precision

if TYPE_CHECKING:
    from os import PathLike

SCHEMA_VERSION = 2
MANIFEST = "embed_plugin.json"
GRAPH = "model.onnx"
KERNEL_GRAPH = "model.kernels-2.onnx"
"""Named after the version of the operators: a folder that was made for others is run by its plain graph."""
TOKENIZER = "tokenizer.json"
QUERY_WEIGHTS = "query_weights.npy"
"""A weight for every token, float32, of a sparse encoder whose queries need no graph."""

_TYPES: dict[str, type] = {
    **dict.fromkeys(("source", "revision", "architecture", "pooling", "query_prefix", "document_prefix"), str),
    **dict.fromkeys(("precision", "fingerprint"), str),
    **dict.fromkeys(("dimension", "max_tokens"), int),
    **dict.fromkeys(("files", "checked_on", "provenance", "facts"), dict),
    "kinds": list,
}
_CHOICES = {"pooling": get_args(Pooling), "precision": get_args(Precision)}
EMBEDDING: tuple[Kind, ...] = ("embedding",)
_OF_OTHER_KINDS: dict[str, Any] = {"kinds": list(EMBEDDING), "facts": {}}
"""Fields that the manifest of an embedding model lacks, with their values."""

_MOST = 2**31 - 1
"""Largest token limit and dimension that are accepted: that of int32, far above any model's."""
_EXPORT_AGAIN = "make it again with  embed-plugin export"


def write_manifest(folder: Path, spec: ModelSpec) -> ModelSpec:
    """Hash every file in the folder, write ``embed_plugin.json`` and return the spec with files and fingerprint."""
    files = {path.name: file_sha256(path) for path in sorted(folder.iterdir()) if _is_vouched_for(path)}
    spec = replace(spec, files=files)
    spec = replace(spec, fingerprint=fingerprint_of(spec))
    content = {"schema_version": SCHEMA_VERSION, **asdict(spec)}
    if spec.kinds == EMBEDDING:
        content = {name: value for name, value in content.items() if name not in _OF_OTHER_KINDS}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return spec


def _is_vouched_for(path: Path) -> bool:
    return path.is_file() and path.name != MANIFEST


def read_model_folder(folder: str | PathLike[str]) -> ModelSpec:
    """Read and verify a model folder.

    Raises:
        ModelFolderError: the folder or a file is missing, a byte was changed, or the manifest is of another version.
    """
    path = Path(folder)
    if not path.is_dir():
        raise ModelFolderError(f"{path} is not a folder; expected a model folder: {_EXPORT_AGAIN} SOURCE --out {path}")
    spec = read_manifest(path / MANIFEST)
    _verify_files(path, spec)
    return spec


def read_manifest(path: Path) -> ModelSpec:
    """Read a folder's manifest, without a look at its other files: :func:`read_model_folder` verifies those.

    Raises:
        ModelFolderError: it is missing, damaged, edited, or of another version.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        json.dumps(content, ensure_ascii=False).encode()  # raises for a lone surrogate, in a prefix say
    except FileNotFoundError as error:
        raise ModelFolderError(f"{path} is missing, so this is not a model folder: {_EXPORT_AGAIN}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFolderError(f"{path} cannot be read ({error}): {_EXPORT_AGAIN}") from error
    version = content.pop("schema_version", None) if isinstance(content, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        found = f"{path} has schema version {version}, this embed-plugin reads {SCHEMA_VERSION}"
        raise ModelFolderError(f"{found}: {_EXPORT_AGAIN} of this version")
    content = {**_OF_OTHER_KINDS, **content}
    _check_fields(path, content)
    content["kinds"] = _kinds(path, content["kinds"])
    spec = ModelSpec(**{**content, "checked_on": _checked_on(path, content)})
    if fingerprint_of(spec) != spec.fingerprint:
        raise ModelFolderError(f"{path} was edited: its fingerprint does not match its content; {_EXPORT_AGAIN}")
    return spec


def _check_fields(path: Path, content: dict[str, Any]) -> None:
    expected = {field.name for field in fields(ModelSpec)}
    if content.keys() != expected:
        odd = ", ".join(sorted(content.keys() ^ expected))
        raise ModelFolderError(f"{path} has missing or unknown fields ({odd}): {_EXPORT_AGAIN}")
    for name, kind in _TYPES.items():
        value = content[name]
        if type(value) is not kind or value not in _CHOICES.get(name, (value,)):
            raise ModelFolderError(f"{path}: {name} is {value!r}, which this version cannot use: {_EXPORT_AGAIN}")
        if isinstance(value, int) and not 1 <= value <= _MOST:
            raise ModelFolderError(f"{path}: {name} is {value}, expected 1 to {_MOST}: {_EXPORT_AGAIN}")


def _kinds(path: Path, found: list[Any]) -> tuple[Kind, ...]:
    if not found or not set(map(str, found)) <= set(get_args(Kind)):
        raise ModelFolderError(f"{path}: kinds are {found}, which this version cannot use: {_EXPORT_AGAIN}")
    return tuple(found)


def _checked_on(path: Path, content: dict[str, Any]) -> CheckedOn:
    canary_length = content["dimension"] if content["kinds"][0] == "embedding" else None
    try:
        checked_on = CheckedOn.read(content["checked_on"])
        checked_on.vectors(canary_length)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        expected = f"expected a platform and, by text, vectors of {canary_length or 'equally many'} numbers"
        raise ModelFolderError(f"{path}: checked_on cannot be read ({error}); {expected}: {_EXPORT_AGAIN}") from error
    return checked_on


def _verify_files(folder: Path, spec: ModelSpec) -> None:
    optional = {KERNEL_GRAPH} if (folder / KERNEL_GRAPH).exists() else set()
    for name in sorted({GRAPH, TOKENIZER, *optional, *spec.files}):
        if Path(name).name != name or name not in spec.files:
            raise ModelFolderError(f"{folder / MANIFEST} does not vouch for {name}: {_EXPORT_AGAIN}")
        _verify_file(folder / name, spec.files[name])


def _verify_file(path: Path, sha256: str) -> None:
    try:
        found = file_sha256(path) if path.is_file() else None
    except OSError as error:  # no permission, a failing disk, a name too long
        raise ModelFolderError(f"{path} cannot be read ({error}): copy the whole folder again") from error
    if found is None and path.is_symlink():
        what = f"{path} is a link to {path.readlink()}, which is not there"
        raise ModelFolderError(f"{what}: fetch its content, or copy the folder where it is whole with  cp -rL")
    if found is None:
        raise ModelFolderError(f"{path} is missing: copy the whole folder again, or {_EXPORT_AGAIN}")
    if found != sha256:
        raise ModelFolderError(f"{path} was changed after export (its sha256 differs): {_EXPORT_AGAIN}")
