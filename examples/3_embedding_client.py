"""Ask an embedding service, with others to fall back to, and see who answered.

Run:  embed-plugin serve models/minilm-int8 --port 8000
      .venv/bin/python examples/3_embedding_client.py http://127.0.0.1:8000 [ANOTHER_URL ...]

Stop the service while this runs in a loop: with another one of the same model it goes on at once, without one it
waits until the service is back, and a service with another model is refused.
"""

from __future__ import annotations

import sys

from embed_plugin.client import EmbeddingClient

QUESTION = "my card does not work"
ANSWERS = [
    "To change your password, open Settings and choose Security.",
    "A payment that was refused is usually a matter of the bank's daily limit; try again tomorrow.",
    "Parcels leave our warehouse within one working day and arrive in two to four.",
]


def main() -> None:
    """Encode the answers and the question, and print the answers, nearest first, and where the vectors are from."""
    service, *fallbacks = sys.argv[1:]
    with EmbeddingClient(service, fallbacks=fallbacks) as client:
        documents = client.embed(ANSWERS)
        scores = documents.vectors @ client.encode_queries([QUESTION])[0]
        for at in scores.argsort()[::-1]:
            print(f"{scores[at]:.3f}  {ANSWERS[at]}")
        print(f"vectors of {documents.model} ({documents.fingerprint[:12]}) from {', '.join(documents.endpoints)}")
        for endpoint, state in client.circuits.items():
            print(f"circuit of {endpoint}: {state}")


if __name__ == "__main__":
    main()
