"""Nothing is sent, looked up or left in the home folder by any part, as docs/reference/privacy.md says."""

from __future__ import annotations

import json
import re
import signal
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from support.watched import COLLECTOR, DEVICE_ID, Watched

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
IMPORTS_IT = re.compile(r"^(import|from) onnxruntime\b", re.MULTILINE)

reports_its_use = pytest.mark.skipif(
    tuple(map(int, version("onnxruntime").split(".")[:2])) < (1, 29), reason="onnxruntime reports its use from 1.29 on"
)

IN_CHILDREN = """
import multiprocessing, os, sys
import embed_plugin
def child(_):
    import onnxruntime
    return os.environ.get("ORT_DISABLE_TELEMETRY")
if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(method, pool.map(child, [0]))
"""
IN_LANGCHAIN = """
from langchain_embed_plugin import EmbedPluginEmbeddings
print(len(EmbedPluginEmbeddings(model="model").embed_documents(["the cat"])))
"""
IN_LLAMA_INDEX = """
from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding
from llama_index.core import Document, VectorStoreIndex
index = VectorStoreIndex.from_documents([Document(text="the cat")], embed_model=EmbedPluginEmbedding(model="model"))
print(len(index.as_retriever().retrieve("a cat")))
"""


@pytest.fixture
def watched(tmp_path: Path, tiny_model: Callable[..., Path]) -> Watched:
    (tmp_path / "model").symlink_to(tiny_model())
    return Watched(tmp_path)


def test_no_command_asks_for_anyone(watched: Watched, tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "judged" / "qrels").mkdir(parents=True)
    (tmp_path / "judged" / "corpus.jsonl").write_text('{"_id": "d", "title": "Cats", "text": "the cat"}\n')
    (tmp_path / "judged" / "queries.jsonl").write_text('{"_id": "q", "text": "the cat"}\n')
    (tmp_path / "judged" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    (tmp_path / "cats.md").write_text("# Cats\n\nthe cat sat on the mat\n")
    month = ("--texts-per-month", "1M", "--tokens-per-text", "5", "--api-price", "1", "--machine-per-month", "9")
    store = ("--model", "model", "--to", "store", "--collection", "docs")
    watched.command("export", str(tiny_checkpoint), "--out", "exported")
    watched.command("info", "exported")
    watched.command("encode", "model", "--out", "vectors.npy", given="the cat\na dog\n")
    watched.command("evaluate", "model", "--dataset", "judged")
    watched.command("ingest", "cats.md", *store, "--sparse", "bm25")
    watched.command("search", "the cat", "--hybrid", *store)
    watched.command("verify", *store)
    watched.command("ingest", "cats.md", "--model", "model", "--to", "edge:edge", "--collection", "docs")
    watched.command("cost", *month, "--model", "model")
    assert (watched.asked, watched.files) == ([], [])


def test_child_processes_ask_for_nobody(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(IN_CHILDREN)
    assert watched.python("program.py") == "fork ['1']\nspawn ['1']\nforkserver ['1']\n"
    assert (watched.asked, watched.files) == ([], [])


@pytest.mark.parametrize(
    "benchmark",
    [
        f"{path.parent.name}.{path.stem}"
        for path in sorted(BENCHMARKS.glob("[lr]*/*.py"))
        if IMPORTS_IT.search(path.read_text("utf-8"))
    ],
)
def test_a_benchmark_that_imports_onnxruntime_asks_for_nobody(watched: Watched, benchmark: str) -> None:
    pytest.importorskip("ml_dtypes", reason="onnxruntime's own quantisation needs ml_dtypes, which old onnx lacks")
    watched.python(
        "-c", f"import sys; sys.path[:0] = {[str(BENCHMARKS), str(BENCHMARKS / 'run')]!r}; import {benchmark}"
    )
    assert (watched.asked, watched.files) == ([], [])


@pytest.mark.parametrize(
    ("framework", "folder", "program"),
    [
        ("langchain_core", "langchain-embed-plugin", IN_LANGCHAIN),
        ("llama_index", "llama-index-embeddings-embed-plugin", IN_LLAMA_INDEX),
    ],
)
def test_the_adapters_ask_for_nobody(watched: Watched, framework: str, folder: str, program: str) -> None:
    if find_spec(framework) is None:
        pytest.skip(f"needs {framework}")
    watched.python("-c", f"import sys; sys.path.insert(0, {str(ROOT / 'integrations' / folder)!r}){program}")
    assert (watched.asked, watched.files) == ([], [])


@reports_its_use
def test_a_service_is_silent_for_as_long_as_onnxruntime_alone_takes_to_ask(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    ours, alone = Watched(tmp_path / "ours"), Watched(tmp_path / "alone")
    with (
        ours.start("-m", "embed_plugin.cli", "serve", str(tiny_model()), "--port", "0") as service,
        alone.start("-c", "import onnxruntime, time; time.sleep(300)") as onnxruntime,
    ):
        assert service.stderr is not None
        url = f"http://127.0.0.1:{json.loads(service.stderr.readline())['port']}/embed"
        wait_until(lambda: httpx.post(url, json={"texts": ["the cat"]}).status_code == 200)
        wait_until(lambda: COLLECTOR in alone.asked)
        onnxruntime.kill()
        service.send_signal(signal.SIGINT)
    assert alone.files[0] == DEVICE_ID
    assert (ours.asked, ours.files) == ([], [])


@reports_its_use
def test_the_users_own_choice_stays(tmp_path: Path) -> None:
    watched = Watched(tmp_path, {"ORT_DISABLE_TELEMETRY": "0"})
    watched.python("-c", "import os, embed_plugin.encode; assert os.environ['ORT_DISABLE_TELEMETRY'] == '0'")
    assert watched.files[0] == DEVICE_ID


@reports_its_use
def test_it_is_said_once_where_onnxruntime_was_there_first(tmp_path: Path) -> None:
    program = "import onnxruntime, embed_plugin, embed_plugin.encode"
    done = Watched(tmp_path / "first").errors("-W", "error", "-c", program)
    assert done.count("onnxruntime was imported before embed_plugin") == 1
    assert Watched(tmp_path / "chosen", {"ORT_DISABLE_TELEMETRY": "1"}).errors("-c", program) == ""


def wait_until(condition: Callable[[], bool], *, seconds: float = 120) -> None:
    """Look again and again; fail when it takes so long that it will not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
