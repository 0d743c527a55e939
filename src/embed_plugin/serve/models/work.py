"""The texts that a request gives to one model, and how that model tokenises them and returns its results."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from embed_plugin.encode import Encoder, LateInteractionEncoder, Reranker, SparseEncoder
from embed_plugin.encode.outputs import ScoreResult
from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.scoring import checked_query, pairs_of
from embed_plugin.serve.request_errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.encode.outputs import Result
    from embed_plugin.encode.text_model import TextModel
    from embed_plugin.model.scores import ScoreActivation
    from embed_plugin.serve.models.served import Served
    from embed_plugin.types import Results, Role, TokenIds, TokenisedTexts


@dataclass(frozen=True)
class Work:
    """The texts of one request.

    Attributes:
        model: The model that they are for.
        texts: The texts.
        tokenise: Tokenises a part of them.
        truncate: Cut a text above the token limit, or refuse it; None: as the service is set.
        beside: Characters that the model reads beside each text: those of a query.
        in_windows: Queue the texts in windows that are sent one after the other.
        output: Makes the results, not in windows; None: the model's own.
        look_up: Gives the results of tokenised texts without a run of the model; None: it is run.
        limit: Token limit of a text; None: the model's.
        most_tokens: Most tokens of all texts, of an answer that has a vector for each; None: any number.
    """

    model: Served[TextModel]
    texts: Sequence[str]
    tokenise: Callable[[Sequence[str]], TokenisedTexts] = field(repr=False)
    truncate: bool | None = None
    beside: int = 0
    in_windows: bool = False
    output: Result | None = None
    look_up: Callable[[Sequence[TokenIds]], Results] | None = field(default=None, repr=False)
    limit: int | None = None
    most_tokens: int | None = None

    @property
    def max_tokens(self) -> int:
        """Token limit of a text."""
        return self.limit or self.model.loaded.max_tokens


def texts_to_encode(
    model: Served[Encoder],
    texts: Sequence[str],
    *,
    role: Role,
    truncate: bool | None = None,
    instruction: str | None = None,
    in_windows: bool = False,
) -> Work:
    """Return texts that become vectors.

    Args:
        model: The model.
        texts: The texts.
        role: Encode them as documents or as queries.
        truncate: As :class:`Work` has it.
        instruction: What queries are for, in place of what the query prefix says.
        in_windows: As :class:`Work` has it.

    Raises:
        RequestError: the model takes no instruction, or not this one.
    """
    try:
        model.loaded.spec.prefix(role, instruction)
    except InvalidInputError as error:
        raise RequestError("invalid_request", f"instruction: {error}") from error
    tokenise = partial(model.loaded.runtime.tokenise, role=role, instruction=instruction)
    return Work(model, texts, tokenise, truncate=truncate, in_windows=in_windows)


def texts_to_score(
    model: Served[Reranker],
    query: str,
    texts: Sequence[str],
    *,
    truncate: bool | None = None,
    instruction: str | None = None,
    activation: ScoreActivation | None = None,
) -> Work:
    """Return texts that are scored for a query.

    Args:
        model: The model.
        query: The query.
        texts: The texts.
        truncate: Cut a pair above the token limit, or refuse it; None: as the service is set.
        instruction: What the query is for, of a model that takes one; None: the model's own.
        activation: Makes the scores of the graph's numbers; None: the model's own.

    Raises:
        RequestError: the query is empty.
    """
    try:
        checked_query(query)
    except InvalidInputError as error:
        raise RequestError("invalid_request", f"query: {error}") from error
    output = None if activation is None else ScoreResult(activation)

    def tokenise(part: Sequence[str]) -> TokenisedTexts:
        try:
            return model.loaded.pairs.tokenise(pairs_of(query, part), instruction=instruction)
        except InvalidTextError:
            raise
        except InvalidInputError as error:  # of letters that the tokenizer drops, say
            field = "query" if instruction is None else "query or instruction"
            raise RequestError("invalid_request", f"{field}: {error}") from error

    beside = len(query) + len(instruction or "")
    return Work(model, texts, tokenise, truncate=truncate, beside=beside, output=output)


def texts_to_weigh(
    model: Served[SparseEncoder], texts: Sequence[str], *, role: Role, truncate: bool | None = None
) -> Work:
    """Return texts that become weights of words; queries are looked up where the model has a table for them."""
    table = model.loaded.query_table if role == "query" else None
    if table is None:
        return Work(model, texts, partial(model.loaded.runtime.tokenise, role=role), truncate=truncate)
    tokenizer, vector, output = table.tokenizer, table.vector, model.loaded.runtime.output
    tokenise = partial(tokenizer.tokenise, prefix=model.loaded.spec.query_prefix, first_index=0)

    def look_up(ids: Sequence[TokenIds]) -> Results:
        results = output.allocate(len(ids))
        for index, each in enumerate(ids):
            results[index] = vector(each)
        return results

    return Work(model, texts, tokenise, truncate=truncate, look_up=look_up, limit=tokenizer.max_tokens)


def texts_of_tokens(
    model: Served[LateInteractionEncoder],
    texts: Sequence[str],
    *,
    role: Role,
    most_numbers: int,
    truncate: bool | None = None,
) -> Work:
    """Return texts that become a vector for each token.

    Args:
        model: The model.
        texts: The texts.
        role: Encode them as documents or as queries.
        most_numbers: Most numbers of the vectors of all.
        truncate: As :class:`Work` has it.
    """
    late = model.loaded
    tokenise, most_tokens = partial(late.tokenise, role=role), most_numbers // late.dimension
    return Work(model, texts, tokenise, truncate=truncate, limit=late.limit(role), most_tokens=most_tokens)


async def run_texts(model: TextModel, texts: Sequence[str]) -> None:
    """Run a model on texts, for warming it up and to see that it runs."""
    match model:
        case Reranker():
            await model.ascore("word", texts)
        case Encoder():
            await model.aencode_queries(texts)
        case SparseEncoder() | LateInteractionEncoder():
            await model.aencode_documents(texts)
        case _:
            raise NotImplementedError(model.kind)
