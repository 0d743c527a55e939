from __future__ import annotations

from typing import Any

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import CollectionSettings
from embed_plugin.ingest.stores.bm25_settings import Bm25Settings, bm25_settings_of


def test_what_an_identity_states_is_read_back() -> None:
    settings = Bm25Settings(language="german", k=0.9, b=0, mean_words=80)
    assert bm25_settings_of(settings.for_identity()) == settings
    assert settings.for_identity()["version"] == 2


def test_an_identity_that_states_nothing_has_the_first_version() -> None:
    assert bm25_settings_of({}) == Bm25Settings(language="english", k=1.2, b=0.75, mean_words=256, version=1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"language": "klingon"}, r"'klingon', expected one of arabic, .*yiddish"),
        ({"k": -0.1}, "the k -0.1, expected 0 or more"),
        ({"k": float("inf")}, "the k inf, expected 0 or more"),
        ({"b": 1.1}, "the b 1.1, expected 0 to 1"),
        ({"b": float("nan")}, "the b nan"),
        ({"mean_words": 0}, "mean number of words 0, expected more than 0"),
        ({"version": 3}, "version 3 of BM25's tokens, expected 1 or 2"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        Bm25Settings(**wrong)


def test_a_setting_of_a_later_release_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="settings of BM25 named delta, expected"):
        bm25_settings_of({**Bm25Settings().for_identity(), "delta": 0.5})


def test_a_new_collection_has_what_was_given_and_the_defaults() -> None:
    settings = CollectionSettings(sparse="bm25", sparse_language="french", bm25_b=0)
    assert settings.given_for_bm25() == {"language": "french", "b": 0}
    assert settings.bm25() == Bm25Settings(language="french", b=0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sparse_language": "french"}, r"sparse vectors \(language\) without them"),
        ({"bm25_k": 0.0}, r"sparse vectors \(k\) without them"),
        ({"sparse": "bm25", "sparse_language": "klingon"}, "klingon"),
        ({"sparse": "bm25", "bm25_mean_words": -1}, "mean number of words -1"),
    ],
)
def test_settings_of_a_collection_are_checked(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        CollectionSettings(**wrong)
