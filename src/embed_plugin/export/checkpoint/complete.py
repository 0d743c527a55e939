"""Check that a checkpoint has every file that an export needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.description import DENSE, read_json_file
from embed_plugin.export.checkpoint.files import ADAPTER, ADAPTER_WEIGHTS, TOKENIZER, WEIGHTS
from embed_plugin.model.folder import MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription


def require_complete(checkpoint: CheckpointDescription, *, source: str) -> None:
    """Check that a folder has a configuration, a tokenizer, safetensors weights and its modules' settings.

    Raises:
        SourceError: something is missing; the message names it, the source and the remedy.
    """
    folder = checkpoint.folder
    if (folder / MANIFEST).is_file():
        raise SourceError(
            f"{source}: {folder} is a model folder already ({MANIFEST}), and a checkpoint is what becomes one: use it "
            "as it is, or export its checkpoint again"
        )
    _refuse_adapter_alone(checkpoint, source)
    if not checkpoint.config.is_there:
        raise SourceError(
            f"{source}: no config.json in {folder}. Give the folder (or model) that holds config.json, "
            f"tokenizer.json and {WEIGHTS} itself, not one above or below it"
        )
    if not (folder / WEIGHTS).is_file() and not checkpoint.shard_index.is_there:
        raise SourceError(_no_weights(folder, source))
    if not (folder / TOKENIZER).is_file():
        raise SourceError(
            f"{source}: no tokenizer.json in {folder}, and the older vocabulary files are not read. "
            f"{_conversion(source)}, which writes one"
        )
    if absent := _absent(checkpoint):
        raise SourceError(
            f"{source}: the checkpoint in {folder} names {', '.join(absent)}, which is not there. It was "
            "copied or fetched in part: copy it again, or fetch it with the network at hand"
        )
    for module in checkpoint.modules:
        if module.kind == DENSE and not (folder / module.path / WEIGHTS).is_file():
            raise SourceError(_no_weights(folder / module.path, source))


def _refuse_adapter_alone(checkpoint: CheckpointDescription, source: str) -> None:
    """Refuse an adapter without the weights that it changes, naming the model that has them."""
    adapter = read_json_file(checkpoint.folder / ADAPTER)
    if adapter.is_there and not (checkpoint.folder / WEIGHTS).is_file() and not checkpoint.shard_index.is_there:
        base = adapter.object().get("base_model_name_or_path") or "another model"
        raise SourceError(
            f"{source}: an adapter ({ADAPTER}) of {base}, whose weights are not in {checkpoint.folder}. Fetch {base}, "
            f"and put both files of the adapter ({ADAPTER}, {ADAPTER_WEIGHTS}) beside its weights"
        )


def _absent(checkpoint: CheckpointDescription) -> list[str]:
    """The files that the checkpoint's own lists name and that are missing: shards, settings of modules."""
    shards = [path.name for path in checkpoint.weight_files() if not path.is_file()]
    modules = [module for module in checkpoint.modules if module.settings and not module.settings.is_there]
    return shards + [f"{module.path}/config.json" for module in modules]


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
