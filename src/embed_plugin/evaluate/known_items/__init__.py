"""Known-item questions: made from a collection's own texts, asked of it, and scored.

Example:
    >>> from embed_plugin.evaluate.known_items import StoredText, make_questions
    >>> texts = [StoredText(str(n), f"record {n}", 0, text) for n, text in enumerate(notes)]  # doctest: +SKIP
    >>> make_questions(lambda: texts, count=50).questions[0].text  # doctest: +SKIP
    'parser returns remaining'
"""

from embed_plugin.evaluate.known_items.passages import StoredText
from embed_plugin.evaluate.known_items.questions import KINDS, Question, QuestionSet, make_questions
from embed_plugin.evaluate.known_items.result import KnownItemResult, compare_known_items
from embed_plugin.evaluate.known_items.saved import require_new_folder, save_questions

__all__ = [
    "KINDS",
    "KnownItemResult",
    "Question",
    "QuestionSet",
    "StoredText",
    "compare_known_items",
    "make_questions",
    "require_new_folder",
    "save_questions",
]
