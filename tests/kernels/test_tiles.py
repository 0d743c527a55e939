"""Results with AMX equal those of a library built without it, or are near them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin import kernels
from embed_plugin.cpu import detect_class
from embed_plugin.export.int8.kernel_graph import packed
from kernels.test_attention import inputs
from kernels.test_product import numbers
from support.one_operator import needs_library, run, session

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatch_build import *; sys.exit(compile_library(Path(sys.argv[1]), Path(sys.argv[2])) or 0)"
needs_amx = pytest.mark.skipif(detect_class().name != "amx", reason="this CPU has no AMX, or is not to use it")
pytestmark = [needs_library, needs_amx]
PRODUCTS: dict[str, list[object]] = {"QuantisedProduct": [], "ProductGeluQuantise": [0.02, 9]}


@pytest.fixture(scope="module")
def without_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = shutil.copytree(kernels.LIBRARY.parent, tmp_path_factory.mktemp("build") / "sources")
    library = sources / "without_tiles.so"
    compiler = {**os.environ, "CC": f"{os.environ.get('CC', 'cc')} -DWITHOUT_TILES"}
    subprocess.run([sys.executable, "-c", BUILD, sources, library], cwd=ROOT, env=compiler, check=True)
    return library


def test_one_uses_them_and_the_other_does_not(without_tiles: Path) -> None:
    assert kernels.uses_amx(kernels.LIBRARY)
    assert not kernels.uses_amx(without_tiles)


@given(
    st.integers(1, 70),
    st.sampled_from([1, 3, 4, 60, 62, 63, 64, 65, 128, 388, 1540]),
    st.sampled_from([1, 15, 16, 17, 32, 33, 48, 130, 384]),
    st.sampled_from(sorted(PRODUCTS)),
)
def test_products_are_the_same_bits(without_tiles: Path, rows: int, depth: int, columns: int, operator: str) -> None:
    left, weights, rest = numbers(rows, depth, columns)
    given = [left, packed(weights), *rest, *PRODUCTS[operator]]
    by_tiles = run(session(operator), operator, *given)[0]
    assert by_tiles.tobytes() == run(session(operator, library=without_tiles), operator, *given)[0].tobytes()


@pytest.mark.parametrize("length", [1, 16, 31, 33, 100, 513])
@pytest.mark.parametrize("size", [32, 64])
def test_attention_is_nearly_the_same(without_tiles: Path, length: int, size: int) -> None:
    case = [*inputs(2, length, length, 3 * size), 0.01, 128, [5], [0.1]]
    by_tiles, by_vectors = (
        run(session("AttentionQuantise", "num_heads", 3, library=library), "AttentionQuantise", *case)[0].astype(int)
        for library in (kernels.LIBRARY, without_tiles)
    )
    difference = np.abs(by_tiles - by_vectors)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def test_a_session_that_is_not_to_use_them_keeps_to_it(without_tiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = [*inputs(2, 100, 100, 96), 0.01, 128, [5], [0.1]]
    expected = run(session("AttentionQuantise", "num_heads", 3, library=without_tiles), "AttentionQuantise", *case)[0]
    monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", "avx512-bf16")
    asked = session("AttentionQuantise", "num_heads", 3)
    monkeypatch.delenv("EMBED_PLUGIN_INSTRUCTION_SET")
    by_tiles = session("AttentionQuantise", "num_heads", 3)
    assert run(asked, "AttentionQuantise", *case)[0].tobytes() == expected.tobytes()
    assert run(by_tiles, "AttentionQuantise", *case)[0].tobytes() != expected.tobytes()


@pytest.mark.parametrize("operator", sorted(PRODUCTS))
def test_threads_and_other_sessions_leave_the_tiles_alone(operator: str) -> None:
    case = numbers(64, 96, 80)
    attend = session("AttentionQuantise", "num_heads", 2)
    multiply = session(operator)

    def bits(_: int) -> tuple[bytes, bytes]:
        rows, weights, rest = case
        product = run(multiply, operator, rows, packed(weights), *rest, *PRODUCTS[operator])[0]
        attended = run(attend, "AttentionQuantise", *inputs(1, 40, 40, 64), 0.01, 128, [], [])[0]
        return product.tobytes(), attended.tobytes()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(bits, range(40)))) == 1
