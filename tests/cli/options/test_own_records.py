from __future__ import annotations

from embed_plugin.cli.options.own_records import OwnRecords
from embed_plugin.evaluate.known_items.questions import QUESTIONS, SEED


def test_what_is_not_given_has_the_defaults_of_the_package() -> None:
    assert (OwnRecords().count, OwnRecords().seed_number) == (QUESTIONS, SEED)
    assert (OwnRecords(questions=50, seed=0).count, OwnRecords(questions=50, seed=0).seed_number) == (50, 0)
