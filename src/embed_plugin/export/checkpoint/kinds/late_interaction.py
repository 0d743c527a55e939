"""Read the output of a late-interaction checkpoint: dense layers, markers, expansion and skipped tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checkpoint.description import DENSE, TRANSFORMER
from embed_plugin.export.checkpoint.files import MODULES
from embed_plugin.export.checkpoint.head import has_head, read_head
from embed_plugin.export.checkpoint.output import dense_weights
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from embed_plugin.export.outputs.tokens import TokenDense, TokensOutput
from embed_plugin.model.late_interaction import LateInteractionFacts

if TYPE_CHECKING:
    from embed_plugin.encode.tokenizer import TextTokenizer
    from embed_plugin.export.checkpoint.description import CheckpointDescription, JsonFile
    from embed_plugin.export.checkpoint.kinds.colbert_settings import ColbertSettings

HEAD, HEAD_BIAS = "linear.weight", "linear.bias"
MASKS = ("[MASK]", "<mask>")
"""Mask tokens that tokenizers have where their configuration does not name one."""

IDENTITY = "torch.nn.modules.linear.Identity"
FEWEST_TOKENS = 4
"""The lowest limit of a text: a first token, the marker, one of the text and a last one."""


def read_token_output(
    checkpoint: CheckpointDescription, settings: ColbertSettings, tokenizer: TextTokenizer
) -> TokensOutput:
    """Read dense layers, and look up the tokens that the settings name.

    Raises:
        SourceError: a file is missing or damaged.
        ExportError: the checkpoint has a step or a token that is not written.
    """
    dense = _layers(checkpoint) if checkpoint.modules else _head(checkpoint)
    rows = dense[-1].weight.shape[0]
    if settings.dimension not in {None, rows}:
        found = f"{settings.path} says that vectors have {settings.dimension} values, and {HEAD} gives {rows}"
        raise ExportError(f"{found}: fetch the checkpoint again")
    return TokensOutput(dense, _facts(checkpoint, settings, tokenizer))


def _layers(checkpoint: CheckpointDescription) -> tuple[TokenDense, ...]:
    """The dense layers behind the transformer, in PyLate's layout."""
    listed, kinds = checkpoint.folder / MODULES, checkpoint.kinds
    if kinds != [TRANSFORMER, *[DENSE] * max(1, len(kinds) - 1)]:
        raise ExportError(f"{listed} lists {', '.join(kinds)}; expected {TRANSFORMER} and {DENSE} behind it")
    return tuple(_dense(module.settings) for module in checkpoint.modules if module.settings and module.kind == DENSE)


def _dense(settings: JsonFile) -> TokenDense:
    """One dense layer; its weights are beside its settings."""
    path, config = settings.path, settings.object()
    if config.get("use_residual"):
        raise ExportError(f"{path} has use_residual: a dense layer beside which vectors pass is not written")
    activation = config.get("activation_function", IDENTITY)
    if activation != IDENTITY:
        raise ExportError(f"{path} has the activation {activation!r}; on tokens only {IDENTITY} is written")
    weights = dense_weights(path.parent)
    expected = ["linear.bias", "linear.weight"] if config.get("bias", True) else ["linear.weight"]
    names = sorted(tensor_names(weights))
    if names != expected:
        found = f"{weights} holds {', '.join(names) or 'nothing'}"
        raise SourceError(f"{found}, expected {', '.join(expected)}: fetch the checkpoint again")
    bias = read_tensor(weights, "linear.bias") if len(expected) > 1 else None
    return TokenDense(read_tensor(weights, "linear.weight"), bias)


def _head(checkpoint: CheckpointDescription) -> tuple[TokenDense, ...]:
    """The one dense layer among the encoder's own weights, in the layout of ColBERT's authors."""
    if has_head(checkpoint, HEAD_BIAS):
        raise ExportError(f"the weights in {checkpoint.encoder} hold {HEAD_BIAS}; ColBERT's layer has no bias")
    return (TokenDense(read_head(checkpoint, HEAD)),)


def _facts(
    checkpoint: CheckpointDescription, settings: ColbertSettings, tokenizer: TextTokenizer
) -> LateInteractionFacts:
    markers = [_token(settings, tokenizer, name) for name in (settings.query_marker, settings.document_marker)]
    if markers[0] == markers[1]:
        raise ExportError(f"{settings.path} has one marker for queries and documents ({settings.query_marker!r})")
    if settings.query_length < FEWEST_TOKENS:
        raise ExportError(f"{settings.path} says that queries have {settings.query_length} tokens, expected 4 or more")
    expansion = _filler(checkpoint, tokenizer) if settings.expands else None
    _require_ends(checkpoint, tokenizer, expansion)
    return LateInteractionFacts(
        query_marker=markers[0],
        document_marker=markers[1],
        query_length=settings.query_length,
        expansion=expansion,
        sees_expansion=settings.sees_expansion,
        skipped=_skipped(settings, tokenizer),
    )


def _token(settings: ColbertSettings, tokenizer: TextTokenizer, token: str) -> int:
    """The id of a marker."""
    found = tokenizer.token_id(token)
    if found is None:
        problem = f"{settings.path} names the marker {token!r}, which the vocabulary lacks"
        raise ExportError(f"{problem}: the model was not trained with it. Give the checkpoint with its own tokenizer")
    return found


def _skipped(settings: ColbertSettings, tokenizer: TextTokenizer) -> tuple[int, ...]:
    """The ids of the skip list; a word that the vocabulary lacks is its unknown token, as in PyLate."""
    unknown = tokenizer.unknown_id
    found = (tokenizer.token_id(word) for word in settings.skipped)
    ids = {unknown if each is None else each for each in found}
    return tuple(sorted(each for each in ids if each is not None))


def _filler(checkpoint: CheckpointDescription, tokenizer: TextTokenizer) -> int:
    """The mask token, with which queries are filled up."""
    stated: Any = checkpoint.tokenizer_settings().get("mask_token")
    stated = stated or checkpoint.special_tokens.object_if_there().get("mask_token")
    name = stated.get("content") if isinstance(stated, dict) else stated
    ids = (tokenizer.token_id(each) for each in ([name] if isinstance(name, str) else MASKS))
    found = next((each for each in ids if each is not None), None)
    if found is None:
        problem = f"the tokenizer in {checkpoint.encoder} has no mask token ({name or ' or '.join(MASKS)})"
        raise ExportError(f"{problem}, with which queries are filled up: filling up with another token is not written")
    return found


def _require_ends(checkpoint: CheckpointDescription, tokenizer: TextTokenizer, expansion: int | None) -> None:
    """Refuse a tokenizer without a token before a text, where the marker follows, and another one behind it."""
    ends = tokenizer.tokenise([""], prefix="", first_index=0).ids[0]
    if len(ends) < 2 or ends[-1] == expansion:  # noqa: PLR2004 - the first and the last
        found = f"the tokenizer in {checkpoint.encoder} puts {len(ends)} special tokens around a text"
        raise ExportError(f"{found}; expected one before it, behind which the marker stands, and one behind it")
