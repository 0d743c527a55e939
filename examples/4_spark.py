r"""Embed a column of a Spark DataFrame: each task loads the model and adds the vectors to its rows.

Run:  PYSPARK_PYTHON=.venv-cluster/bin/python .venv-cluster/bin/python examples/4_spark.py \
          models/minilm-int8 texts.jsonl vectors.parquet
(`make demo` makes that model folder, which has to be at the same path on every machine; `make .venv-cluster/dev` an
environment with pyspark, which needs Java 17. PYSPARK_PYTHON is the Python of the tasks.)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

from embed_plugin import Encoder, EncoderSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

TASK_CPUS = 1


def embed(folder: str) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """A function for ``mapInPandas`` that adds the column ``embedding``."""

    def add_vectors(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        # As many threads as the task has CPUs: a machine runs several tasks at once.
        encoder = Encoder.load(folder, EncoderSettings(workers=TASK_CPUS, on_other_cpu="error"))
        for batch in batches:
            yield batch.assign(embedding=list(encoder.encode_documents(batch["text"].tolist())))

    return add_vectors


def main() -> None:
    """Read JSON lines with a field ``text``, and write them with their vectors as Parquet."""
    folder, texts, vectors = str(Path(sys.argv[1]).absolute()), sys.argv[2], sys.argv[3]
    spark = (
        SparkSession.builder.appName("embed-plugin")
        .config("spark.task.cpus", TASK_CPUS)
        .config("spark.executorEnv.RAYON_NUM_THREADS", TASK_CPUS)  # tokenizers' own threads
        .getOrCreate()
    )
    rows = spark.read.json(texts)
    schema = StructType([*rows.schema, StructField("embedding", ArrayType(FloatType()))])
    rows.mapInPandas(embed(folder), schema).write.parquet(vectors)
    spark.stop()


if __name__ == "__main__":
    main()
