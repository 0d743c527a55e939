"""What a checkpoint may not state itself: prefixes, and whether vectors may be cut.

A prefix is put before a text verbatim, once, before tokenising (:mod:`embed_plugin.encode.tokenizer`), and is part of
the fingerprint. It is chosen here, at export: the caller's, else the checkpoint's, else the table's.

A vector may be cut where the model was trained for it ("Matryoshka Representation Learning", Kusupati et al., 2022):
its first values, normalised again, are a vector of their own. A cut of any other model's vector keeps an arbitrary
part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.model.known_models import Prefixes, find_known_model
from embed_plugin.model.matryoshka import Matryoshka
from embed_plugin.model.template import require_values

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.description import CheckpointDescription, JsonFile


_NONE = Prefixes("", "")


def choose_prefixes(checkpoint: CheckpointDescription, query: str | None, document: str | None) -> Prefixes:
    """Choose both prefixes, each on its own: the caller's, the checkpoint's, the table's or none.

    Args:
        checkpoint: The checkpoint.
        query: The caller's prefix for queries; ``""`` means no prefix, ``None`` leaves the choice to the model.
        document: The same for documents.

    Raises:
        InvalidInputError: the caller's prefix for documents names a field without the value of those that lack it.
        SourceError: the checkpoint's prompts cannot be read, and a prefix depends on them.
    """
    require_values(document or "")
    if query is not None and document is not None:
        return Prefixes(query, document)
    stated_query, stated_document = stated_prompts(checkpoint.sentence_transformers)
    model = find_known_model(checkpoint.name)
    known = (model and model.prefixes) or _NONE
    return Prefixes(_first(query, stated_query, known.query), _first(document, stated_document, known.document))


def _first(*choices: str | None) -> str:
    return next((choice for choice in choices if choice is not None), "")


def stated_prompts(file: JsonFile) -> tuple[str | None, str | None]:
    """The prompts for queries and documents in ``config_sentence_transformers.json``; ``None``: it states none.

    A role without a prompt of its own has the default prompt where one is named. sentence-transformers writes empty
    prompts into every checkpoint it saves, so a checkpoint with nothing but empty prompts states none.

    Raises:
        SourceError: the file is not what sentence-transformers writes.
    """
    if not file.is_there:
        return None, None
    prompts, default_name = _parse_prompts(file)
    if not any(prompts.values()):
        return None, None
    default = prompts.get(default_name) if isinstance(default_name, str) else None
    # The names sentence-transformers looks for in encode_query and encode_document, in its order.
    query = prompts.get("query", default)
    named = (prompts[name] for name in ("document", "passage", "corpus") if name in prompts)
    document = next(named, default)
    return (query, document) if query or document else (None, None)


def named_prompts(checkpoint: CheckpointDescription) -> dict[str, str]:
    """The checkpoint's prompts by name, without empty ones; none where its file cannot be read.

    They are for other uses than search (clustering, classification, ...), and chosen by name when a model is loaded.
    """
    file = checkpoint.sentence_transformers
    if not file.is_there:
        return {}
    try:
        prompts, _ = _parse_prompts(file)
    except SourceError:
        return {}
    return {name: text for name, text in prompts.items() if text}


def _parse_prompts(file: JsonFile) -> tuple[dict[str, str], object]:
    """The prompts by name and the name of the default one; a prompt of ``null`` is an empty one."""
    if file.fault is not None:
        found = f"{file.path} is not JSON ({file.fault})"
        raise SourceError(f"{found}: fetch the checkpoint again, or set both prefixes") from file.fault
    config = file.content
    if not isinstance(config, dict):
        raise SourceError(
            f"{file.path} holds a {type(config).__name__}, expected an object: correct it, or set both prefixes"
        )
    prompts, default_name = config.get("prompts") or {}, config.get("default_prompt_name")
    if not (isinstance(prompts, dict) and all(isinstance(text, str | None) for text in prompts.values())):
        raise SourceError(
            f'{file.path} has "prompts": {prompts!r:.80}, expected texts by name: correct it, or set both prefixes'
        )
    return {name: text or "" for name, text in prompts.items()}, default_name


def read_matryoshka(checkpoint: CheckpointDescription) -> Matryoshka | None:
    """Return how the vectors of a checkpoint may be cut; None: it does not say that they may.

    A model states it in ``config.json``: ``matryoshka_dimensions``, a list of lengths, or ``is_matryoshka``. Of others
    the table of known models has it.
    """
    config = checkpoint.config.object_if_there()
    lengths = config.get("matryoshka_dimensions")
    known = find_known_model(checkpoint.name)
    layer_norm = bool(known and known.layer_norm)
    if isinstance(lengths, list) and lengths:
        return Matryoshka(tuple(lengths), layer_norm)
    if config.get("is_matryoshka") or (known and known.matryoshka):
        return Matryoshka((), layer_norm)
    return None


def require_matryoshka(checkpoint: CheckpointDescription, dimension: int) -> Matryoshka:
    """Return how to cut the vectors of a checkpoint to a length.

    Raises:
        ExportError: the model does not say that it was trained for it.
        InvalidInputError: it was not trained for this length.
    """
    found = read_matryoshka(checkpoint)
    if found is None:
        missing = f"{checkpoint.name} does not say that its vectors may be cut (matryoshka_dimensions in config.json)"
        raise ExportError(f"{missing}: leave dimension out. Where the model's card says so, add it to config.json")
    found.require(dimension, checkpoint.name)
    return found
