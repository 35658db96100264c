"""Pickles of others: plain values come out as they went in, and nothing else is ever run."""

import os
import pickle
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.video_datasets.restricted_pickle import MAX_BYTES, load_plain
from tests.helpers.naming import naming

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.tuples(st.text(max_size=2), st.integers()), inner, max_size=4)
        | st.frozensets(st.integers(), max_size=4)
        | st.sets(st.text(max_size=3), max_size=4)
    ),
    max_leaves=12,
)


def load(data: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.pkl"
        path.write_bytes(data)
        return load_plain(path)


@given(plain, st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_values_come_out_as_they_went_in(value: object, protocol: int) -> None:
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array([1, 2], ">i4"),
        np.array(["ab", "cdé"]),
        np.array([True, False]),
        np.zeros((0, 3), np.float32),
        np.array(5.0),
    ],
)
def test_arrays_come_out_as_they_went_in(array: np.ndarray[Any, Any], protocol: int) -> None:
    found = load(pickle.dumps({"a": [array, array]}, protocol))["a"]
    np.testing.assert_array_equal(found[0], array)
    assert found[0].dtype == array.dtype and found[0] is found[1]


@given(st.integers(-(2**40), 2**40), st.floats(allow_nan=False))
def test_scalars_come_out_as_they_went_in(whole: int, real: float) -> None:
    assert load(pickle.dumps([np.int64(whole), np.float64(real), np.bool_(True)])) == [whole, real, True]


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("function", "name"), [(os.system, r"(posix|nt)\.system"), (eval, r"(builtins|__builtin__)\.eval")]
)
def test_a_call_is_named_and_not_made(tmp_path: Path, function: Any, name: str, protocol: int) -> None:
    victim = tmp_path / "victim"
    words = f"touch {victim}" if function is os.system else f"open({str(victim)!r}, 'w')"
    with pytest.raises(GymQAError, match=rf"some\.pkl .*{name}"):
        load(pickle.dumps([1, {"a": Call(function, words)}], protocol))
    assert not victim.exists()


def dtype_then(state: bytes) -> bytes:
    """A dtype "i8" whose state is set to what `state` pushes."""
    return b"cnumpy\ndtype\n(X\x02\x00\x00\x00i8I00\nI01\ntR" + state + b"b"


POINTERS = np.array(["a", "b"], dtype=object)
ATTACKS: dict[str, tuple[bytes, tuple[object, ...]]] = {
    "instance by class": (b"(ios\nsystem\n.", ("INST",)),
    "instance by object": (b"(cos\nsystem\nX\x01\x00\x00\x00ao.", ("OBJ",)),
    "new object": (b"\x80\x02]cos\nsystem\n)\x81.", ("NEWOBJ",)),
    "extension": (b"\x80\x02\x82\x01.", ("EXT1",)),
    "persistent id": (b"P1\n.", ("PERSID",)),
    "dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0ectypeslib.load\x93.", ("numpy.ctypeslib.load",)),
    "other numpy": (b"cnumpy\nload\n(X\x01\x00\x00\x00atR.", ("numpy.load",)),
    "huge memo": (b"\x80\x02Nr\xff\xff\xff\x7f.", (2147483647,)),
    "pointers": (pickle.dumps(POINTERS, 2), ("'O8'",)),
    "records": (pickle.dumps(np.zeros(2, [("a", "i4")]), 2), ("'V4'",)),
    "dtype made of others": (
        dtype_then(b"(I3\nX\x01\x00\x00\x00<(X\x02\x00\x00\x00i8I1\ntNNI-1\nI-1\nI0\nt") + b".",
        ("type", "others"),
    ),
    "too few bytes": (pickle.dumps(np.arange(9), 2).replace(b"K\t\x85", b"K\x63\x85"), (99,)),
    "an array of no data type": (
        b"cnumpy.core.multiarray\n_reconstruct\n)R(I1\n)NI00\nX\x01\x00\x00\x00atb.", ("array", "type")
    ),
    "a scalar of no data type": (b"cnumpy.core.multiarray\nscalar\n(NNtR.", ("scalar", "type")),
    "a name as a value": (b"\x80\x02]cnumpy\ndtype\na.", ("function", "value")),
    "a changed name": (b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb.", ("numpy.dtype",)),
    "a call of ndarray": (b"\x80\x02cnumpy\nndarray\n(K\x02tR.", ("numpy.ndarray",)),
    "tower of tuples": (b"\x80\x02)" + b"\x85" * 200_000 + b".", (64,)),
    "tower as a key": (b"\x80\x02})" + b"\x85" * 200_000 + b"K\x01s.", (64,)),
    "key named over and over": (b"\x80\x02})" + b"q\x00h\x00\x86" * 50 + b"K\x01s.", (100000,)),
    "list in itself": (b"\x80\x02]q\x00h\x00a.", ("itself",)),
    "other codec": (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR.", ("'a'", "'rot13'")),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_what_a_pickle_may_not_do_is_named(name: str) -> None:
    data, named = ATTACKS[name]
    with pytest.raises(GymQAError, match=naming("some.pkl", *named)):
        load(data)


def test_a_list_that_names_itself_a_billion_times_is_read_once() -> None:
    value: list[Any] = ["lol"]
    for _ in range(40):
        value = [value, value]
    assert load(pickle.dumps(value))[0][1][0] is not None


def test_classes_of_others_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming("some.pkl", "collections.OrderedDict")):
        load(pickle.dumps(OrderedDict(a=1)))


@pytest.mark.parametrize("data", [b"", b"no pickle", pickle.dumps([1, 2])[:-1], b"\x80\x02K\x01", b"\x80\x63N.", b"0."])
def test_a_damaged_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(GymQAError, match=naming("some.pkl")):
        load(data)


def test_a_missing_or_a_huge_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("absent.pkl")):
        load_plain(tmp_path / "absent.pkl")
    with (tmp_path / "huge.pkl").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # takes no room on the disk
    with pytest.raises(GymQAError, match=naming("huge.pkl", "256 MiB")):
        load_plain(tmp_path / "huge.pkl")


ops = st.sampled_from(
    [b"(", b")", b"]", b"}", b"t", b"\x85", b"\x86", b"a", b"e", b"s", b"u", b"l", b"d", b"0", b"1", b"2", b"N",
     b"K\x01", b"q\x00", b"h\x00", b"\x94", b"R", b"b", b"cnumpy\ndtype\n", b"cnumpy\nndarray\n",
     b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy.core.multiarray\nscalar\n", b"X\x02\x00\x00\x00i8", b"C\x01a",
     b"\x8f", b"\x90", b"\x91", b"I3\n"]
)  # fmt: skip


@given(st.lists(ops, max_size=30), st.binary(max_size=8))
def test_any_program_gives_a_value_or_one_sentence(program: list[bytes], tail: bytes) -> None:
    for data in (b"".join(program) + b".", b"".join(program) + tail, tail):
        try:
            load(data)
        except GymQAError as error:
            assert len(str(error)) < 2000


@pytest.mark.slow
def test_the_released_pickles_are_read(shared: Path) -> None:
    folder = shared / "real" / "finediving_annotations"
    fine = load_plain(folder / "FineDiving_fine-grained_annotation.pkl")
    assert len(fine) == 3000 and fine["01", 1]["steps_transit_frames"].tolist() == [2, 34]
    assert load_plain(folder / "Sub_action_Types_Table.pkl")[1] == "Forward"
    coarse = load_plain(folder / "FineDiving_coarse_annotation.pkl")
    assert sum(len(entry["judge_scores"]) for entry in coarse.values()) > 3000
