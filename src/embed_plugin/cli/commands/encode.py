"""``embed-plugin encode``: lines or JSONL on stdin, vectors out."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeAlias

import typer

import embed_plugin
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


Numbers: TypeAlias = Literal["float32", "float16", "int8", "binary"]


def encode(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    role: Annotated[Literal["document", "query"], typer.Option(help="Decides the prefix.")] = "document",
    out: Annotated[Path | None, typer.Option(help="A .npy file; without it, JSONL on stdout.")] = None,
    text_field: Annotated[str, typer.Option(help="The field of a JSONL record that holds the text.")] = "text",
    *,
    dimension: Annotated[int | None, typer.Option(help="Shorter vectors, of Matryoshka models.")] = None,
    numbers: Annotated[
        Numbers, typer.Option(help="Smaller numbers; int8 comes with a scale for each vector, binary is bits.")
    ] = "float32",
    quiet: Quiet = False,
) -> None:
    r"""Encode stdin: one text a line, or JSONL when the first line that is not blank is a JSON object.

    A .npy file of int8 has two fields, values and scale; of binary, bytes of eight numbers each.

    Example:  printf 'first text\nsecond text\n' | embed-plugin encode models/minilm-int8 --out vectors.npy
    """
    encoder = embed_plugin.Encoder.load(folder, dimension=dimension)
    tokens: list[int] = []
    encoder.runtime.observe(lambda report: tokens.append(report.tokens))
    started = time.perf_counter()
    stream = encoder.stream_queries if role == "query" else encoder.stream_documents
    is_shown = out is None and sys.stdout.isatty()  # a bar would stand among the vectors
    with stoppable("Stopping"), shown_progress("encode", quiet=quiet or is_shown) as show:
        vectors = _counted(stream(_texts(sys.stdin.buffer, text_field)), show)
        rows = _rows(vectors, numbers, encoder.dimension)
        count = write_npy(rows.items, out, rows.type) if out else _write_jsonl(rows.items)
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
    vectors: Iterator[npt.NDArray[np.float32]], show: Callable[[Amount], None]
) -> Iterator[npt.NDArray[np.float32]]:
    """Pass vectors on and show their count."""
    for count, vector in enumerate(vectors, 1):
        show(Amount(count, unit="text"))
        yield vector


class _Rows(NamedTuple):
    """Vectors as they are written.

    Attributes:
        items: One array a vector.
        type: Of one of them.
    """

    items: Iterator[npt.NDArray[Any]]
    type: np.dtype[Any]


def _rows(vectors: Iterator[npt.NDArray[np.float32]], numbers: Numbers, dimension: int) -> _Rows:
    """Turn vectors into the numbers that were asked for."""
    import numpy as np  # noqa: PLC0415 - other commands need no numpy

    from embed_plugin.numbers import require_bytes, to_binary, to_float16, to_int8  # noqa: PLC0415

    if numbers == "float16":
        return _Rows((to_float16(each) for each in vectors), np.dtype(("<f2", dimension)))
    if numbers == "binary":
        require_bytes(dimension)
        return _Rows((to_binary(each[None])[0] for each in vectors), np.dtype(("u1", dimension // 8)))
    if numbers == "int8":
        row = np.dtype([("values", "i1", dimension), ("scale", "<f4")])
        rounded = (to_int8(each[None]) for each in vectors)
        return _Rows((np.array((each.values[0], each.scales[0]), row) for each in rounded), row)
    return _Rows(vectors, np.dtype(("<f4", dimension)))


def _write_jsonl(rows: Iterable[npt.NDArray[Any]]) -> int:
    count = 0
    for row in rows:
        fields = row.dtype.names
        content = {name: row[name].tolist() for name in fields} if fields else row.tolist()
        print(json.dumps(content))  # noqa: T201 - the command's output
        count += 1
    return count


def write_npy(rows: Iterable[npt.NDArray[Any]], path: Path, row: np.dtype[Any]) -> int:
    """Write rows of one type one by one; the file appears whole or not at all.

    numpy pads the header of a ``.npy`` file so that the number of rows can be written once it is known.
    """
    from numpy.lib.format import dtype_to_descr, write_array_header_1_0  # noqa: PLC0415 - other commands need no numpy

    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    header = {"descr": dtype_to_descr(row.base), "fortran_order": False}
    count = 0
    try:
        with partial.open("wb") as file:
            write_array_header_1_0(file, {**header, "shape": (0, *row.shape)})
            start = file.tell()
            for each in rows:
                file.write(each.astype(row.base).tobytes())
                count += 1
            file.seek(0)
            write_array_header_1_0(file, {**header, "shape": (count, *row.shape)})
            if file.tell() != start:
                raise OutputError(f"{path}: the header of {count} rows does not fit")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error})") from error
    finally:
        partial.unlink(missing_ok=True)
    return count
