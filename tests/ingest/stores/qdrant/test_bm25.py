from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

import pytest
import qdrant_edge
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.collection_identity import CollectionIdentity
from embed_plugin.evaluate.datasets import read_retrieval_dataset
from embed_plugin.ingest.stores.bm25_settings import Bm25Settings, Language
from embed_plugin.ingest.stores.qdrant.bm25 import Bm25, bm25_of
from embed_plugin.ingest.stores.qdrant.stop_words import stop_words_of

if TYPE_CHECKING:
    from pathlib import Path

BM25 = Bm25()
FIRST = Bm25(Bm25Settings(version=1))
ALPHABETIC = [
    "The quick brown foxes jumped over 12 lazy dogs' beds, quickly!",
    "e-mail user_name can't won't naïve C++ 3.14 1,000 the_cat",
    "STRAẞE straße ΑΣ İstanbul x² ½ №5 O'Neil don’t",
    "relational relationship running ran runs generously generate generic sky skies dying",
    "Москва город",
    "",
    "the of and",
]
OTHERS = ["日本語 हिन्दी", "שָׁלוֹם مَرْحَبًا สวัสดี 안녕하세요", "cafe\u0301"]
ONE_STEM = {
    "arabic": ("كتاب", "الكتاب"),
    "armenian": ("քաղաք", "քաղաքներ"),
    "basque": ("mendi", "mendiak"),
    "catalan": ("amic", "amics"),
    "czech": ("žena", "ženy"),
    "danish": ("hund", "hunden"),
    "dutch": ("boek", "boeken"),
    "english": ("fox", "foxes"),
    "esperanto": ("libro", "libroj"),
    "estonian": ("maja", "majad"),
    "finnish": ("talo", "talossa"),
    "french": ("maison", "maisons"),
    "german": ("Haus", "Häuser"),
    "greek": ("σπίτι", "ΣΠΊΤΙΑ"),
    "hindi": ("लड़का", "लड़के"),
    "hungarian": ("ház", "házak"),
    "indonesian": ("makan", "makanan"),
    "irish": ("cathair", "gcathair"),
    "italian": ("gatto", "gatti"),
    "lithuanian": ("namas", "namai"),
    "nepali": ("किताब", "किताबहरू"),
    "norwegian": ("hund", "hunden"),
    "persian": ("کتاب", "کتابها"),
    "polish": ("książka", "KSIĄŻKI"),
    "portuguese": ("gato", "gatos"),
    "romanian": ("casă", "case"),
    "russian": ("книга", "книги"),
    "serbian": ("кућа", "kuće"),
    "sesotho": ("ruta", "rutile"),
    "spanish": ("gato", "gatos"),
    "swedish": ("hund", "hunden"),
    "tamil": ("வீடு", "வீடுகள்"),
    "turkish": ("ışık", "IŞIKLAR"),
    "yiddish": ("קינד", "קינדער"),
}
QDRANTS_LISTS = sorted(
    language
    for language in get_args(Language)
    if stop_words_of(language) and language not in {"czech", "hindi", "polish"}
)


def of(language: Language) -> Bm25:
    return Bm25(Bm25Settings(language=language))


def weights(bm25: Bm25, text: str) -> dict[int, float]:
    return dict(zip(*bm25.document(text), strict=True))


def finds(query: str, text: str, bm25: Bm25 = BM25) -> bool:
    """Return whether a text has every token of a query."""
    tokens = set(bm25.query(query).indices)
    return bool(tokens) and tokens <= set(bm25.document(text).indices)


@pytest.mark.parametrize("bm25", [FIRST, BM25])
@pytest.mark.parametrize("text", ALPHABETIC)
def test_a_document_has_the_vector_that_qdrant_makes_of_it(bm25: Bm25, text: str) -> None:
    theirs = qdrant_edge.Bm25().embed_document(text)
    expected = dict(zip(theirs.indices, theirs.values, strict=True))
    assert weights(bm25, text) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("text", OTHERS)
def test_the_first_version_has_qdrants_vectors_of_every_script(text: str) -> None:
    theirs = qdrant_edge.Bm25().embed_document(text)
    expected = dict(zip(theirs.indices, theirs.values, strict=True))
    assert weights(FIRST, text) == pytest.approx(expected, rel=1e-6)
    assert weights(FIRST, text) != weights(BM25, text)


@given(st.text(st.characters(max_codepoint=0x24F), max_size=60))
def test_a_query_has_the_words_that_qdrant_finds_in_it(text: str) -> None:
    theirs = qdrant_edge.Bm25().embed_query(text)
    assert FIRST.query(text) == BM25.query(text) == (sorted(theirs.indices), [1.0] * len(theirs.indices))


@given(st.text(max_size=60))
def test_every_token_of_a_text_asks_for_that_text(text: str) -> None:
    for bm25 in (FIRST, BM25):
        assert bm25.query(text).indices == bm25.document(text).indices


@pytest.mark.parametrize("settings", [(0, 0.75, 256), (2.5, 0, 256), (1.2, 1, 10), (0.9, 0.4, 4.5)])
def test_weights_follow_the_settings_as_qdrants_do(settings: tuple[float, float, float]) -> None:
    k, b, mean_words = settings
    text = "fox fox fox hen hen egg over the fence by night"
    theirs = qdrant_edge.Bm25(qdrant_edge.Bm25Config(k=k, b=b, avg_len=mean_words)).embed_document(text)
    expected = dict(zip(theirs.indices, theirs.values, strict=True))
    assert weights(Bm25(Bm25Settings(k=k, b=b, mean_words=mean_words)), text) == pytest.approx(expected, rel=1e-6)
    assert len(expected) == 5


def test_a_repeated_word_weighs_more_but_less_each_time() -> None:
    (fox,), _ = BM25.query("fox")
    texts = [" ".join(["fox"] * times + ["hen"] * 9) for times in (1, 2, 3)]
    once, twice, thrice = (weights(BM25, text)[fox] for text in texts)
    assert once < twice < thrice < 2 * once


def test_threads_stem_the_words_they_were_given() -> None:
    texts = [f"running{number} jumping{number} generously{number}s" for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Bm25().document, texts)) == [BM25.document(text) for text in texts]


def test_every_language_has_a_pair_below() -> None:
    assert tuple(ONE_STEM) == get_args(Language)


@pytest.mark.parametrize("language", ONE_STEM)
def test_a_word_is_found_in_another_form(language: Language) -> None:
    one, other = ONE_STEM[language]
    assert finds(one, f"- {other}.", of(language))
    assert finds(other, one, of(language))
    assert len(of(language).query(one).indices) == 1


@pytest.mark.parametrize("language", QDRANTS_LISTS)
def test_stop_words_are_those_that_qdrant_leaves_out(language: Language) -> None:
    words = " ".join(sorted(stop_words_of(language)))
    theirs = qdrant_edge.Bm25(qdrant_edge.Bm25Config(language=language))
    assert list(theirs.embed_query(words).indices) == of(language).query(words).indices == []
    assert of(language).query("zebra").indices


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("german", "Die Katze und der Hund", "Katze Hund"),
        ("french", "L'eau de la mer", "eau mer"),
        ("polish", "Kot i pies są w domu", "kot pies domu"),
        ("czech", "Pes je v domě, ale kočka ne", "pes domě kočka"),
        ("hindi", "यह मेरा घर है", "घर"),
        ("yiddish", "און די קינד", "און די קינד"),
    ],
)
def test_stop_words_of_the_language_are_left_out(language: Language, text: str, words: str) -> None:
    assert of(language).query(text) == of(language).query(words)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("北京", "我明天去北京大学上课。"),
        ("大学", "我明天去北京大学上课。"),
        ("課", "明日は会議と課題がある"),
        ("データ", "大規模データベースの設計"),
        ("データ", "ﾃﾞｰﾀﾍﾞｰｽ"),
        ("서울", "서울에서 부산까지"),
        ("서울", "\u1109\u1165\u110b\u116e\u11af에서"),  # decomposed, as in file names of macOS
        ("ภาษาไทย", "ฉันพูดภาษาไทยได้นิดหน่อย"),
        ("ລາວ", "ພາສາລາວ"),
        ("ខ្មែរ", "ភាសាខ្មែរ"),
        ("မြန်မာ", "ကျွန်တော်မြန်မာစာ"),
        ("𠮷野", "私は𠮷野家に行く"),
        ("葛城", "葛\U000e0100城市"),
        ("GPT", "我们用GPT模型3号"),
        ("模型", "我们用GPT模型3号"),
        ("ＧＰＴ", "我们用gpt模型3号"),
    ],
)
def test_a_part_of_a_text_without_spaces_is_found(query: str, text: str) -> None:
    assert finds(query, text)
    assert finds(query, text, of("german"))


def test_neighbours_are_told_from_characters_that_are_apart() -> None:
    assert not finds("京北", "北京大学")
    assert not finds("北大", "北京大学")
    assert finds("北", "北京大学")
    assert len(BM25.query("北京大学").indices) == 4 + 3


def test_a_mark_stays_with_its_letter() -> None:
    assert len(BM25.query("ที่นี่").indices) == 2 + 1  # two consonants, each with a vowel sign and a tone mark
    assert len(BM25.query("ខ្មែរ").indices) == 2 + 1
    assert not finds("ท", "ที่นี่")


def test_pairs_do_not_make_a_text_longer() -> None:
    (fox,), _ = BM25.query("fox")
    assert weights(BM25, "fox 北京大学")[fox] == pytest.approx(weights(BM25, "fox one2 three4 five6 seven7")[fox])


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("french", "élève", "e\u0301le\u0300ve"),
        ("turkish", "İSTANBUL", "istanbul"),
        ("english", "ｑｄｒａｎｔ", "Qdrant"),
        ("nepali", "गर्\u200dने", "गर्ने"),
    ],
)
def test_another_way_to_write_a_word_is_the_same_word(language: Language, one: str, other: str) -> None:
    assert of(language).query(one) == of(language).query(other)
    assert len(of(language).query(one).indices) == 1


def test_stems_do_not_depend_on_an_installed_pystemmer(tmp_path: Path) -> None:
    (tmp_path / "Stemmer.py").write_text(
        "def algorithms():\n    return []\n\n\ndef Stemmer(name):\n    raise KeyError(name)\n"
    )
    code = "from embed_plugin.ingest.stores.qdrant.bm25 import Bm25; print(Bm25().query('foxes').indices)"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path}
    printed = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert printed.strip() == str(BM25.query("fox").indices)


def test_version_two_changes_nothing_in_english_abstracts(shared_data: Path) -> None:
    texts = [document.text for document in read_retrieval_dataset(shared_data / "scifact").documents()][::10]
    assert len(texts) == 519
    assert [FIRST.document(text) for text in texts] == [BM25.document(text) for text in texts]


def test_a_collection_without_settings_keeps_its_tokens() -> None:
    kept = bm25_of(CollectionIdentity("space", 32, sparse="bm25"))
    assert kept
    assert kept.document("北京大学 foxes").indices == FIRST.document("北京大学 fox").indices
    assert len(kept.query("北京大学").indices) == 1
    assert bm25_of(CollectionIdentity("space", 32)) is None
