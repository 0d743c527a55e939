"""``embed-plugin encode``: lines or JSONL on stdin, vectors out."""

from __future__ import annotations

import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import embed_plugin
from embed_plugin.cli.loading import load_text_model
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


def encode(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    role: Annotated[Literal["document", "query"], typer.Option(help="Decides the prefix.")] = "document",
    out: Annotated[
        Path | None, typer.Option(help="A .npy file, of token vectors a .npz file; without it, JSONL on stdout.")
    ] = None,
    text_field: Annotated[str, typer.Option(help="The field of a JSONL record that holds the text.")] = "text",
    *,
    quiet: Quiet = False,
) -> None:
    r"""Encode stdin: one text a line, or JSONL when the first line that is not blank is a JSON object.

    A late-interaction model gives a vector for each token: a list of them a line, or the arrays "vectors" (tokens of
    all texts, dimension) and "lengths" (tokens of each text) of a .npz file.

    Example:  printf 'first text\nsecond text\n' | embed-plugin encode models/minilm-int8 --out vectors.npy
    """
    encoder = load_text_model(folder)
    is_late = isinstance(encoder, embed_plugin.LateInteractionEncoder)
    if out is not None and is_late and out.suffix != ".npz":
        raise typer.BadParameter(f"--out: token vectors of texts differ in number, so {out} must be a .npz file")
    tokens: list[int] = []
    encoder.runtime.observe(lambda report: tokens.append(report.tokens))
    started = time.perf_counter()
    stream = encoder.stream_queries if role == "query" else encoder.stream_documents
    is_shown = out is None and sys.stdout.isatty()  # a bar would stand among the vectors
    with stoppable("Stopping"), shown_progress("encode", quiet=quiet or is_shown) as show:
        vectors = _counted(stream(_texts(sys.stdin.buffer, text_field)), show)
        if out is None:
            count = _write_jsonl(vectors)
        else:
            count = (write_npz if is_late else write_npy)(vectors, out, encoder.dimension)
    seconds = time.perf_counter() - started
    limit = encoder.limit(role) if isinstance(encoder, embed_plugin.LateInteractionEncoder) else encoder.max_tokens
    cut = f"{encoder.runtime.cut_texts} cut at {limit} tokens"
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
    vectors: Iterator[npt.NDArray[np.float32]], show: Callable[[Amount], None]
) -> Iterator[npt.NDArray[np.float32]]:
    """Pass vectors on and show their count."""
    for count, vector in enumerate(vectors, 1):
        show(Amount(count, unit="text"))
        yield vector


def _write_jsonl(vectors: Iterable[npt.NDArray[np.float32]]) -> int:
    count = 0
    for vector in vectors:
        print(json.dumps(vector.tolist()))  # noqa: T201 - the command's output
        count += 1
    return count


def write_npz(texts: Iterable[npt.NDArray[np.float32]], path: Path, dimension: int) -> int:
    """Write token vectors: all of them in one array, and the number of each text's; returns the number of texts.

    The file appears whole or not at all, and memory holds one text's vectors and the numbers.
    """
    import numpy as np  # noqa: PLC0415 - other commands need none

    lengths: list[int] = []

    def tokens() -> Iterator[npt.NDArray[np.float32]]:
        for vectors in texts:
            lengths.append(len(vectors))
            yield from vectors

    rows, partial = (path.with_name(f".{path.name}.{os.getpid()}.{name}") for name in ("rows", "partial"))
    try:
        write_npy(tokens(), rows, dimension)
        with zipfile.ZipFile(partial, "w") as file:
            file.write(rows, "vectors.npy")
            with file.open("lengths.npy", "w") as member:
                np.save(member, np.array(lengths, dtype=np.int64))
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error})") from error
    finally:
        rows.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return len(lengths)


def write_npy(vectors: Iterable[npt.NDArray[np.float32]], path: Path, dimension: int) -> int:
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
