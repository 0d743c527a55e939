"""Results with AMX equal those of a library built without it, or are near them.

Where the CPU has no AMX, its instructions are done in software, so that the code around them is tested everywhere.
"""

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
from kernels.test_attention import inputs
from kernels.test_product import numbers
from support.one_operator import Rows, dequantise, needs_library, run, session

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from hatch_build import *; sys.exit(compile_library(Path(sys.argv[1]), Path(sys.argv[2])) or 0)"
HAS_AMX = detect_class().name == "amx"
needs_amx = pytest.mark.skipif(not HAS_AMX, reason="this CPU has no AMX, or is not to use it")
pytestmark = needs_library
PRODUCTS: dict[str, list[object]] = {"QuantisedProduct": [], "ProductGeluQuantise": [[0]]}


def build(folder: Path, *flags: str) -> Path:
    sources = shutil.copytree(kernels.LIBRARY.parent, folder / "sources")
    library = sources / "tried.so"
    compiler = {**os.environ, "CC": " ".join([os.environ.get("CC", "cc"), *flags])}
    subprocess.run([sys.executable, "-c", BUILD, sources, library], cwd=ROOT, env=compiler, check=True)
    return library


@pytest.fixture(scope="module")
def without_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("without"), "-DWITHOUT_TILES")


@pytest.fixture(scope="module")
def with_tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if HAS_AMX:
        return kernels.LIBRARY
    header = Path(__file__).with_name("software_tiles.h")
    return build(tmp_path_factory.mktemp("software"), f"""'-DSOFTWARE_TILES="{header}"'""")


def test_one_uses_them_and_the_other_does_not(with_tiles: Path, without_tiles: Path) -> None:
    assert kernels.uses_amx(with_tiles)
    assert not kernels.uses_amx(without_tiles)


def results(operator: str, library: Path, case: list[object]) -> bytes:
    return b"".join(each.tobytes() for each in run(session(operator, library=library), operator, *case))


@given(
    st.integers(1, 70),
    st.sampled_from([1, 3, 4, 60, 62, 63, 64, 65, 128, 388, 1540]),
    st.sampled_from([1, 15, 16, 17, 32, 33, 48, 130, 384]),
    st.sampled_from(sorted(PRODUCTS)),
)
def test_products_are_the_same_bits(
    with_tiles: Path, without_tiles: Path, rows: int, depth: int, columns: int, operator: str
) -> None:
    case = [*numbers(rows, depth, columns), *PRODUCTS[operator]]
    assert results(operator, with_tiles, case) == results(operator, without_tiles, case)


def test_more_rows_than_are_activated_together(with_tiles: Path, without_tiles: Path) -> None:
    case = [*numbers(301, 8, 1536), []]
    assert results("ProductGeluQuantise", with_tiles, case) == results("ProductGeluQuantise", without_tiles, case)


def attended(library: Path, case: list[Any], heads: int) -> Rows:
    return Rows(*run(session("AttentionQuantise", "num_heads", heads, library=library), "AttentionQuantise", *case))


@pytest.mark.parametrize("length", [1, 16, 31, 33, 100, 513])
@pytest.mark.parametrize("size", [32, 64])
def test_attention_is_nearly_the_same(with_tiles: Path, without_tiles: Path, length: int, size: int) -> None:
    case = [*inputs(2, length, length, 3 * size), [5]]
    by_tiles, by_vectors = (attended(library, case, 3) for library in (with_tiles, without_tiles))
    difference = np.delete(np.abs(dequantise(by_tiles) - dequantise(by_vectors)), 5, axis=-1)
    steps = difference / by_vectors.terms[..., :1]
    assert steps.max() < 1.5
    assert steps.mean() < 0.05


@needs_amx
def test_a_session_that_is_not_to_use_them_keeps_to_it(without_tiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = [*inputs(2, 100, 100, 96), [5]]
    expected = run(session("AttentionQuantise", "num_heads", 3, library=without_tiles), "AttentionQuantise", *case)[0]
    monkeypatch.setenv("EMBED_PLUGIN_INSTRUCTION_SET", "avx512-bf16")
    asked = session("AttentionQuantise", "num_heads", 3)
    monkeypatch.delenv("EMBED_PLUGIN_INSTRUCTION_SET")
    by_tiles = session("AttentionQuantise", "num_heads", 3)
    assert run(asked, "AttentionQuantise", *case)[0].tobytes() == expected.tobytes()
    assert run(by_tiles, "AttentionQuantise", *case)[0].tobytes() != expected.tobytes()


@pytest.mark.parametrize("operator", sorted(PRODUCTS))
def test_threads_and_other_sessions_leave_the_tiles_alone(with_tiles: Path, operator: str) -> None:
    case = [*numbers(64, 96, 80), *PRODUCTS[operator]]
    attend = session("AttentionQuantise", "num_heads", 2, library=with_tiles)
    multiply = session(operator, library=with_tiles)

    def bits(_: int) -> tuple[bytes, bytes]:
        product = run(multiply, operator, *case)[0]
        mixed = run(attend, "AttentionQuantise", *inputs(1, 40, 40, 64), [])[0]
        return product.tobytes(), mixed.tobytes()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(bits, range(40)))) == 1
