"""Write small SentencePiece files, and the ids that transformers gives texts with them.

Needs the packages sentencepiece, protobuf and the newest transformers. The files are trained on the texts' scripts.
Their normalisation is a few rules, as that of published ones takes 240 kB.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import sentencepiece
from transformers import AutoTokenizer

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from export.references.texts import LONG, SCRIPTS  # noqa: E402 - this file is run as a program

OUT = HERE / "sentencepiece"
FILES: dict[str, dict[str, Any]] = {
    "fairseq.model": {},
    "albert.model": {
        "pad_id": 0,
        "unk_id": 1,
        "bos_id": -1,
        "eos_id": -1,
        "control_symbols": ["[CLS]", "[SEP]", "[MASK]"],
        "user_defined_symbols": ["(", ")", "."],
    },
    "t5.model": {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
}
RULES = {"Ａ": "A", "ｂ": "b", "①": "1", "ﬁ": "fi", "…": "...", "e\u0301": "\u00e9", "\u3000": " ", "\u00a0": " "}
RULES |= {"\t": " ", "\n": " ", "\u200b": " ", "\x07": "", "\u00ad": "", "か\u3099": "が"}

_MASK = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False}
_XLM_R, _CAMEMBERT = ("xlm-roberta", "sentencepiece.bpe.model"), ("camembert", "sentencepiece.bpe.model")
_ALBERT, _T5 = ("albert", "spiece.model"), ("t5", "spiece.model")
CASES: dict[str, tuple[str, tuple[str, str], dict[str, Any]]] = {
    "xlm-roberta": ("fairseq.model", _XLM_R, {}),
    "xlm-roberta, as saved": ("fairseq.model", _XLM_R, {"mask_token": _MASK, "sp_model_kwargs": {}}),
    "xlm-roberta, other choices": ("fairseq.model", _XLM_R, {"add_prefix_space": False, "pad_token": "<p>"}),
    "bert": ("fairseq.model", ("bert", _XLM_R[1]), {"tokenizer_class": "XLMRobertaTokenizer"}),
    "camembert": ("fairseq.model", _CAMEMBERT, {"additional_special_tokens": ["<s>NOTUSED", "</s>NOTUSED"]}),
    "albert": ("albert.model", _ALBERT, {}),
    "albert, cased": ("albert.model", _ALBERT, {"do_lower_case": False, "keep_accents": True}),
    "t5": ("t5.model", _T5, {}),
    "t5, without sentinels": ("t5.model", _T5, {"extra_ids": 0}),
}
"""Of each, a file, the ``model_type`` and the name of the file there, and ``tokenizer_config.json``."""

TEXTS = (
    *("", " ", "a", "  \t a  b\n", "The quick brown fox", "word1 word22 word333, 1,000.5 and 3.14e-5"),
    *SCRIPTS,
    *("Ａｂ① ﬁne… cafe\u0301 か\u3099", "na\u00efve caf\u00e9 \u00dcber Stra\u00dfe \u0130", "``a'' \u201ca\u201d"),
    "\U0001f469\u200d\U0001f52c \U0001f1e9\U0001f1ea \u2764\ufe0f",
    *("\x01\x07\x7f a\u00adb \u200b\u200f\ufeffc", "a\u2028b\u0085c\u00a0d\u3000e\r\nf"),
    *("<s> a </s>", "a <mask> b<mask>c", "[CLS] a [SEP] [MASK] b", "a<pad>b <unk> c", "<extra_id_0> a <extra_id_99>b"),
    *("\u2581a \u2581\u2581b", "(a) b.c. (.)", "fox.Dog (x", "\ud55c\u1112\u1161\u11ab", "e\u0301\u0302\u0327"),
    *("x" * 60, LONG[:400]),
)


def train(out: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as rules:
        for found, put in RULES.items():
            rules.write("\t".join(" ".join(f"{ord(one):X}" for one in text) for text in (found, put)) + "\n")
        rules.flush()
        for name, options in FILES.items():
            made = io.BytesIO()
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter([*SCRIPTS, LONG, *LONG.split(" and ")] * 3),
                model_writer=made,
                vocab_size=340,
                hard_vocab_limit=False,
                character_coverage=1.0,
                normalization_rule_tsv=rules.name,
                minloglevel=2,
                **options,
            )
            (out / name).write_bytes(made.getvalue())


def ids(name: str, place: tuple[str, str], settings: dict[str, Any]) -> list[list[int]]:
    """The ids of each text, and then of each text as a pair with the one before it."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / place[1]).write_bytes((OUT / name).read_bytes())
        (Path(folder) / "config.json").write_text(json.dumps({"model_type": place[0]}))
        if settings:
            (Path(folder) / "tokenizer_config.json").write_text(json.dumps(settings))
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    alone = [tokenizer(text).input_ids for text in TEXTS]
    return [*alone, tokenizer(*SCRIPTS[:2]).input_ids]


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    train(OUT)
    cases = {
        name: {"ids": ids(*case), "file": case[0], "model_type": case[1][0], "name": case[1][1], "settings": case[2]}
        for name, case in CASES.items()
    }
    written = json.dumps({"texts": TEXTS, "pair": SCRIPTS[:2], "cases": cases})
    (OUT / "ids.json").write_text(written + "\n", encoding="utf-8")
