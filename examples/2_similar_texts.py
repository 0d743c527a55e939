"""Find the text nearest in meaning to a question, in a dozen lines and without a database.

Run:  .venv/bin/python examples/2_similar_texts.py models/minilm-int8 "my card does not work"
(`make demo` makes that model folder.)
"""

from __future__ import annotations

import sys

from embed_plugin import Encoder

ANSWERS = [
    "To change your password, open Settings and choose Security.",
    "A payment that was refused is usually a matter of the bank's daily limit; try again tomorrow.",
    "Parcels leave our warehouse within one working day and arrive in two to four.",
    "You can send anything back within thirty days; print the label from your account.",
    "The app needs iOS 16 or Android 11.",
]


def main() -> None:
    """Encode the answers and the question, and print the answers, nearest first."""
    folder, question = sys.argv[1], " ".join(sys.argv[2:])
    encoder = Encoder.load(folder)
    scores = encoder.encode_documents(ANSWERS) @ encoder.encode_queries([question])[0]
    for at in scores.argsort()[::-1]:
        print(f"{scores[at]:.3f}  {ANSWERS[at]}")


if __name__ == "__main__":
    main()
