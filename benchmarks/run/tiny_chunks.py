"""Share of chunks of a few words, of the files in folders as ingest cuts them.

Run:  .venv/bin/python benchmarks/run/tiny_chunks.py --model models/minilm-int8 docs src

Rows and lines that are records of their own are left out: they are as short as they are. Nothing is embedded.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from embed_plugin import Encoder
from embed_plugin.ingest import Chunk, Chunker, Record, RecordReader

if TYPE_CHECKING:
    from collections.abc import Iterator

FEW_WORDS = 4


def chunks_of(folder: str, chunker: Chunker) -> Iterator[Chunk]:
    """The chunks of the files in a folder that are one record each."""
    for record in RecordReader([folder]):
        if isinstance(record, Record) and record.source_id == record.file and not record.is_empty:
            (chunks,) = chunker.chunk([record])
            yield from chunks if isinstance(chunks, list) else ()


def main() -> None:
    """Cut the files of each folder, and name the chunks of a few words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--model", required=True, help="a model folder; its tokenizer and limit are used")
    options = parser.parse_args()
    chunker = Chunker(Encoder.load(options.model))
    for folder in options.folders:
        chunks = list(chunks_of(folder, chunker))
        few = [chunk for chunk in chunks if len(chunk.text.split()) <= FEW_WORDS]
        print(f"{folder}: {len(few)} of {len(chunks)} chunks ({len(few) / max(1, len(chunks)):.2%})")
        for chunk in few:
            print(f"    {chunk.source_id} [{chunk.index} of {chunk.count}] {chunk.text[:60]!r}")


if __name__ == "__main__":
    main()
