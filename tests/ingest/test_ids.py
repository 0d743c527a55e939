from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest.ids import SeenIds, hashes_of

NAMES = st.lists(st.sampled_from("abcdefghij"), max_size=12)


@given(st.lists(NAMES, max_size=8))
def test_it_knows_what_a_set_knows(calls: list[list[str]]) -> None:
    seen, known = SeenIds(), set[str]()
    for names in calls:
        expected = []
        for name in names:
            expected.append(name in known)
            known.add(name)
        assert seen.add(names) == expected
        assert (len(seen), seen.contains(list("abcdefghijk"))) == (
            len(known),
            [name in known for name in "abcdefghijk"],
        )


def test_a_million_ids_take_eight_megabytes_in_few_runs() -> None:
    seen = SeenIds()
    for first in range(0, 1_000_000, 50_000):
        assert not any(seen.add([f"record {number}" for number in range(first, first + 50_000)]))
    assert sum(run.nbytes for run in seen._runs) == 8_000_000
    assert len(seen._runs) <= 20


def test_hashes_stay_the_same_from_release_to_release() -> None:
    assert hashes_of(["a", "ü"]).tolist() == [3405396810240292928, 3976460501203677525]
