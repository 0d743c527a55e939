"""Evaluate a model with mteb 2: an encoder that ``mteb.evaluate`` takes.

mteb is imported when an :class:`MtebEncoder` is made, so that a missing package is named with the extra that has it.

Example:
    >>> import mteb  # doctest: +SKIP
    >>> from embed_plugin.evaluate.mteb import MtebEncoder
    >>> mteb.evaluate(MtebEncoder("models/bge-small"), tasks=mteb.get_tasks(tasks=["SciFact"]))  # doctest: +SKIP
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from embed_plugin.encode import Encoder
from embed_plugin.errors import InvalidInputError
from embed_plugin.extras import import_part
from embed_plugin.model.cache import is_hub_id
from embed_plugin.protocols import TextEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import ModelMeta
    from mteb.types import Array, PromptType

    from embed_plugin.types import Vectors

NAMESPACE = "embed-plugin"
"""The part before the slash of a model's name: mteb asks for ``organisation/model``."""


class MtebEncoder:
    """Encodes for mteb 2, whose ``EncoderProtocol`` it follows.

    Retrieval and reranking tasks say what a text is: queries get the query prefix and documents the document prefix,
    once, as everywhere in this package. Symmetric tasks (STS, classification, clustering, pairs, bitext) do not, and
    all their texts are encoded as documents. mteb's own prompts are not used. For a symmetric task mteb uses a prompt
    only if one is named for it, so a model with a document prefix may differ from published figures there.

    Args:
        model: A model folder, the hub id of a prepared model, or any encoder: an :class:`~embed_plugin.Encoder` that
            was loaded with other prefixes or settings, or an :class:`~embed_plugin.client.EmbeddingClient`.
        name: The model's name in results, ``organisation/model``. By default ``embed-plugin/`` and the folder's name;
            an encoder without a folder needs it.

    Attributes:
        encoder: The encoder.
        mteb_model_meta: The model's facts as mteb stores them. Its revision is the fingerprint, so that mteb's cache
            never takes the results of one vector space for another's.

    Raises:
        MissingExtraError: mteb is not installed.
        ModelFolderError: as from ``Encoder.load``.
        InvalidInputError: ``model`` is neither a folder nor an encoder, or the name is missing or has no slash.
    """

    def __init__(self, model: str | os.PathLike[str] | TextEncoder, *, name: str | None = None) -> None:
        import_part("mteb", extra="mteb")
        self.encoder = _opened(model)
        self.mteb_model_meta = _model_meta(self.encoder, _checked_name(self.encoder, name))

    def encode(
        self,
        inputs: Iterable[Mapping[str, Any]],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **encode_kwargs: object,
    ) -> Vectors:
        """Encode a task's texts in one pass; documents are read as they are encoded.

        Args:
            inputs: Batches, each with a list of texts under ``text``; their size does not matter here.
            task_metadata: The task; named in errors.
            hf_split: Not used: a text's vector depends on that text alone.
            hf_subset: Not used, for the same reason.
            prompt_type: ``query``, ``document``, or None in symmetric tasks, whose texts are encoded as documents.
            **encode_kwargs: What the caller gave ``mteb.evaluate``; ``show_progress_bar`` is used.

        Returns:
            float32 ``(n, dimension)``, rows in input order, unit length.

        Raises:
            InvalidInputError: the task has no text, or ``precision`` asks for vectors of another type.
            InvalidTextError: as from the encoder.
        """
        del hf_split, hf_subset
        _refuse_precision(encode_kwargs.get("precision"))
        texts = _texts(inputs, task_metadata.name, show_progress=bool(encode_kwargs.get("show_progress_bar", True)))
        if prompt_type is not None and prompt_type.value == "query":
            return self.encoder.encode_queries(list(texts))
        vectors = self.encoder.stream_documents(texts)
        return np.fromiter(vectors, dtype=np.dtype((np.float32, (self.encoder.dimension,))))

    def similarity(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Return the cosine of each row with each of the other side, ``(n, m)``, as mteb computes it."""
        from mteb.similarity_functions import cos_sim  # noqa: PLC0415 - optional

        return cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Return the cosine of each row with the same row of the other side, ``(n,)``, as mteb computes it."""
        from mteb.similarity_functions import pairwise_cos_sim  # noqa: PLC0415 - optional

        return pairwise_cos_sim(embeddings1, embeddings2)


def _opened(model: str | os.PathLike[str] | TextEncoder) -> TextEncoder:
    if isinstance(model, str | os.PathLike):
        return Encoder.load(model)
    if not isinstance(model, TextEncoder):
        raise InvalidInputError(
            f"model is of type {type(model).__name__}; expected a model folder made by  embed-plugin export , or an "
            "encoder"
        )
    return model


def _checked_name(encoder: TextEncoder, name: str | None) -> str:
    if name is None and isinstance(encoder, Encoder):
        return f"{NAMESPACE}/{encoder.folder.name}"
    if name is None or "/" not in name:
        raise InvalidInputError(
            f"name is {name!r}; expected organisation/model, under which mteb stores the results of this "
            f"{type(encoder).__name__}: give name='{NAMESPACE}/my-model'"
        )
    return name


def _model_meta(encoder: TextEncoder, name: str) -> ModelMeta:
    """The facts that mteb stores beside results; None stands for what a model folder does not know."""
    from mteb.models import ModelMeta  # noqa: PLC0415 - optional
    from mteb.models.model_meta import ScoringFunction  # noqa: PLC0415 - optional

    spec = encoder.spec if isinstance(encoder, Encoder) else None
    source = spec.source if spec and is_hub_id(spec.source) else None
    return ModelMeta(
        loader=None,
        name=name,
        revision=encoder.fingerprint.replace("/", "--"),  # it becomes a folder's name; those of APIs have slashes
        release_date=None,
        languages=None,
        n_parameters=None,
        memory_usage_mb=None,
        max_tokens=encoder.max_tokens,
        embed_dim=encoder.dimension,
        license=None,
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        framework=["ONNX"] if spec else ["API"],
        reference=f"https://huggingface.co/{source}" if source else None,
        similarity_fn_name=ScoringFunction.COSINE,
        use_instructions=bool(spec.query_prefix or spec.document_prefix) if spec else None,
        training_datasets=None,
        adapted_from=source,
    )


def _refuse_precision(precision: object) -> None:
    """Refuse another type of vectors: mteb would store the results of these under the type that it was asked for."""
    if precision not in (None, "float32"):
        raise InvalidInputError(
            f"encode_kwargs has precision={precision!r}, expected none: vectors are float32. Leave it out; a model's "
            "precision is chosen by  embed-plugin export"
        )


def _texts(batches: Iterable[Mapping[str, Any]], task: str, *, show_progress: bool) -> Iterator[str]:
    from tqdm.auto import tqdm  # noqa: PLC0415 - comes with mteb

    for batch in tqdm(batches, desc="Encoding", disable=not show_progress):
        if "text" not in batch:
            found = ", ".join(batch)
            raise InvalidInputError(f"task {task} has {found} and no text: expected texts; choose tasks on text alone")
        yield from batch["text"]
