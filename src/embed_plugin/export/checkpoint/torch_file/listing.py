"""Read the pickle that lists the tensors of a torch file, without unpickling it.

torch saves a dictionary of tensors as a zip archive: ``data.pkl`` names the tensors, and an entry for each storage has
the numbers. The pickle is read here as what it is, a list of instructions for a stack. Only the instructions that such
a dictionary consists of are known, and a call is noted down, never made: nothing of a file is imported or run.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

MOST_INSTRUCTIONS = 2_000_000
"""A tensor takes some 30 instructions, and no text embedder has 10,000 tensors."""

ORDERED_DICT = "collections OrderedDict"
REBUILD_TENSOR = "torch._utils _rebuild_tensor_v2"
NUMBER_FORMATS = {
    "torch BFloat16Storage": "BF16",
    "torch BoolStorage": "BOOL",
    "torch ByteStorage": "U8",
    "torch CharStorage": "I8",
    "torch DoubleStorage": "F64",
    "torch FloatStorage": "F32",
    "torch HalfStorage": "F16",
    "torch IntStorage": "I32",
    "torch LongStorage": "I64",
    "torch ShortStorage": "I16",
}
"""The names of number formats in safetensors, by torch's storage classes."""

_GLOBALS = frozenset({ORDERED_DICT, REBUILD_TENSOR, *NUMBER_FORMATS})


class NotAListingError(Exception):
    """The pickle is damaged, or holds something else than a dictionary of tensors."""


@dataclass(frozen=True)
class Storage:
    """Numbers of one format that one entry of the archive holds.

    Attributes:
        dtype: Their format, as safetensors calls it.
        key: The last part of the entry's name.
        size: How many they are.
    """

    dtype: str
    key: str
    size: int


@dataclass(frozen=True)
class StoredTensor:
    """One tensor: a view of a storage.

    Attributes:
        storage: Its numbers, of which other tensors may have some too.
        first: Index of its first number.
        shape: Its shape.
        strides: For each axis, how many numbers lie between one index and the next.
    """

    storage: Storage
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def span(self) -> int:
        """How many numbers of the storage lie between its first and its last one, both included."""
        if 0 in self.shape:
            return 0
        return 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))


@dataclass(frozen=True)
class _Global:
    """A class or function that the pickle names: ``module name``."""

    name: str


def read_listing(pickled: bytes) -> dict[str, StoredTensor]:
    """Read the tensors by name.

    Raises:
        NotAListingError: there is any other instruction, class, function or value; the message names it.
    """
    machine = _Machine()
    try:
        for count, (instruction, argument, _) in enumerate(pickletools.genops(pickled)):
            if count > MOST_INSTRUCTIONS:
                raise NotAListingError(f"it has more than {MOST_INSTRUCTIONS:,} instructions")
            machine.step(instruction.name, argument)
        found = machine.stack.pop()
    except (IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotAListingError(f"it is damaged ({type(error).__name__}: {error})") from error
    return _checked(found)


def _checked(found: object) -> dict[str, StoredTensor]:
    if not isinstance(found, dict):
        raise NotAListingError(f"it holds a {type(found).__name__.lstrip('_')}, expected a dictionary of tensors")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, StoredTensor):
            held = type(tensor).__name__.lstrip("_")
            raise NotAListingError(f"its entry {name!r:.80} is a {held}, expected a tensor by its name")
    return found


class _Machine:
    """The stack, the marks on it and the memo, as the instructions of a pickle use them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:  # noqa: ANN401 - of many types
        """Follow one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _ARGUMENTS:
            self.stack.append(argument)
        elif name in _BY_ARGUMENT:
            _BY_ARGUMENT[name](self, argument)
        elif name in _BY_STACK:
            _BY_STACK[name](self)
        elif name not in _IGNORED:
            raise NotAListingError(f"it has the instruction {name}, which no dictionary of tensors needs")

    def take(self, count: int) -> list[Any]:
        """Take values from the top of the stack, above the last mark."""
        floor = self.marks[-1] if self.marks else 0
        if len(self.stack) - floor < count:
            raise IndexError("the stack is too short")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def take_marked(self) -> list[Any]:
        """Take the values above the last mark, and the mark."""
        at = self.marks.pop()
        taken = self.stack[at:]
        del self.stack[at:]
        return taken

    def put_tuple(self, count: int) -> None:
        """Put a tuple in place of values."""
        self.stack.append(tuple(self.take(count)))

    def put_items(self, flat: list[Any]) -> None:
        """Put keys and values, in turn, into the dictionary on the stack; a key is a text or a number."""
        pairs = list(zip(flat[::2], flat[1::2], strict=True))
        if not all(isinstance(key, str | int) for key, _ in pairs):
            raise TypeError("a key is neither a text nor a number")
        self.dictionary().update(pairs)

    def put_values(self, values: list[Any]) -> None:
        """Put values into the list on the stack."""
        if not isinstance(self.stack[-1], list):
            raise TypeError("values for what is no list")
        self.stack[-1].extend(values)

    def dictionary(self) -> dict[Any, Any]:
        """The dictionary on the top of the stack."""
        if not isinstance(self.stack[-1], dict):
            raise TypeError("items for what is no dictionary")
        return self.stack[-1]

    def name(self, named: str) -> None:
        """Note a class or function down, if a dictionary of tensors needs it."""
        if named not in _GLOBALS:
            raise NotAListingError(f"it names {named.replace(' ', '.')!r:.120}, which is never imported")
        self.stack.append(_Global(named))

    def name_from_stack(self) -> None:
        """The same, with the two parts of the name on the stack."""
        module, name = self.take(2)
        self.name(f"{module} {name}")

    def call(self) -> None:
        """Put what a call describes in its place."""
        called, arguments = self.take(2)
        if called == _Global(ORDERED_DICT) and arguments == ():
            self.stack.append({})
        elif called == _Global(REBUILD_TENSOR):
            self.stack.append(_tensor(*arguments))
        else:
            raise NotAListingError(
                f"it calls {getattr(called, 'name', type(called).__name__)!r:.120} as no tensor is made"
            )

    def find_storage(self) -> None:
        """Put the storage that an id describes in its place."""
        (described,) = self.take(1)
        kind, class_, key, _device, size = described
        if kind != "storage" or not isinstance(class_, _Global) or class_.name not in NUMBER_FORMATS:
            raise NotAListingError("it asks for an object by an id that is no storage of numbers")
        self.stack.append(Storage(NUMBER_FORMATS[class_.name], _text(key), _count(size)))

    def drop_state(self) -> None:
        """Drop the attributes of the dictionary on the stack: torch notes the versions of its modules there."""
        self.take(1)
        self.dictionary()

    def remember(self, index: int | None) -> None:
        """Keep the top of the stack in the memo."""
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def recall(self, index: int) -> None:
        """Put a value of the memo on the stack."""
        self.stack.append(self.memo[index])


def _tensor(storage: object, first: object, shape: object, strides: object, *rest: object) -> StoredTensor:
    """The arguments of torch's ``_rebuild_tensor_v2``; behind these are requires_grad, hooks and metadata."""
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise TypeError("a tensor without storage, shape or strides")
    if len(shape) != len(strides) or any(rest[2:]):
        raise ValueError("a tensor whose strides do not fit its shape, or of a kind of its own")
    return StoredTensor(storage, _count(first), tuple(map(_count, shape)), tuple(map(_count, strides)))


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62:
        raise ValueError(f"{value!r:.40} where a number of elements is expected")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} where a text is expected")
    return value


_CONSTANTS: dict[str, Hashable] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_ARGUMENTS = frozenset(
    {"BINFLOAT", "BININT", "BININT1", "BININT2", "BINUNICODE", "BINUNICODE8", "LONG1", "SHORT_BINUNICODE"}
)
_IGNORED = frozenset({"FRAME", "PROTO", "STOP"})
_BY_ARGUMENT: dict[str, Callable[[_Machine, Any], None]] = {
    "BINGET": _Machine.recall,
    "BINPUT": _Machine.remember,
    "GLOBAL": _Machine.name,
    "LONG_BINGET": _Machine.recall,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
}
_BY_STACK: dict[str, Callable[[_Machine], None]] = {
    "APPEND": lambda machine: machine.put_values(machine.take(1)),
    "APPENDS": lambda machine: machine.put_values(machine.take_marked()),
    "BINPERSID": _Machine.find_storage,
    "BUILD": _Machine.drop_state,
    "EMPTY_DICT": lambda machine: machine.stack.append({}),
    "EMPTY_LIST": lambda machine: machine.stack.append([]),
    "MARK": lambda machine: machine.marks.append(len(machine.stack)),
    "REDUCE": _Machine.call,
    "SETITEM": lambda machine: machine.put_items(machine.take(2)),
    "SETITEMS": lambda machine: machine.put_items(machine.take_marked()),
    "STACK_GLOBAL": _Machine.name_from_stack,
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.take_marked())),
    "TUPLE1": lambda machine: machine.put_tuple(1),
    "TUPLE2": lambda machine: machine.put_tuple(2),
    "TUPLE3": lambda machine: machine.put_tuple(3),
}
