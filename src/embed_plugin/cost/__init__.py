"""The cost of embedding: a month of it on own machines and by an API, and the space of the vectors in Qdrant.

Only arithmetic: every figure is an argument, every assumption a field with a documented default.
"""

from embed_plugin.cost.loading import Load
from embed_plugin.cost.month import Bill, BreakEven, Fleet, Machine, Month, Traffic, break_even, month_of
from embed_plugin.cost.storage import CollectionSize, StorageForm

__all__ = [
    "Bill",
    "BreakEven",
    "CollectionSize",
    "Fleet",
    "Load",
    "Machine",
    "Month",
    "StorageForm",
    "Traffic",
    "break_even",
    "month_of",
]
