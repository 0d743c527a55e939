"""An endless stream of varied texts of a seed: the haystack in which `int8_worst_texts.py` looks for the worst."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lib.script_words import EMOJI, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lib.text_pools import Pools

    Make = Callable[[random.Random, Pools, int], str]

MOST_WORDS = 512
SKEW = 1.6
"""Exponent that makes short texts more frequent than log-uniform lengths would: half have 7 words or fewer."""

PUNCTUATION = [*"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~—…«»“”•§€", "...", "--"]
_CHANGES = 8


@dataclass(frozen=True)
class VariedText:
    """A text and the kind that it was made as."""

    kind: str
    text: str


def varied_texts(seed: int, pools: Pools) -> Iterator[VariedText]:
    """Yield texts of all kinds in random order and of random lengths; the same seed and pools give the same texts."""
    rng = random.Random(seed)  # noqa: S311 - seeded texts, no secret
    kinds = list(MAKERS)
    while True:
        kind = rng.choice(kinds)
        yield VariedText(kind, MAKERS[kind](rng, pools, draw_length(rng)))


def draw_length(rng: random.Random) -> int:
    """Draw a number of words from 1 to 512, mostly small ones."""
    return int((MOST_WORDS + 1) ** (rng.random() ** SKEW))


def one_word(rng: random.Random, pools: Pools, length: int) -> str:
    """Make a single word: of the vocabulary, or of one to four pieces."""
    if length % 2:
        return rng.choice(pools.words)
    return rng.choice(pools.words) + "".join(rng.choices(pools.fragments, k=rng.randint(0, 3)))


def words(rng: random.Random, pools: Pools, length: int) -> str:
    """Make a text of random words."""
    return " ".join(rng.choices(pools.words, k=length))


def fragments(rng: random.Random, pools: Pools, length: int) -> str:
    """Make words that do not exist, of two to six pieces."""
    return " ".join("".join(rng.choices(pools.fragments, k=rng.randint(2, 6))) for _ in range((length + 2) // 3))


def numbers(rng: random.Random, _pools: Pools, length: int) -> str:
    """Make numbers of 1 to 12 digits with signs, points, commas and percent signs between them."""
    between = rng.choice((" ", ", ", "\n", "\t", " | ", "-", "/", ":"))
    return between.join(_number(rng) for _ in range(length))


def _number(rng: random.Random) -> str:
    value = rng.randrange(10 ** rng.randint(1, 12))
    return rng.choice(
        (f"{value}", f"{value:,}", f"{value / 100}", f"-{value}", f"{value}%", f"0x{value:x}", f"${value}")
    )


def punctuation(rng: random.Random, pools: Pools, length: int) -> str:
    """Make punctuation, alone or with a word here and there."""
    share = rng.choice((0.0, 0.1, 0.4))
    parts = [rng.choice(pools.words if rng.random() < share else PUNCTUATION) for _ in range(length)]
    return rng.choice(("", " ")).join(parts)


def casing(rng: random.Random, pools: Pools, length: int) -> str:
    """Make words in capitals, camel case, snake case and mixed case."""
    found = rng.choices(pools.words, k=length)
    forms: tuple[Callable[[], str], ...] = (
        lambda: " ".join(found).upper(),
        lambda: " ".join(found).title(),
        lambda: "".join(word.title() for word in found),
        lambda: "_".join(found),
        lambda: "".join(rng.choice((str.upper, str.lower))(letter) for letter in " ".join(found)),
    )
    return rng.choice(forms)()


def code(rng: random.Random, pools: Pools, length: int) -> str:
    """Cut lines out of a function of the standard library."""
    lines = rng.choice(pools.functions).splitlines()
    first = rng.randrange(len(lines))
    kept, left = [], length
    for line in lines[first:]:
        kept.append(line)
        left -= len(line.split())
        if left <= 0:
            break
    return "\n".join(kept).strip() or "pass"


def repeated(rng: random.Random, pools: Pools, length: int) -> str:
    """Repeat one to three words, marks or numbers over and over."""
    sources = (pools.words, pools.fragments, PUNCTUATION, [_number(rng)], EMOJI.split())
    parts = [rng.choice(rng.choice(sources)) for _ in range(rng.randint(1, 3))]
    return rng.choice((" ", "", ", ")).join(parts * max(1, length // len(parts)))


def script(rng: random.Random, _pools: Pools, length: int) -> str:
    """Make a text in one script, without meaning."""
    chosen = SCRIPTS[rng.choice(list(SCRIPTS))].split()
    return rng.choice((" ", " ", ", ", "")).join(rng.choices(chosen, k=min(length, 100)))


def emoji(rng: random.Random, pools: Pools, length: int) -> str:
    """Make words with emoji between them."""
    symbols = EMOJI.split()
    return " ".join(rng.choice(symbols if rng.random() < 1 / 3 else pools.words) for _ in range(length))


def mixed(rng: random.Random, pools: Pools, length: int) -> str:
    """Put parts of several kinds into one text."""
    makers = [maker for kind, maker in MAKERS.items() if kind != "mixed"]
    parts = rng.randint(2, 5)
    return " ".join(rng.choice(makers)(rng, pools, max(1, length // parts)) for _ in range(parts))


def mutated(rng: random.Random, pools: Pools, length: int) -> str:
    """Change a real sentence: words left out, doubled, exchanged, misspelt, or the end cut off."""
    found = rng.choice(pools.sentences).split()
    first = rng.randrange(len(found))
    found = found[first : first + length]
    for _ in range(rng.randint(0, _CHANGES)):
        at = rng.randrange(len(found))
        found[at : at + 1] = _changed(rng, pools, found[at])
        found = found or [rng.choice(pools.words)]
    return " ".join(found)


def _changed(rng: random.Random, pools: Pools, word: str) -> list[str]:
    """The word, or words, in the place of one."""
    at = rng.randrange(len(word))
    changes: tuple[list[str], ...] = (
        [],
        [word, word],
        [rng.choice(pools.words)],
        [word[:at] + word[at + 1 :] or word],
        [word[:at] + word[at:][::-1]],
        [word + rng.choice(PUNCTUATION)],
        [word.upper()],
    )
    return rng.choice(changes)


MAKERS: dict[str, Make] = {
    "one word": one_word,
    "words": words,
    "fragments": fragments,
    "numbers": numbers,
    "punctuation": punctuation,
    "casing": casing,
    "code": code,
    "repeated": repeated,
    "scripts": script,
    "emoji": emoji,
    "mixed": mixed,
    "mutated": mutated,
}
"""The kinds, each as likely as every other."""
