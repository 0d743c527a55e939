"""Write the small static embeddings: `make_static.py own` with sentence-transformers, the others with model2vec.

The two packages are in environments of their own. Texts are not cut: model2vec cuts characters before it tokenises.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from export.references.texts import LONG, SCRIPTS, TEXTS  # noqa: E402 - this file is run as a program

WORDS, WIDTH, ROWS = 300, 16, 40
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def word_pieces() -> Tokenizer:
    """WordPiece of the Latin texts, so that others have unknown tokens, with special tokens that nobody is to add."""
    made = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=WORDS, special_tokens=SPECIAL, show_progress=False)
    made.train_from_iterator([*SCRIPTS[:2], LONG], trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return made


def unigram() -> Tokenizer:
    """Unigram, which names its unknown token by its place."""
    pieces = [("<unk>", 0.0), *((f"▁{word}", -2.0 - len(word) / 9) for word in ("the", "word", "quick", "dog"))]
    pieces += [(letter, -6.0) for letter in "▁abcdefghijklmnopqrstuvwxyz."]
    made = Tokenizer(models.Unigram(pieces, unk_id=0))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


def write_own() -> np.ndarray:
    """sentence-transformers' layout, without normalising."""
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - one environment has it
    from sentence_transformers.models import StaticEmbedding  # noqa: PLC0415

    tokenizer = word_pieces()
    table = random("own", tokenizer.get_vocab_size())
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=table)], device="cpu")
    model.save(str(HERE / "static-own"))
    (HERE / "static-own" / "README.md").unlink(missing_ok=True)
    return np.stack([model.encode([text])[0] for text in TEXTS])


def write_model2vec(name: str) -> np.ndarray:
    """model2vec's layout: a row a token, or rows that tokens share, with a factor for each."""
    from model2vec import StaticModel  # noqa: PLC0415 - one environment has it

    tokenizer = unigram() if name == "unigram" else word_pieces()
    count = tokenizer.get_vocab_size()
    shared = name == "shared"
    rng = np.random.default_rng(5)
    model = StaticModel(
        random(name, ROWS if shared else count).astype(np.float16 if name == "half" else np.float32),
        tokenizer,
        {"model_type": "model2vec", "architectures": ["StaticModel"], "hidden_dim": WIDTH},
        normalize=True,
        weights=rng.random(count, np.float32) if shared else None,
        token_mapping=rng.integers(0, ROWS, count) if shared else None,
    )
    model.save_pretrained(HERE / f"static-{name}")
    (HERE / f"static-{name}" / "README.md").unlink(missing_ok=True)
    return np.asarray(model.encode(list(TEXTS), max_length=None), np.float32)


def random(name: str, rows: int) -> np.ndarray:
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal((rows, WIDTH)).astype(np.float32)


for each in sys.argv[1:]:
    vectors = write_own() if each == "own" else write_model2vec(each)
    np.save(HERE / f"static-{each}" / "vectors.npy", vectors)
