"""The texts whose vectors are compared."""

from __future__ import annotations

SCRIPTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Der schnelle braune Fuchs springt über den faulen Hund – täglich.",
    "Быстрая коричневая лиса перепрыгивает ленивую собаку.",
    "Η γρήγορη καφέ αλεπού πηδάει πάνω από το σκυλί.",
    "敏捷的棕色狐狸跳过了懒狗。",
    "素早い茶色の狐がのろまな犬を飛び越える。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "الثعلب البني السريع يقفز فوق الكلب الكسول.",
    "तेज़ भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ",
)
LONG = " ".join(f"word{number % 97} and" for number in range(650))
"""1,300 words: longer than the limit of every model here."""

TEXTS = (
    "",
    " ",
    "a",
    *SCRIPTS,
    "  spaces before, and behind \t\n",
    "👩‍🔬 naïve café ﬁne ½",
    "x = f(y)[0] if y else None  # 3.14e-5",
    "one two three four five six seven eight nine ten " * 4,
    LONG,
)
