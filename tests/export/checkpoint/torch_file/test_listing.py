"""The pickle of a torch file is read as a list of tensors; anything else in it is refused by name."""

from __future__ import annotations

import pickle
import struct

import pytest

from embed_plugin.export.checkpoint.torch_file.listing import NotAListingError, Storage, StoredTensor, read_listing
from support.torch_files import listing, name, number, tensor, text

WEIGHT = tensor("FloatStorage", "0", 6, 0, (2, 3), (3, 1))


def test_tensors_are_listed_by_name() -> None:
    view = tensor("HalfStorage", "1", 8, 2, (), ())
    assert read_listing(listing({"a.weight": WEIGHT, "b": view})) == {
        "a.weight": StoredTensor(Storage("F32", "0", 6), 0, (2, 3), (3, 1)),
        "b": StoredTensor(Storage("F16", "1", 8), 2, (), ()),
    }


def test_a_plain_dictionary_of_a_newer_protocol_is_read_too() -> None:
    pickled = b"\x80\x04}\x94(" + text("a") + WEIGHT + b"u."
    assert list(read_listing(pickled)) == ["a"]


class Attack:
    """A class whose unpickling would run a command."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return __import__("os").system, ("echo run",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_function_of_the_system_is_named_and_not_run(protocol: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotAListingError, match=r"it names '(posix|nt)\.system', which is never imported"):
        read_listing(pickle.dumps({"a": Attack()}, protocol))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "named",
    [
        "builtins eval",
        "torch._utils _rebuild_parameter",
        "torch.storage UntypedStorage",
        "collections OrderedDict.__init__",
    ],
)
def test_any_other_name_is_refused(named: str) -> None:
    with pytest.raises(NotAListingError, match="which is never imported"):
        read_listing(b"\x80\x02" + name(named) + b".")


def test_a_known_function_is_called_with_its_own_arguments_alone() -> None:
    called = name("collections OrderedDict") + b"(" + number(1) + b"tR."
    with pytest.raises(NotAListingError, match="it calls 'collections OrderedDict' as no tensor is made"):
        read_listing(called)
    with pytest.raises(NotAListingError, match="it calls 'torch FloatStorage'"):
        read_listing(name("torch FloatStorage") + b")R.")


@pytest.mark.parametrize(
    ("pickled", "found"),
    [
        (b"", "damaged"),
        (b"\x80\x02}", "damaged"),
        (b"0.", "instruction POP"),
        (b"(i__main__\nX\n.", "instruction INST"),
        (b"\x80\x02]" + number(1) + b"a.", "holds a list, expected a dictionary"),
        (b"\x80\x02}" + text("a") + number(1) + b"s.", "entry 'a' is a int"),
        (b"\x80\x02}" + number(1) + WEIGHT + b"s.", "entry 1 is a StoredTensor"),
        (b"\x80\x02}" + text("a") + name("torch FloatStorage") + b"s.", "entry 'a' is a Global"),
        (b"\x80\x02})" + number(1) + b"s.", "damaged"),
        (b"h\x07.", "damaged"),
        (b"t.", "damaged"),
        (b"\x80\x02}(u" + b"(" * 3 + b"0.", "instruction POP"),
        (b"X" + struct.pack("<I", 2**32 - 1) + b"x.", "damaged"),
    ],
)
def test_what_is_no_dictionary_of_tensors_is_refused(pickled: bytes, found: str) -> None:
    with pytest.raises(NotAListingError, match=found):
        read_listing(pickled)


@pytest.mark.parametrize(
    "made",
    [
        tensor("FloatStorage", "0", -6, 0, (2, 3), (3, 1)),
        tensor("FloatStorage", "0", 6, -1, (2, 3), (3, 1)),
        tensor("FloatStorage", "0", 6, 0, (2, -3), (3, 1)),
        tensor("FloatStorage", "0", 6, 0, (2, 3), (3,)),
        tensor("FloatStorage", "0", 6, 0, (2**70,), (1,)),
    ],
)
def test_negative_and_enormous_numbers_are_refused(made: bytes) -> None:
    with pytest.raises(NotAListingError, match="damaged"):
        read_listing(listing({"a": made}))


def test_values_that_name_each_other_many_times_cost_nothing() -> None:
    """Each tuple holds the one before it twice: written out, it has 2 to the power of 60 values."""
    doubled = b")" + b"q\x00h\x00\x86" * 60
    with pytest.raises(NotAListingError, match="expected a tensor by its name"):
        read_listing(b"\x80\x02}" + text("a") + doubled + b"s.")
    with pytest.raises(NotAListingError, match="neither a text nor a number"):
        read_listing(b"\x80\x02}" + doubled + number(1) + b"s.")


def test_a_memo_of_four_billion_places_costs_nothing() -> None:
    pickled = b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + text("a") + WEIGHT + b"s."
    assert list(read_listing(pickled)) == ["a"]
