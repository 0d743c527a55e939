"""The threads of a session share the work of a call, and give the bits of one thread."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from embed_plugin.export.int8.kernel_graph import packed
from support.one_operator import CENTRE, on_each_set, run, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import onnxruntime

    Array = npt.NDArray[Any]

pytestmark = on_each_set
THREADS = 3


class Call(NamedTuple):
    """An operator, its attribute, its inputs, and the loops that its threads share."""

    operator: str
    attribute: tuple[str, float] | tuple[()]
    inputs: Sequence[Array]
    loops: int


def floats(*shape: int) -> Array:
    return np.random.default_rng(shape).standard_normal(shape, dtype=np.float32)


def product(rows: int, depth: int, columns: int, kept: int = 2) -> list[Array]:
    rng = np.random.default_rng(rows)
    weights = rng.integers(-127, 128, (columns, depth), dtype=np.int8)
    correction = -CENTRE * weights.sum(axis=1, dtype=np.int32)
    multiplier, bias = rng.random(columns, dtype=np.float32) / 1000, floats(columns)
    term_weights = floats(1 + kept, columns)
    bytes_ = rng.integers(0, 256, (rows, depth), dtype=np.uint8)
    return [bytes_, floats(rows, 2 + kept), packed(weights), correction, multiplier, term_weights, bias]


NONE = np.zeros(0, np.int64)
CALLS = {
    "columns of a few rows": Call("QuantisedProduct", (), product(12, 384, 384), 1),
    "a last panel that is not whole": Call("QuantisedProduct", (), product(7, 1540, 333), 1),
    "many rows, and some more": Call("QuantisedProduct", (), product(205, 388, 130), 1),
    "too little to be shared": Call("QuantisedProduct", (), product(1, 384, 384), 0),
    "no rows": Call("QuantisedProduct", (), product(0, 384, 384), 0),
    "a product and its GELU": Call("ProductGeluQuantise", (), [*product(12, 384, 1536), NONE], 2),
    "more rows than are activated at once": Call("ProductGeluQuantise", (), [*product(205, 96, 1536), NONE], 6),
    "heads, and then rows": Call("AttentionQuantise", ("num_heads", 12), [*(floats(2, 90, 384),) * 3, NONE], 4),
    "short texts": Call("AttentionQuantise", ("num_heads", 4), [*(floats(5, 9, 128),) * 3, NONE], 0),
    "norms": Call("AddNormQuantise", ("epsilon", 1e-12), [*(floats(205, 388),) * 2, *(floats(388),) * 2, NONE], 1),
    "rows": Call("QuantiseRows", (), [floats(3, 99, 388), np.array([0, 5])], 1),
}


def opened(call: Call, threads: int, profile: Path | None = None) -> onnxruntime.InferenceSession:
    options = {"enable_profiling": True, "profile_file_prefix": str(profile)} if profile else {}
    return session(call.operator, *call.attribute, threads=threads, options=options)


def shared_loops(profiled: onnxruntime.InferenceSession) -> int:
    """The parallel loops of the only node, as onnxruntime's profile has them."""
    events = json.loads(Path(profiled.end_profiling()).read_text())
    found = [event["args"]["thread_scheduling_stats"] for event in events if "op_name" in event.get("args", {})]
    return sum(len(stats["main_thread"]["block_size"]) for stats in found if stats)


@pytest.mark.parametrize("name", CALLS)
def test_they_share_the_work_and_change_no_bits(name: str, tmp_path: Path) -> None:
    call = CALLS[name]
    several = opened(call, THREADS, tmp_path / "profile")
    for one, shared in zip(
        run(opened(call, 1), call.operator, *call.inputs), run(several, call.operator, *call.inputs), strict=True
    ):
        assert one.tobytes() == shared.tobytes()
    assert shared_loops(several) == call.loops


def test_one_session_of_several_threads_is_called_by_several_more() -> None:
    call = CALLS["heads, and then rows"]
    several = opened(call, THREADS)
    expected = run(opened(call, 1), call.operator, *call.inputs)[0].tobytes()
    with ThreadPoolExecutor(4) as callers:
        found = list(callers.map(lambda _: run(several, call.operator, *call.inputs)[0].tobytes(), range(40)))
    assert set(found) == {expected}
