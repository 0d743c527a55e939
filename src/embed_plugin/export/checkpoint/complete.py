"""Check that a checkpoint has every file that an export needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.description import DENSE, read_json_file
from embed_plugin.export.checkpoint.files import ADAPTER, ADAPTER_WEIGHTS, TORCH_WEIGHTS, VOCABULARY_FILES, WEIGHTS
from embed_plugin.export.checkpoint.output import dense_weights
from embed_plugin.export.checkpoint.torch_file.archive import conversion
from embed_plugin.export.checkpoint.vocabulary import conversion_of_tokenizer, has_tokenizer
from embed_plugin.model.folder import MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription


def require_complete(checkpoint: CheckpointDescription, *, source: str) -> None:
    """Check that a folder has a configuration, a tokenizer, weights and its modules' settings.

    Raises:
        SourceError: something is missing; the message names it, the source and the remedy.
    """
    folder, encoder = checkpoint.folder, checkpoint.encoder
    if (folder / MANIFEST).is_file():
        raise SourceError(
            f"{source}: {folder} is a model folder already ({MANIFEST}), and a checkpoint is what becomes one: use it "
            "as it is, or export its checkpoint again"
        )
    _refuse_adapter_alone(checkpoint, source)
    if not checkpoint.config.is_there and not checkpoint.is_static:
        raise SourceError(
            f"{source}: no config.json in {encoder}. Give the folder (or model) that holds config.json, "
            f"tokenizer.json and {WEIGHTS} itself, not one above or below it"
        )
    if not checkpoint.weight_files() and checkpoint.onnx_file() is None:
        raise SourceError(_no_weights(encoder, source))
    if not has_tokenizer(checkpoint):
        raise SourceError(_no_tokenizer(checkpoint, source))
    if absent := _absent(checkpoint):
        raise SourceError(
            f"{source}: the checkpoint in {folder} names {', '.join(absent)}, which is not there. It was "
            "copied or fetched in part: copy it again, or fetch it with the network at hand"
        )
    for module in checkpoint.modules:
        if module.kind == DENSE and not dense_weights(folder / module.path).is_file():
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


def _no_tokenizer(checkpoint: CheckpointDescription, source: str) -> str:
    encoder = checkpoint.encoder
    others = sorted(path.name for path in encoder.iterdir() if path.suffix == ".model" or path.name in VOCABULARY_FILES)
    found = f"only {', '.join(others)}" if others else "no tokenizer.json"
    built = (
        "Beside it, BERT's vocab.txt, RoBERTa's vocab.json and merges.txt, and the SentencePiece files of XLM-R and "
        "CamemBERT (sentencepiece.bpe.model), ALBERT and T5 (spiece.model) are read"
    )
    is_folder = others and source == str(checkpoint.folder)
    remedy = conversion_of_tokenizer(str(encoder)) if is_folder else f"{conversion(source)}, which writes one"
    return f"{source}: {found} in {encoder}. {built}. To have one, {remedy}"


def _no_weights(folder: Path, source: str) -> str:
    others = sorted(path.name for ending in ("bin", "h5", "pt") for path in folder.glob(f"*.{ending}"))
    found = f"only {', '.join(others)}" if others else f"no {WEIGHTS}"
    return (
        f"{source}: {found} in {folder}. Weights are read from {WEIGHTS}, or from {TORCH_WEIGHTS} as torch saves it "
        f"since 1.6, in one file or in shards. {conversion(source)}"
    )
