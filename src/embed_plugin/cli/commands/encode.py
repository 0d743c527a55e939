"""``embed-plugin encode``: lines or JSONL on stdin, vectors out."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import embed_plugin
from embed_plugin.cli.any_encoder import load_any
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.printable import count_of
from embed_plugin.cli.reports.output import warn_of_unknown
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.cli.vector_files import Numbers, in_numbers, write_jsonl, write_npy, write_npz
from embed_plugin.errors import RecordError
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from embed_plugin.cli.any_encoder import AnyEncoder


def encode(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    role: Annotated[Literal["document", "query"], typer.Option(help="Decides the prefix.")] = "document",
    out: Annotated[
        Path | None, typer.Option(help="A .npy file, of token vectors a .npz file; without it, JSONL on stdout.")
    ] = None,
    text_field: Annotated[str, typer.Option(help="The field of a JSONL record that holds the text.")] = "text",
    *,
    dimension: Annotated[int | None, typer.Option(help="Shorter vectors, of Matryoshka models.")] = None,
    numbers: Annotated[
        Numbers, typer.Option(help="Smaller numbers; int8 comes with a scale for each vector, binary is bits.")
    ] = "float32",
    quiet: Quiet = False,
) -> None:
    r"""Encode stdin: one text a line, or JSONL when the first line that is not blank is a JSON object.

    A .npy file of int8 has two fields, values and scale; of binary, bytes of eight numbers each. A sparse encoder gives
    an object with the indices of words and their values for each line. A late-interaction model gives a vector for each
    token: a list of them a line, or the arrays "vectors" (tokens of all texts, dimension) and "lengths" (tokens of each
    text) of a .npz file.

    Example:  printf 'first text\nsecond text\n' | embed-plugin encode models/minilm-int8 --out vectors.npy
    """
    encoder = load_any(folder, dimension=dimension)
    _refuse_options(encoder, out, numbers)
    tokens: list[int] = []
    encoder.runtime.observe(lambda report: tokens.append(report.tokens))
    started = time.perf_counter()
    stream = encoder.stream_queries if role == "query" else encoder.stream_documents
    is_shown = out is None and sys.stdout.isatty()  # a bar would stand among the vectors
    with stoppable("Stopping"), shown_progress("encode", quiet=quiet or is_shown) as show:
        results: Iterator[Any] = _counted(stream(_texts(sys.stdin.buffer, text_field)), show)
        count = _write(encoder, results, out, numbers)
    seconds = time.perf_counter() - started
    limit = encoder.limit(role) if isinstance(encoder, embed_plugin.LateInteractionEncoder) else encoder.max_tokens
    cut = f"{encoder.runtime.cut_texts} cut at {limit} tokens"
    unknown = f"{encoder.runtime.unknown_tokens} of {sum(tokens)} tokens unknown"
    print(f"{count_of(count, 'text')} in {seconds:.1f} s, {cut}, {unknown}", file=sys.stderr)  # noqa: T201 - the message
    warn_of_unknown(encoder.runtime.unknown_tokens, sum(tokens))


def _refuse_options(encoder: AnyEncoder, out: Path | None, numbers: Numbers) -> None:
    """Refuse files and numbers that a kind of model does not have."""
    if isinstance(encoder, embed_plugin.Encoder):
        return
    if numbers != "float32":
        raise typer.BadParameter(f"--numbers {numbers} is for embedding models, and {encoder.folder} is none")
    if out is not None and isinstance(encoder, embed_plugin.SparseEncoder):
        raise typer.BadParameter(
            f"{encoder.folder} is a sparse encoder, and a file has rows of one length: leave --out out"
        )
    if out is not None and out.suffix != ".npz":
        raise typer.BadParameter(f"--out: token vectors of texts differ in number, so {out} must be a .npz file")


def _write(encoder: AnyEncoder, results: Iterator[Any], out: Path | None, numbers: Numbers) -> int:
    """Write the results; returns the number of texts."""
    if not isinstance(encoder, embed_plugin.Encoder):
        return write_jsonl(results) if out is None else write_npz(results, out, encoder.dimension)
    rows = in_numbers(results, numbers, encoder.dimension)
    return write_jsonl(rows.items) if out is None else write_npy(rows.items, out, rows.type)


def _texts(stream: BinaryIO, text_field: str) -> Iterator[str]:
    lines = read_text_lines(stream, "stdin")
    blank: list[str] = []  # lines before the first one that says what they are
    for place, text in lines:
        if text.lstrip().startswith("{"):
            yield _text_of(text, place, text_field)
            yield from (_text_of(line, where, text_field) for where, line in lines if line.strip())
            return
        blank.append(text)
        if text.strip():
            break
    yield from blank
    yield from (line.text for line in lines)


def _text_of(line: str, place: str, text_field: str) -> str:
    try:
        text = json.loads(line)[text_field]
    except (ValueError, KeyError, TypeError) as error:
        message = f"{place}: not a JSON object with a field {text_field!r} ({error!r})"
        raise RecordError(f"{message}: name the field with --text-field") from error
    if not isinstance(text, str):
        raise RecordError(f"{place}: field {text_field!r} holds a {type(text).__name__}, expected text")
    return text


def _counted(results: Iterator[Any], show: Callable[[Amount], None]) -> Iterator[Any]:
    """Pass results on and show their count."""
    for count, result in enumerate(results, 1):
        show(Amount(count, unit="text"))
        yield result
