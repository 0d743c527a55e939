"""What embedding costs: a month of it on own machines and by an API, and what the vectors take in Qdrant.

Arithmetic alone: every figure comes in as an argument, and every assumption is a field with a stated default.
"""

from embed_plugin.cost.loading import Load
from embed_plugin.cost.month import Bill, BreakEven, Fleet, Machine, Month, Traffic, break_even, month_of
from embed_plugin.cost.storage import Points, Stored

__all__ = [
    "Bill",
    "BreakEven",
    "Fleet",
    "Load",
    "Machine",
    "Month",
    "Points",
    "Stored",
    "Traffic",
    "break_even",
    "month_of",
]
