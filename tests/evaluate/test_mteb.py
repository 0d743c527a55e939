"""mteb's own runner over the encoder, on tasks made here and on mteb's mocks: nothing is fetched."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import Encoder, InvalidInputError
from embed_plugin.evaluate import SentencePair, evaluate_retrieval, evaluate_similarity, read_retrieval_dataset
from embed_plugin.evaluate.mteb import MtebEncoder
from embed_plugin.testing import FakeEncoder

if find_spec("mteb") is None:
    reason = "needs the extra dev-mteb, in an environment of its own: make test-mteb"
    pytest.skip(reason, allow_module_level=True)
else:
    import mteb
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval, AbsTaskSTS
    from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.cache import ResultCache
    from mteb.models import EncoderProtocol
    from mteb.models.model_meta import ScoringFunction
    from mteb.types import PromptType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from mteb.abstasks import AbsTask

pytestmark = pytest.mark.mteb

WORDS = ["the", "a", "cat", "dog", "sat", "on", "mat", "ran", "fast", "slow", "red", "blue", "tree", "house", "water"]


def metadata(kind: Any, main_score: str) -> TaskMetadata:  # noqa: ANN401 - one of mteb's literals
    return TaskMetadata(
        name=f"Own{kind}",
        description="made by a test",
        dataset={"path": "none", "revision": "1"},
        type=kind,
        category="t2t",
        eval_langs=["eng-Latn"],
        main_score=main_score,
    )


class OwnRetrieval(AbsTaskRetrieval):
    """The folder in BEIR's layout that it is given."""

    metadata = metadata("Retrieval", "ndcg_at_10")
    folder: Path

    def load_data(self, num_proc: int | None = None, **kwargs: object) -> None:
        del num_proc, kwargs
        ours = read_retrieval_dataset(self.folder)
        records = [json.loads(line) for path in ours.corpus for line in path.read_text(encoding="utf-8").splitlines()]
        corpus = [{"id": each["_id"], "title": each["title"], "text": each["text"]} for each in records]
        queries = [{"id": id_, "text": text} for id_, text in ours.queries.items()]
        judged = {query: dict(documents) for query, documents in ours.qrels.items()}
        split = RetrievalSplitData(
            corpus=Dataset.from_list(corpus),
            queries=Dataset.from_list(queries),
            relevant_docs=judged,
            top_ranked=None,
        )
        self.dataset = {"default": {"test": split}}
        self.data_loaded = True


class OwnSTS(AbsTaskSTS):
    """The pairs that it is given."""

    metadata = metadata("STS", "cosine_spearman")
    pairs: Sequence[SentencePair]

    def load_data(self, num_proc: int | None = None, **kwargs: object) -> None:
        del num_proc, kwargs
        rows = [{"sentence1": each.first, "sentence2": each.second, "score": each.score} for each in self.pairs]
        self.dataset = {"test": Dataset.from_list(rows)}
        self.data_loaded = True


def retrieval_task(folder: Path) -> OwnRetrieval:
    task = OwnRetrieval()
    task.folder = folder
    return task


def run(model: MtebEncoder, task: AbsTask, cache: Path) -> dict[str, float]:
    """The scores of the one split."""
    results = mteb.evaluate(model, [task], cache=ResultCache(cache), show_progress_bar=False)
    return dict(results.task_results[0].scores["test"][0])


def write_dataset(folder: Path, documents: list[dict[str, str]], queries: list[dict[str, str]], qrels: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    for name, records in (("corpus", documents), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text(qrels, encoding="utf-8")
    return folder


def sentence(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, words))


@pytest.fixture
def random_dataset(tmp_path: Path) -> Path:
    """150 documents, half of them with a title, and 20 queries; 30 documents are relevant to each, of grades 1 to 3."""
    rng = np.random.default_rng(5)
    documents = [
        {"_id": f"d{n}", "title": sentence(rng, 2) * (n % 2), "text": sentence(rng, int(rng.integers(3, 12)))}
        for n in range(150)
    ]
    queries = [{"_id": f"q{n}", "text": sentence(rng, 4)} for n in range(20)]
    judged = [f"q{n}\td{d}\t{k % 3 + 1}" for n in range(20) for k, d in enumerate(rng.permutation(150)[:30])]
    return write_dataset(tmp_path / "beir", documents, queries, "\n".join(["q\td\ts", *judged]))


@pytest.fixture
def encoder(tiny_model: Callable[..., Path]) -> Encoder:
    return Encoder.load(tiny_model(precision="fp32"), query_prefix="query: ", document_prefix="passage: ")


def test_mteb_takes_it_for_an_encoder(encoder: Encoder) -> None:
    model: EncoderProtocol = MtebEncoder(encoder)
    assert isinstance(model, EncoderProtocol)


def test_retrieval_is_scored_as_by_our_own_evaluation(encoder: Encoder, random_dataset: Path, tmp_path: Path) -> None:
    found = run(MtebEncoder(encoder), retrieval_task(random_dataset), tmp_path)
    ours = evaluate_retrieval(encoder, read_retrieval_dataset(random_dataset)).means
    assert found["ndcg_at_10"] == pytest.approx(ours["ndcg@10"], abs=1e-5)
    assert found["mrr_at_10"] == pytest.approx(ours["mrr@10"], abs=1e-5)
    assert found["recall_at_100"] == pytest.approx(ours["recall@100"], abs=1e-5)


@pytest.mark.parametrize(("query", "document"), [("", ""), ("passage: ", "query: "), ("query: ", "query: ")])
def test_other_prefixes_have_other_scores_and_another_place_in_the_cache(
    encoder: Encoder, random_dataset: Path, tmp_path: Path, query: str, document: str
) -> None:
    other = Encoder.load(encoder.folder, query_prefix=query, document_prefix=document)
    task = retrieval_task(random_dataset)
    scores = [run(MtebEncoder(each), task, tmp_path / "cache")["ndcg_at_10"] for each in (encoder, other)]
    assert abs(scores[0] - scores[1]) > 0.001
    stored = {path.parent.name for path in (tmp_path / "cache").rglob("OwnRetrieval.json")}
    assert stored == {encoder.fingerprint, other.fingerprint}
    assert run(MtebEncoder(encoder), task, tmp_path / "cache")["ndcg_at_10"] == scores[0]


def test_both_sentences_of_a_pair_are_documents(encoder: Encoder, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    pairs = [SentencePair(float(rng.uniform(0, 5)), sentence(rng, 5), sentence(rng, 5)) for _ in range(40)]
    task = OwnSTS()
    task.pairs = pairs
    found = run(MtebEncoder(encoder), task, tmp_path)
    assert found["spearman"] == pytest.approx(evaluate_similarity(encoder, pairs).spearman, abs=1e-6)
    assert found["cosine_spearman"] == pytest.approx(found["spearman"], abs=1e-6)
    bare = Encoder.load(encoder.folder, query_prefix="", document_prefix="")
    assert abs(found["spearman"] - evaluate_similarity(bare, pairs).spearman) > 0.001


@pytest.mark.filterwarnings(
    "ignore:To copy construct from a tensor:UserWarning",  # mteb copies a tensor in its search of pairs
    "ignore:Precision is ill-defined:Warning",  # scikit-learn, about a class that is never predicted
)
@pytest.mark.parametrize(
    "kind",
    [
        "BitextMiningTask",
        "ClassificationTask",
        "InstructionRetrieval",
        "MultilabelClassification",
        "PairClassificationTask",
        "RegressionTask",
        "RerankingTask",
        "RetrievalDialogTask",
        "SummarizationTask",
        "TextZeroShotClassificationTask",
    ],
)
def test_every_kind_of_text_task_runs(encoder: Encoder, kind: str) -> None:
    mocks: Any = pytest.importorskip("mteb.mocks.mock_tasks", reason="this mteb ships no mock tasks")
    results = mteb.evaluate(MtebEncoder(encoder), getattr(mocks, f"Mock{kind}")(), cache=None, show_progress_bar=False)
    assert np.isfinite(results.task_results[0].get_score())


def test_the_model_is_described(encoder: Encoder) -> None:
    meta = MtebEncoder(encoder.folder).mteb_model_meta
    folder = Encoder.load(encoder.folder)
    assert (meta.name, meta.revision) == (f"embed-plugin/{encoder.folder.name}", folder.fingerprint)
    assert (meta.embed_dim, meta.max_tokens, meta.framework) == (32, encoder.max_tokens, ["ONNX"])
    assert (meta.use_instructions, meta.adapted_from) == (True, None)
    assert meta.similarity_fn_name is ScoringFunction.COSINE
    assert MtebEncoder(encoder, name="acme/notes").mteb_model_meta.name == "acme/notes"


def test_a_model_from_the_hub_names_its_source(encoder: Encoder) -> None:
    encoder.spec = replace(encoder.spec, source="BAAI/bge-small-en-v1.5", query_prefix="", document_prefix="")
    meta = MtebEncoder(encoder).mteb_model_meta
    assert (meta.adapted_from, meta.reference) == (
        "BAAI/bge-small-en-v1.5",
        "https://huggingface.co/BAAI/bge-small-en-v1.5",
    )
    assert meta.use_instructions is False


def test_an_encoder_without_a_folder_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"name is None; expected organisation/model, .* FakeEncoder"):
        MtebEncoder(FakeEncoder())
    with pytest.raises(InvalidInputError, match="name is 'notes'"):
        MtebEncoder(FakeEncoder(), name="notes")
    api = FakeEncoder(fingerprint="openai/text-embedding-3-small/1536")
    meta = MtebEncoder(api, name="openai/small").mteb_model_meta
    assert (meta.revision, meta.framework) == ("openai--text-embedding-3-small--1536", ["API"])


def test_documents_are_read_as_they_are_encoded() -> None:
    encoder = FakeEncoder(8)
    ahead: list[int] = []

    def batches() -> Iterator[dict[str, list[str]]]:
        for n in range(50):
            ahead.append(n * 3 - len(encoder.encoded))
            yield {"text": [f"{n} {k}" for k in range(3)]}

    vectors = encode(MtebEncoder(encoder, name="a/b"), batches(), PromptType.document)
    np.testing.assert_array_equal(vectors, FakeEncoder(8).encode_documents(encoder.encoded))
    assert (vectors.shape, vectors.dtype, set(ahead)) == ((150, 8), np.float32, {0})


@pytest.mark.parametrize("prompt_type", [PromptType.query, PromptType.document, None])
def test_no_texts_have_no_vectors(encoder: Encoder, prompt_type: PromptType | None) -> None:
    assert encode(MtebEncoder(encoder), [], prompt_type).shape == (0, 32)


def test_what_cannot_be_encoded_is_refused(encoder: Encoder) -> None:
    model = MtebEncoder(encoder)
    with pytest.raises(InvalidInputError, match="task OwnRetrieval has image, id and no text"):
        encode(model, [{"image": [b""], "id": ["1"]}], PromptType.document)
    with pytest.raises(InvalidInputError, match="precision='int8', expected none"):
        encode(model, [{"text": ["a"]}], None, precision="int8")
    with pytest.raises(InvalidInputError, match="model is of type int; expected a model folder"):
        MtebEncoder(3)  # type: ignore[arg-type]  # what is tested


def encode(model: MtebEncoder, batches: Any, prompt_type: PromptType | None, **options: Any) -> Any:  # noqa: ANN401
    options |= {"task_metadata": OwnRetrieval.metadata, "hf_split": "test", "hf_subset": "default"}
    return model.encode(batches, prompt_type=prompt_type, show_progress_bar=False, **options)


@pytest.fixture
def scifact_part(shared_data: Path, tmp_path: Path) -> Path:
    """SciFact with its judged documents and a sixteenth of the others."""
    source = shared_data / "scifact"
    judged = (source / "qrels" / "test.tsv").read_text(encoding="utf-8")
    relevant = {line.split("\t")[1] for line in judged.splitlines()[1:]}
    corpus, queries = (
        [json.loads(line) for line in (source / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("corpus", "queries")
    )
    documents = [each for each in corpus if each["_id"] in relevant or int(each["_id"]) % 16 == 0]
    return write_dataset(tmp_path / "beir", documents, queries, judged)


@pytest.mark.real_model
def test_scifact_is_scored_as_by_our_own_evaluation(
    minilm: Callable[[Any], Path], scifact_part: Path, tmp_path: Path
) -> None:
    encoder = Encoder.load(minilm("int8"))
    found = run(MtebEncoder(encoder), retrieval_task(scifact_part), tmp_path)
    ours = evaluate_retrieval(encoder, read_retrieval_dataset(scifact_part)).means
    assert found["ndcg_at_10"] == pytest.approx(ours["ndcg@10"], abs=1e-4)
    assert ours["ndcg@10"] > 0.65
