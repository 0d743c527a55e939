"""Products with AMX have the same bits as the reference, which is C alone.

Where the CPU has no AMX, its instructions are done in software, so that the code around them is tested everywhere.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin import kernels
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE, LEAST
from kernels.test_attention import inputs
from kernels.test_product import numbers
from support.kernels_build import build
from support.one_operator import needs_library, ranged, run, session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HAS_AMX = "amx" in kernels.here()
pytestmark = [
    needs_library,
    pytest.mark.skipif("avx512-vnni" not in kernels.here(), reason="tiles in software need AVX-512 VNNI"),
]
KEPT: dict[str, list[int]] = {"QuantisedProduct": [], "ProductGeluQuantise": [0]}


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A library whose best set is AMX, of the CPU or in software. A class that the CPU lacks cannot be named."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(INSTRUCTION_SET_VARIABLE, raising=False)
        if HAS_AMX:
            yield kernels.LIBRARY
        else:
            header = Path(__file__).with_name("software_tiles.h")
            yield build(tmp_path_factory.mktemp("software"), flags=(f"""'-DSOFTWARE_TILES="{header}"'""",))


def bits(operator: str, library: Path, case: Sequence[object], *, threads: int = 1) -> bytes:
    given = [*case, KEPT[operator]] if KEPT[operator] else case
    found = run(session(operator, library=library, threads=threads), operator, *given)
    return b"".join((ranged(x, KEPT[operator]) if x.dtype == "uint8" else x).tobytes() for x in found)


def reference(operator: str, case: Sequence[object]) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INSTRUCTION_SET_VARIABLE, LEAST)
        return bits(operator, kernels.LIBRARY, case)


def test_they_are_used(tiles: Path) -> None:
    assert kernels.arithmetic_of(tiles) == "amx"


@given(
    st.integers(1, 110),
    st.sampled_from([1, 3, 4, 60, 62, 63, 64, 65, 128, 388, 1540]),
    st.sampled_from([1, 15, 16, 17, 32, 33, 48, 130, 384]),
    st.sampled_from(sorted(KEPT)),
)
def test_products_are_the_same_bits(tiles: Path, rows: int, depth: int, columns: int, operator: str) -> None:
    case = numbers(rows, depth, columns)
    assert bits(operator, tiles, case) == reference(operator, case)


def test_more_rows_than_are_activated_together(tiles: Path) -> None:
    case = numbers(301, 8, 1536)
    assert bits("ProductGeluQuantise", tiles, case) == reference("ProductGeluQuantise", case)


@pytest.mark.parametrize("operator", sorted(KEPT))
@pytest.mark.parametrize("shape", [(12, 384, 384), (40, 1540, 333), (205, 388, 130)])
def test_the_threads_of_a_session_share_products(tiles: Path, operator: str, shape: tuple[int, int, int]) -> None:
    case = numbers(*shape)
    assert bits(operator, tiles, case, threads=3) == reference(operator, case)


@pytest.mark.parametrize("operator", sorted(KEPT))
def test_threads_and_other_sessions_leave_the_tiles_alone(tiles: Path, operator: str) -> None:
    cases = [numbers(rows, 96, 80) for rows in (3, 40, 64)]
    expected = [reference(operator, case) for case in cases]
    attend = session("AttentionQuantise", "num_heads", 2, library=tiles)

    def same(number: int) -> bool:
        run(attend, "AttentionQuantise", *inputs(1, 40, 40, 64), [])
        return bits(operator, tiles, cases[number % 3]) == expected[number % 3]

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(same, range(39)))
