from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import subprocess
import threading
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import make_checkpoint
from embed_plugin import Encoder, EncoderSettings, InvalidInputError, InvalidTextError, TextEncoder
from embed_plugin.export import ExportSettings, export
from embed_plugin.types import Precision
from support.emulation import PYTHON, emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from embed_plugin import Vectors

ODD_TEXTS = ["", " \n\t ", "🙂🙃", "图书馆", "שלום عليكم", "a" * 5000, "\x00", "\u200b", "é é", "[SEP] the [CLS]"]
texts_of_words = st.lists(
    st.lists(st.sampled_from(["the", "cat", "sat", "on", "a", "red", "mat", "xyzzy"]), max_size=80).map(" ".join),
    max_size=12,
)


def test_rows_are_unit_vectors_in_input_order(tiny_encoder: Encoder) -> None:
    texts = ["the cat", "a dog ran fast on the red mat", "the cat", "open file"]
    vectors = tiny_encoder.encode_documents(texts)
    assert vectors.shape == (4, tiny_encoder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_array_equal(tiny_encoder.encode_documents([text])[0], vector)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("precision", get_args(Precision))
@given(texts=texts_of_words, workers=st.integers(1, 3), token_budget=st.sampled_from([1, 64, 500, 4000]))
@settings(max_examples=25)
def test_a_vector_depends_on_its_text_alone(
    tiny_model: Callable[..., Path],
    precision: str,
    pooling: str,
    texts: list[str],
    workers: int,
    token_budget: int,
) -> None:
    model = tiny_model(precision=precision, pooling=pooling)
    alone = Encoder.load(model, EncoderSettings(workers=1))
    together = Encoder.load(model, EncoderSettings(workers=workers, token_budget=token_budget, window_texts=5))
    expected = [alone.encode_documents([text])[0].tobytes() for text in texts]
    assert [vector.tobytes() for vector in together.encode_documents(texts)] == expected


@pytest.mark.parametrize("precision", get_args(Precision))
@given(
    tokens=st.integers(1, 512),
    company=st.lists(st.integers(1, 512), max_size=6),
    seed=st.integers(0, 99),
    workers=st.integers(1, 3),
)
@settings(max_examples=40)
def test_every_length_is_equal_alone_and_in_any_company(
    tiny_model: Callable[..., Path], precision: str, tokens: int, company: list[int], seed: int, workers: int
) -> None:
    model = tiny_model(precision=precision)
    rng = np.random.default_rng(seed)
    texts = [
        " ".join(rng.choice(["cat", "dog", "red", "fire", "tree"], length)) for length in [tokens, *company, tokens]
    ]
    together = Encoder.load(model, EncoderSettings(token_budget=4096, workers=workers)).encode_documents(texts)
    alone = Encoder.load(model, EncoderSettings(workers=1))
    for text, vector in zip(texts, together, strict=True):
        assert alone.encode_documents([text])[0].tobytes() == vector.tobytes()


@pytest.mark.parametrize("precision", get_args(Precision))
def test_another_process_gives_the_same_bytes(tiny_model: Callable[..., Path], precision: str) -> None:
    model = tiny_model(precision=precision)
    texts = [*ODD_TEXTS, *(" ".join(["cat"] * length) for length in (1, 7, 16, 100, 510))]
    given = pickle.dumps((model, texts))
    other = subprocess.run([*PYTHON, "-c", ENCODE], input=given, capture_output=True, check=True)
    assert Encoder.load(model).encode_documents(texts).tobytes() == other.stdout


ENCODE = """
import pickle, sys
from embed_plugin import Encoder
model, texts = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(Encoder.load(model).encode_documents(texts).tobytes())
"""


def test_nothing_in_nothing_out(tiny_encoder: Encoder) -> None:
    assert tiny_encoder.encode_documents([]).shape == (0, tiny_encoder.dimension)
    assert list(tiny_encoder.stream_documents(iter([]))) == []


def test_odd_texts_have_finite_unit_vectors(tiny_encoder: Encoder) -> None:
    vectors = tiny_encoder.encode_documents(ODD_TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_a_long_text_is_cut_and_counted(tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(tiny_model())
    long, at_limit = " ".join(["cat"] * 5000), " ".join(["cat"] * 510)
    vectors = encoder.encode_documents([long, at_limit])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert encoder.runtime.cut_texts == 1
    assert encoder.count_tokens([long, at_limit]).tolist() == [5002, 512]


def test_a_long_text_is_refused_when_asked(tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(tiny_model(), EncoderSettings(on_long="error"))
    with pytest.raises(InvalidTextError, match=r"text 1: has more than the 512 tokens") as caught:
        encoder.encode_documents(["the cat", "cat " * 600])
    assert caught.value.index == 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a", 3], "text 1: is a int; expected a str"),
        (["a", "b", None], "text 2: is a NoneType"),
        ([b"bytes"], "text 0: is a bytes"),
        (["fine", "broken \ud800 text"], r"text 1: holds a lone surrogate \(U\+D800 at character 7\)"),
    ],
)
def test_a_bad_text_is_named_by_its_index(tiny_encoder: Encoder, texts: list[str], message: str) -> None:
    with pytest.raises(InvalidTextError, match=message):
        tiny_encoder.encode_documents(texts)


def test_the_index_of_a_bad_text_counts_from_the_start_of_a_stream(tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(tiny_model(), EncoderSettings(window_texts=2))
    texts: list[str] = ["a", "b", "c", "d", None]  # type: ignore[list-item]
    with pytest.raises(InvalidTextError, match="text 4"):
        list(encoder.stream_documents(texts))


def test_one_str_is_not_a_sequence_of_texts(tiny_encoder: Encoder) -> None:
    with pytest.raises(InvalidInputError, match=r"pass \[text\]"):
        tiny_encoder.encode_documents("the cat")


def test_an_iterator_is_sent_to_the_stream(tiny_encoder: Encoder) -> None:
    with pytest.raises(InvalidInputError, match="found a generator: use stream_documents"):
        tiny_encoder.encode_documents(text for text in ["the cat"])  # type: ignore[arg-type]


def test_queries_carry_the_query_prefix(tiny_encoder: Encoder) -> None:
    np.testing.assert_array_equal(
        tiny_encoder.encode_queries(["the cat"]), tiny_encoder.encode_documents(["query: the cat"])
    )
    assert tiny_encoder.count_tokens(["the cat"], role="query") == tiny_encoder.count_tokens(["the cat"]) + 2


def test_a_stream_reads_at_most_two_windows_ahead(tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(tiny_model(), EncoderSettings(window_texts=10))
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        for read in range(1, 1001):
            yield f"cat {read}"

    stream = encoder.stream_documents(texts())
    for taken, _ in zip(range(1, 201), stream, strict=False):
        assert read <= taken + 20
    stream.close()


def test_a_closed_stream_leaves_nothing_running(tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(tiny_model(), EncoderSettings(window_texts=50))
    stream = encoder.stream_documents(f"cat {n}" for n in range(1000))
    next(stream)
    stream.close()
    assert encoder.encode_documents(["the cat"]).shape == (1, 32)


def test_an_interrupted_call_drops_what_had_not_begun(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.load(tiny_model(), EncoderSettings(workers=1))
    submitted: list[Future[Vectors]] = []
    submit = encoder.runtime.queue.submit

    def interrupted(token_ids: list[list[int]], **options: Any) -> Future[Vectors]:  # noqa: ANN401 - those of submit
        future = submit(token_ids, **options)
        submitted.append(future)
        monkeypatch.setattr(future, "result", lambda: signal.raise_signal(signal.SIGINT))
        return future

    monkeypatch.setattr(encoder.runtime.queue, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encoder.encode_documents([f"cat {n} " * 100 for n in range(500)])
    assert [future.cancelled() for future in submitted] == [True]


def test_concurrent_threads_get_their_own_rows(tiny_encoder: Encoder) -> None:
    texts = [[f"cat {n} {'dog ' * (n % 7)}" for n in range(start, start + 40)] for start in range(0, 320, 40)]
    expected = [tiny_encoder.encode_documents(part) for part in texts]
    found: dict[int, Vectors] = {}
    threads = [
        threading.Thread(target=lambda at=at, part=part: found.__setitem__(at, tiny_encoder.encode_documents(part)))
        for at, part in enumerate(texts)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at, vectors in enumerate(expected):
        np.testing.assert_array_equal(found[at], vectors)


@pytest.mark.parametrize("count", [0, 1, 5, 23])
def test_asyncio_gives_the_same_rows_window_by_window(tiny_model: Callable[..., Path], count: int) -> None:
    encoder = Encoder.load(tiny_model(), EncoderSettings(window_texts=5))
    texts = [f"the cat {'dog ' * (n % 4)}" for n in range(count)]
    expected = [vector.tobytes() for vector in encoder.stream_documents(texts)]
    found = asyncio.run(encoder.aencode_documents(texts))
    assert found.shape == (count, 32)
    assert [vector.tobytes() for vector in found] == expected


def test_concurrent_tasks_get_their_own_rows_and_their_own_errors(tiny_encoder: Encoder) -> None:
    async def ask() -> list[Vectors | BaseException]:
        calls = [tiny_encoder.aencode_queries([f"cat {n}"]) for n in range(50)]
        calls.append(tiny_encoder.aencode_queries(["\ud800"]))
        return await asyncio.gather(*calls, return_exceptions=True)

    *vectors, error = asyncio.run(ask())
    assert isinstance(error, InvalidTextError)
    expected = tiny_encoder.encode_queries([f"cat {n}" for n in range(50)])
    np.testing.assert_array_equal(np.concatenate([v for v in vectors if isinstance(v, np.ndarray)]), expected)


def test_a_cancelled_task_does_not_disturb_others(tiny_encoder: Encoder) -> None:
    async def ask() -> Vectors:
        gone = asyncio.create_task(tiny_encoder.aencode_documents(["dog " * 200] * 200))
        await asyncio.sleep(0.01)
        gone.cancel()
        return await tiny_encoder.aencode_documents(["the cat"])

    np.testing.assert_array_equal(asyncio.run(ask()), tiny_encoder.encode_documents(["the cat"]))


def test_a_task_cancelled_while_its_texts_are_tokenised_costs_nothing_more(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder.load(tiny_model())
    tokenising, go_on = threading.Event(), threading.Event()
    tokenise = encoder.runtime.tokenizer.tokenise

    def slowly(texts: list[str], **options: object) -> object:
        tokenising.set()
        go_on.wait()
        return tokenise(texts, **options)  # type: ignore[arg-type]

    async def ask() -> None:
        monkeypatch.setattr(encoder.runtime.tokenizer, "tokenise", slowly)
        task = asyncio.create_task(encoder.aencode_documents(["the cat"] * 100))
        await asyncio.to_thread(tokenising.wait)
        task.cancel()
        await asyncio.wait([task])
        go_on.set()

    reports: list[object] = []
    encoder.runtime.observe(reports.append)
    asyncio.run(ask())  # waits for its threads
    monkeypatch.undo()
    encoder.encode_documents(["a dog"])
    assert len(reports) == 1


def test_tokens_are_counted_by_the_same_tokenising(tiny_encoder: Encoder) -> None:
    texts = ["the cat", "cat " * 600]
    tokenised = tiny_encoder.runtime.tokenise(texts, role="query")
    assert ([len(ids) for ids in tokenised.ids], tokenised.cut) == ([6, 512], [1])
    np.testing.assert_array_equal(tiny_encoder.runtime.submit(tokenised).result(), tiny_encoder.encode_queries(texts))


def test_unknown_tokens_are_counted_by_text_and_in_all(tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(tiny_model())
    texts = ["the cat", "ภาษา the ไทย", "图书馆"]
    assert encoder.count_unknown(texts).tolist() == encoder.count_unknown(texts, role="query").tolist() == [0, 2, 3]
    assert encoder.runtime.tokenise(texts).unknown == [0, 2, 3]
    encoder.encode_documents(texts)
    encoder.encode_queries(texts[1:2])
    assert encoder.runtime.unknown_tokens == 7


def test_it_pickles_as_folder_and_settings(tiny_encoder: Encoder) -> None:
    dumped = pickle.dumps(tiny_encoder)
    assert len(dumped) < 1000
    copy = pickle.loads(dumped)  # noqa: S301 - made one line above
    np.testing.assert_array_equal(copy.encode_documents(["the cat"]), tiny_encoder.encode_documents(["the cat"]))


def test_another_prefix_gives_another_identity_and_survives_pickling(tiny_model: Callable[..., Path]) -> None:
    folder = tiny_model()
    plain, other = Encoder.load(folder), Encoder.load(folder, query_prefix="", document_prefix="passage: ")
    assert np.array_equal(other.encode_queries(["the cat"]), plain.encode_documents(["the cat"]))
    assert np.array_equal(other.encode_documents(["the cat"]), plain.encode_documents(["passage: the cat"]))
    assert other.fingerprint != plain.fingerprint
    assert Encoder.load(folder, query_prefix="query: ").fingerprint == plain.fingerprint
    copy = pickle.loads(pickle.dumps(other))  # noqa: S301 - made in this line
    assert copy.spec == other.spec


@pytest.fixture(scope="module")
def prompted_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompted")
    checkpoint = make_checkpoint(folder / "checkpoint")
    prompts = {"query": "query: ", "document": "", "Clustering": "cluster: "}
    (checkpoint / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    export(str(checkpoint), folder / "model", ExportSettings(precision="fp32"))
    return folder / "model"


def test_a_named_prompt_is_both_prefixes_and_another_space(prompted_model: Path) -> None:
    encoder, named = Encoder.load(prompted_model), Encoder.load(prompted_model, prompt_name="Clustering")
    assert named.spec.prompts == {"query": "query: ", "Clustering": "cluster: "}
    assert named.fingerprint != encoder.fingerprint
    assert np.array_equal(named.encode_queries(["cat"]), named.encode_documents(["cat"]))
    expected = Encoder.load(prompted_model, document_prefix="cluster: ").encode_documents(["cat"])
    assert np.array_equal(named.encode_documents(["cat"]), expected)


def test_a_prompt_that_is_not_there_is_refused_with_those_that_are(prompted_model: Path) -> None:
    with pytest.raises(InvalidInputError, match="no prompt 'clustering'; it has Clustering, query"):
        Encoder.load(prompted_model, prompt_name="clustering")
    with pytest.raises(InvalidInputError, match="give it alone"):
        Encoder.load(prompted_model, prompt_name="Clustering", query_prefix="")


@pytest.mark.parametrize("prefix", [7, b"query: ", "\ud800: "])
def test_a_prefix_that_is_no_text_is_refused_by_name(tiny_model: Callable[..., Path], prefix: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidInputError, match=r"document_prefix (is a|holds a)"):
        Encoder.load(tiny_model(), document_prefix=prefix)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.skipif(bool(emulator()), reason="QEMU 7.2 stops where a forked child starts threads")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_it_works_after_a_fork(tiny_encoder: Encoder) -> None:
    expected = tiny_encoder.encode_documents(["the cat", "a dog"]).tobytes()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, tiny_encoder.encode_documents(["the cat", "a dog"]).tobytes())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert answer.read() == expected
    assert os.waitpid(child, 0)[1] == 0


def test_it_is_a_text_encoder(tiny_encoder: Encoder) -> None:
    assert isinstance(tiny_encoder, TextEncoder)


@pytest.mark.parametrize(
    "bad",
    [
        {"workers": 0},
        {"token_budget": 1.5},
        {"window_texts": -1},
        {"on_long": "cut"},
        {"on_other_cpu": "stop"},
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        EncoderSettings(**bad)  # type: ignore[arg-type]


def test_fields_fill_the_document_prefix_and_texts_alone_have_the_stated_value(tiny_model: Callable[..., Path]) -> None:
    folder, texts = tiny_model(), ["the cat", "a dog", "the mat " * 60]
    template = Encoder.load(folder, document_prefix="title: {title|none} | text: ")
    bare = Encoder.load(folder, document_prefix="")
    fields = [{"title": "cat"}, {}, {"title": "mat"}]
    by_hand = [f"title: {title} | text: {text}" for title, text in zip(("cat", "none", "mat"), texts, strict=True)]
    assert np.array_equal(template.encode_documents(texts, fields=fields), bare.encode_documents(by_hand))
    assert template.count_tokens(texts, fields=fields).tolist() == bare.count_tokens(by_hand).tolist()
    unfilled = Encoder.load(folder, document_prefix="title: none | text: ")
    assert np.array_equal(template.encode_documents(texts), unfilled.encode_documents(texts))
    assert np.array_equal(list(template.stream_documents(texts)), unfilled.encode_documents(texts))
    assert template.document_fields == ("title",)
    assert template.fingerprint != unfilled.fingerprint


def test_windows_of_texts_have_their_own_fields(tiny_model: Callable[..., Path]) -> None:
    settings = EncoderSettings(window_texts=2)
    template = Encoder.load(tiny_model(), settings, document_prefix="{title|none}: ")
    fields = [{"title": title} for title in ("cat", "dog", "mat", "the", "a")]
    alone = [template.encode_documents(["text"], fields=[one])[0] for one in fields]
    assert np.array_equal(template.encode_documents(["text"] * 5, fields=fields), alone)
    with pytest.raises(InvalidInputError, match="found 1 of them, expected a list of 5"):
        template.encode_documents(["text"] * 5, fields=fields[:1])


def test_a_field_without_a_value_is_refused_when_a_prefix_is_chosen(tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(InvalidInputError, match=r"Write \{title\|none\}"):
        Encoder.load(tiny_model(), document_prefix="title: {title} | text: ")
