"""``embed-plugin encode``: lines or JSONL on stdin, vectors out."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

import embed_plugin
from embed_plugin.cli.any_encoder import load_any
from embed_plugin.cli.options.progress import Quiet
from embed_plugin.cli.printable import count_of
from embed_plugin.cli.reports.output import warn_of_unknown
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.errors import OutputError, RecordError
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    import numpy as np
    import numpy.typing as npt

    from embed_plugin import SparseVector

    Vector = npt.NDArray[np.float32]


def encode(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    role: Annotated[Literal["document", "query"], typer.Option(help="Decides the prefix.")] = "document",
    out: Annotated[
        Path | None, typer.Option(help="A .npy file, of an embedding model; without it, JSONL on stdout.")
    ] = None,
    text_field: Annotated[str, typer.Option(help="The field of a JSONL record that holds the text.")] = "text",
    *,
    quiet: Quiet = False,
) -> None:
    r"""Encode stdin: one text a line, or JSONL when the first line that is not blank is a JSON object.

    A line of a sparse encoder's JSONL is an object with the indices of words and their values.

    Example:  printf 'first text\nsecond text\n' | embed-plugin encode models/minilm-int8 --out vectors.npy
    """
    encoder = load_any(folder)
    if out and not isinstance(encoder, embed_plugin.Encoder):
        raise typer.BadParameter(
            f"{folder} is a sparse encoder, and a .npy file has rows of one length: leave --out out"
        )
    tokens: list[int] = []
    encoder.runtime.observe(lambda report: tokens.append(report.tokens))
    started = time.perf_counter()
    stream = encoder.stream_queries if role == "query" else encoder.stream_documents
    is_shown = out is None and sys.stdout.isatty()  # a bar would stand among the vectors
    with stoppable("Stopping"), shown_progress("encode", quiet=quiet or is_shown) as show:
        vectors = _counted(stream(_texts(sys.stdin.buffer, text_field)), show)
        count = write_npy(cast("Iterator[Vector]", vectors), out, encoder.dimension) if out else _write_jsonl(vectors)
    seconds = time.perf_counter() - started
    cut = f"{encoder.runtime.cut_texts} cut at {encoder.max_tokens} tokens"
    unknown = f"{encoder.runtime.unknown_tokens} of {sum(tokens)} tokens unknown"
    print(f"{count_of(count, 'text')} in {seconds:.1f} s, {cut}, {unknown}", file=sys.stderr)  # noqa: T201 - the message
    warn_of_unknown(encoder.runtime.unknown_tokens, sum(tokens))


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


def _counted(
    vectors: Iterator[Vector | SparseVector], show: Callable[[Amount], None]
) -> Iterator[Vector | SparseVector]:
    """Pass vectors on and show their count."""
    for count, vector in enumerate(vectors, 1):
        show(Amount(count, unit="text"))
        yield vector


def _write_jsonl(vectors: Iterable[Vector | SparseVector]) -> int:
    count = 0
    for vector in vectors:
        print(json.dumps(_as_json(vector)))  # noqa: T201 - the command's output
        count += 1
    return count


def _as_json(vector: Vector | SparseVector) -> object:
    """Return a vector as a list of numbers, or as indices and values."""
    if isinstance(vector, embed_plugin.SparseVector):
        return {"indices": vector.indices.tolist(), "values": vector.values.tolist()}
    return vector.tolist()


def write_npy(vectors: Iterable[Vector], path: Path, dimension: int) -> int:
    """Write float32 ``(n, dimension)`` row by row; the file appears whole or not at all.

    numpy pads the header of a ``.npy`` file so that the number of rows can be written once it is known.
    """
    from numpy.lib.format import write_array_header_1_0  # noqa: PLC0415 - other commands need no numpy

    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    header = {"descr": "<f4", "fortran_order": False}
    count = 0
    try:
        with partial.open("wb") as file:
            write_array_header_1_0(file, {**header, "shape": (0, dimension)})
            start = file.tell()
            for vector in vectors:
                file.write(vector.astype("<f4").tobytes())
                count += 1
            file.seek(0)
            write_array_header_1_0(file, {**header, "shape": (count, dimension)})
            if file.tell() != start:
                raise OutputError(f"{path}: the header of {count} rows does not fit")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error})") from error
    finally:
        partial.unlink(missing_ok=True)
    return count
