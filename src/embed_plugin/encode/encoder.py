"""The encoder, for users: prefix -> tokenise -> equal-length batches -> onnxruntime -> unit vectors in input order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from embed_plugin.encode.settings import EncoderSettings
from embed_plugin.encode.text_model import TextModel
from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.model.cache import find_model_folder
from embed_plugin.model.folder import read_model_folder
from embed_plugin.model.identity import fingerprint_of
from embed_plugin.model.matryoshka import cut_spec
from embed_plugin.model.template import fields_in, require_values
from embed_plugin.texts import iterable_of_texts, list_of_texts, refuse_bad_texts

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.encode.text_model import Tokenise
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.types import Fields, Kind, Role, Vectors

    VectorStream = Generator[npt.NDArray[np.float32], None, None]


class Encoder(TextModel):
    """Turns texts into unit vectors on CPU.

    A text's vector depends on that text alone: it is the same, bit for bit, alone, in any batch, at any position and
    for any number of workers. One encoder may be called from any number of threads and tasks at once; their texts
    share batches. It pickles as its folder, settings and prefixes, and a forked child opens a session of its own; both
    raise ModelFolderError where the folder holds another model by then.

    Attributes:
        folder: The model folder's absolute path.
        settings: How to run.
        spec: The model's facts, with the prefixes in use.
        runtime: The steps of encoding as separate calls, the queue and the counters, for services and pipelines.

    Example:
        >>> encoder = Encoder.load("models/minilm-int8")  # doctest: +SKIP
        >>> encoder.encode_queries(["how do I read a file?"]).shape  # doctest: +SKIP
        (1, 384)
    """

    kind: ClassVar[Kind] = "embedding"

    def __init__(
        self,
        folder: Path | TextModel,
        settings: EncoderSettings,
        prefixes: tuple[str | None, str | None] = (None, None),
        dimension: int | None = None,
        in_folder: str | None = None,
    ) -> None:
        """Load a model folder, which must have the fingerprint ``in_folder`` if given. :meth:`load` is for users."""
        self._changes = prefixes, dimension
        super().__init__(folder, settings, in_folder, lambda spec: cut_spec(_with_prefixes(spec, *prefixes), dimension))

    @classmethod
    def load(
        cls,
        folder: str | os.PathLike[str],
        settings: EncoderSettings | None = None,
        *,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        prompt_name: str | None = None,
        dimension: int | None = None,
    ) -> Encoder:
        """Load a model folder made by ``embed-plugin export``.

        Args:
            folder: The model folder, or the hub id of a model that ``embed-plugin export HUB_ID`` has prepared.
            settings: How to run; the defaults suit the machine.
            query_prefix: Prefix of every query, instead of the folder's. It is part of the fingerprint.
            document_prefix: The same for documents. It may name fields, each with the value of a document that lacks
                it: ``title: {title|none} | text: ``.
            prompt_name: One of the prompts that the checkpoint names (``spec.prompts``), which becomes both prefixes:
                for clustering, say, where all texts have one role.
            dimension: Keep this many numbers of each vector, of a model that was trained for it (Matryoshka). It is
                part of the fingerprint. The vectors are near those of a folder exported with ``--dimension``, not their
                bits; their fingerprints differ.

        Raises:
            ModelFolderError: the folder is missing, damaged, changed after export, or of another version; or, with
                ``on_other_cpu="error"``, gives other vectors on this class of CPU.
            InvalidInputError: a prefix is not a str, holds a lone surrogate, or names a field without a value; or there
                is no such prompt, or a prefix beside it; or vectors of this model may not be cut, or not so.
        """
        found = find_model_folder(folder)
        if prompt_name is not None:
            if query_prefix is not None or document_prefix is not None:
                raise InvalidInputError("a prompt_name is both prefixes: give it alone, or the prefixes")
            query_prefix = document_prefix = _prompt(found, prompt_name)
        elif isinstance(document_prefix, str):
            require_values(document_prefix)
        return cls(found, settings or EncoderSettings(), (query_prefix, document_prefix), dimension)

    def __reduce__(self) -> tuple[type[Encoder], tuple[object, ...]]:
        """Pickle as folder, settings, changes and fingerprint: the receiving process loads its own session."""
        return type(self), (self.folder, self.settings, *self._changes, self._in_folder)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.spec.dimension

    @property
    def document_fields(self) -> tuple[str, ...]:
        """Names of the fields that the document prefix names, most often none: ``title: {title|none} | text: ``."""
        return fields_in(self.spec.document_prefix)

    def encode_documents(self, texts: Sequence[str], *, fields: Fields | None = None) -> Vectors:
        """Encode documents.

        Args:
            texts: Any number of texts; the document prefix is put before each.
            fields: For each text, values of the fields that the prefix names (:attr:`document_fields`); what is left
                out has the value that the prefix states, as all have without this argument.

        Returns:
            float32 ``(len(texts), dimension)``, rows in input order, unit length.

        Raises:
            InvalidInputError: ``texts`` is no list of texts, but one str, a table, a dict, a set or an iterator; or
                ``fields`` are not one mapping of known names to texts for each of them.
            InvalidTextError: a text is not a str, holds a lone surrogate, has no tokens or one that the model does not
                know, or, with ``on_long="error"``, is too long.
        """
        listed = list_of_texts(texts)
        return self._all(listed, self._tokenise(self.spec.document_prefixes(fields, len(listed))))

    def encode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """Encode queries: as :meth:`encode_documents`, with the query prefix.

        Args:
            texts: Any number of texts.
            instruction: One line that says what the queries are for, in place of the one in the query prefix. The
                vectors are compared with the same documents as any query's.

        Raises:
            InvalidInputError: as :meth:`encode_documents`; or the model takes no instruction.
            InvalidTextError: as :meth:`encode_documents`.
        """
        return self._all(list_of_texts(texts), self._tokenise(self.spec.prefix("query", instruction)))

    def stream_documents(self, texts: Iterable[str]) -> VectorStream:
        """Yield the vector ``(dimension,)`` of each document in input order, in memory that does not grow.

        At most two windows of texts are held: one is encoded while the next is read and tokenised.
        """
        return self._stream(iterable_of_texts(texts), self._tokenise(self.spec.prefix("document")))

    def stream_queries(self, texts: Iterable[str], *, instruction: str | None = None) -> VectorStream:
        """:meth:`stream_documents` with the query prefix; ``instruction`` as in :meth:`encode_queries`."""
        return self._stream(iterable_of_texts(texts), self._tokenise(self.spec.prefix("query", instruction)))

    async def aencode_documents(self, texts: Sequence[str]) -> Vectors:
        """:meth:`encode_documents` for asyncio: the loop stays free, and concurrent callers share batches."""
        return await self._aall(list_of_texts(texts), self._tokenise(self.spec.prefix("document")))

    async def aencode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """:meth:`encode_queries` for asyncio."""
        return await self._aall(list_of_texts(texts), self._tokenise(self.spec.prefix("query", instruction)))

    def count_tokens(
        self, texts: Sequence[str], *, role: Role = "document", fields: Fields | None = None
    ) -> npt.NDArray[np.int64]:
        """Tokens of each text, int64 ``(n,)``: special tokens and prefix included, not cut at the limit.

        ``fields`` are those of documents, as in :meth:`encode_documents`.
        """
        listed = list_of_texts(texts)
        prefix = self.spec.prefix(role) if fields is None else self.spec.document_prefixes(fields, len(listed))
        return self.runtime.tokenizer.count(listed, prefix=prefix)

    def count_unknown(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text that the tokenizer does not know, int64 ``(n,)``; :meth:`count_tokens` includes them.

        Texts that differ only in unknown tokens have the same vector. A tokenizer with a token for every byte has none.
        """
        return self.runtime.tokenizer.count_unknown_in(list_of_texts(texts), prefix=self.spec.prefix(role))

    def _tokenise(self, prefix: str | Sequence[str]) -> Tokenise:
        """Return the step from a window of texts to tokens, with one prefix for all or one for each."""
        tokenise = self.runtime.tokenizer.tokenise
        if isinstance(prefix, str):
            return lambda texts, first: tokenise(texts, prefix=prefix, first_index=first)
        return lambda texts, first: tokenise(texts, prefix=prefix[first : first + len(texts)], first_index=first)


def _prompt(folder: Path, name: str) -> str:
    """Return a prompt that a folder's checkpoint names."""
    prompts = read_model_folder(folder).prompts
    if name not in prompts:
        raise InvalidInputError(f"{folder} has no prompt {name!r}; it has {', '.join(sorted(prompts)) or 'none'}")
    return prompts[name]


def _with_prefixes(spec: ModelSpec, query: str | None, document: str | None) -> ModelSpec:
    """Return the spec with the prefixes that are given, and the fingerprint that follows from them.

    Raises:
        InvalidInputError: a prefix is no text.
    """
    for name, prefix in (("query_prefix", query), ("document_prefix", document)):
        try:
            refuse_bad_texts(["" if prefix is None else prefix], 0)
        except InvalidTextError as error:
            raise InvalidInputError(f"{name} {error.problem}") from error
    changed = replace(
        spec,
        query_prefix=spec.query_prefix if query is None else query,
        document_prefix=spec.document_prefix if document is None else document,
    )
    return replace(changed, fingerprint=fingerprint_of(changed))
