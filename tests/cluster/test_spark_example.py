from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Encoder

pytest.importorskip("pyspark", reason="needs the extra dev-cluster, in an environment of its own: make test-cluster")

from pyarrow.parquet import read_table

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.cluster
EXAMPLE = Path(__file__).parents[2] / "examples" / "4_spark.py"


def test_spark_gives_each_row_the_vector_of_the_encoder(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    rows = [{"id": number, "text": f"the cat {number} sat" + " on" * (number % 5)} for number in range(50)]
    texts, vectors = tmp_path / "texts.jsonl", tmp_path / "vectors.parquet"
    texts.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, str(EXAMPLE), str(tiny_model()), str(texts), str(vectors)]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    assert run.returncode == 0, run.stderr
    table = read_table(vectors).sort_by("id")
    expected = Encoder.load(tiny_model()).encode_documents([str(row["text"]) for row in rows])
    assert table["id"].to_pylist() == list(range(50))
    assert np.array_equal(np.array(table["embedding"].to_pylist(), dtype=np.float32), expected)
