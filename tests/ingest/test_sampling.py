from __future__ import annotations

from collections import Counter

from embed_plugin.ingest.sampling import Reservoir


def test_fewer_items_than_the_size_are_all_kept() -> None:
    sample: Reservoir[int] = Reservoir(3)
    for item in (1, 2):
        sample.add(item)
    assert sample.items == [1, 2]


def test_the_sample_is_even_and_the_same_in_every_run() -> None:
    def draw() -> list[int]:
        sample: Reservoir[int] = Reservoir(1000)
        for item in range(10_000):
            sample.add(item)
        return sample.items

    items = draw()
    assert items == draw()
    assert len(set(items)) == len(items) == 1000
    parts = Counter(item // 2000 for item in items)
    assert all(140 < parts[part] < 260 for part in range(5))  # 200 each, give or take five standard deviations


def test_a_size_of_zero_keeps_nothing() -> None:
    sample: Reservoir[int] = Reservoir(0)
    sample.add(1)
    assert sample.items == []
