"""Safe unpickling of untrusted files: plain containers, numbers, strings, NumPy arrays and scalars only.

A pickle is a program for a small stack machine that may import and call anything. Here it may name four objects of
NumPy and four of plain Python, which are replaced by stand-ins that validate their arguments; an array is built from
its bytes by `numpy.frombuffer` (NumPy's own unpickling trusts the declared data types, down to pointers). Source of
the machine: Python's `pickletools`; of the idea: "Restricting Globals" in the documentation of `pickle`.
"""

import io
import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError

MAX_BYTES = 256 * 2**20  # of a file
MAX_DEPTH = 64  # nested containers
MAX_TUPLE_VALUES = 100_000  # values in a tuple, repetitions included, because each is hashed
CONTAINERS = "EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS "
CONTAINERS += "EMPTY_SET ADDITEMS FROZENSET MARK POP POP_MARK DUP"
PLAIN = "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING "
PLAIN += "SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8"
HASHABLE = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET")
PUTS, GETS = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), ("GET", "BINGET", "LONG_BINGET")
OPCODES = {*CONTAINERS.split(), *PLAIN.split(), *PUTS, *GETS,
           "PROTO", "FRAME", "STOP", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"}  # fmt: skip
NUMPY_MODULES = re.compile(r"numpy\._?core\.multiarray")
DTYPE = re.compile(r"[biufcSU][0-9]{1,7}", re.ASCII)


class _RefusedError(Exception):
    """The pickle requests something that is not allowed; the text describes it."""


class _Extent(NamedTuple):
    """Nesting depth of a value on the stack, and its number of values, up to MAX_TUPLE_VALUES + 1."""

    depth: int
    values: int


MARK = _Extent(-1, 0)


def load_plain(path: Path) -> Any:
    """Read a pickle of plain containers, numbers, strings, NumPy arrays and scalars.

    Raises:
        GymQAError: the file is missing, too large or damaged, or requests anything else (named, not executed).
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise GymQAError(
                f"{path} has more than {MAX_BYTES // 2**20} MiB; too many for an annotation file; check the path"
            )
        data = path.read_bytes()
    except OSError as error:
        raise GymQAError(f"{path} cannot be read: {error.strerror or error}; check the path") from error
    try:
        _check_program(data)
        return _without_stand_ins(_Plain(io.BytesIO(data)).load(), {}, 0)
    except _RefusedError as error:
        raise GymQAError(
            f"{path} is refused: it {error}, and only containers, numbers, strings and NumPy arrays are read; "
            "get it from the data set's authors again"
        ) from error
    except Exception as error:  # damaged data can make pickle raise any exception
        raise GymQAError(
            f"{path} is not a complete pickle ({type(error).__name__}: {error}); get it from its authors again"
        ) from error


def _check_program(data: bytes) -> None:
    """Before execution, refuse instructions outside OPCODES, excessive memo slots and deeply nested containers."""
    stack: list[_Extent] = []
    memo: dict[int, _Extent] = {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        name = opcode.name
        if name not in OPCODES:
            raise _RefusedError(f"uses the instruction {name}")
        if name in PUTS:
            slot = len(memo) if name == "MEMOIZE" else int(str(argument))
            if slot > count:
                raise _RefusedError(f"asks for {slot} memo slots")
            memo[slot] = stack[-1]
        elif name in GETS:
            stack.append(memo[int(str(argument))])
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            _step(opcode, stack)
        if stack and stack[-1].depth > MAX_DEPTH:
            raise _RefusedError(f"puts more than {MAX_DEPTH} containers into one another")
        if stack and name in HASHABLE and stack[-1].values > MAX_TUPLE_VALUES:
            raise _RefusedError(f"names more than {MAX_TUPLE_VALUES} values in a tuple")


def _step(opcode: pickletools.OpcodeInfo, stack: list[_Extent]) -> None:
    """Simulate an instruction: pop its arguments from the stack and push its results, one level deeper."""
    before, taken = opcode.stack_before, []
    plain = len(before)
    if pickletools.markobject in before:
        plain = before.index(pickletools.markobject)
        while (extent := stack.pop()) is not MARK:
            taken.append(extent)
    taken += [stack.pop() for _ in range(plain)]
    depth = 1 + max((extent.depth for extent in taken), default=-1)
    pushed = _Extent(depth, min(MAX_TUPLE_VALUES + 1, 1 + sum(extent.values for extent in taken)))
    stack.extend(MARK if kind is pickletools.markobject else pushed for kind in opcode.stack_after)


class _Plain(pickle.Unpickler):
    """An unpickler whose only globals are the stand-ins."""

    def find_class(self, module: str, name: str) -> "_Name":
        known = NUMPY_MODULES.sub("numpy.multiarray", module).replace("__builtin__", "builtins") + "." + name
        if known not in _STAND_INS:
            raise _RefusedError(f"names {module}.{name}")
        return _Name(known)


class _Name:
    """An allowed global of a pickle; calling it validates the arguments and builds a plain value or a stand-in."""

    __slots__ = ("known",)

    def __init__(self, known: str) -> None:
        self.known = known

    def __call__(self, *arguments: Any) -> Any:
        return _STAND_INS[self.known](*arguments)

    def __setstate__(self, state: object) -> None:
        raise _RefusedError(f"changes {self.known}")


class _DType:
    """Stand-in for `numpy.dtype`: built from the type code, then the byte order; numbers and strings only."""

    __slots__ = ("value",)

    def __init__(self, code: object, align: object = False, copy: object = False) -> None:
        if not isinstance(code, str) or not DTYPE.fullmatch(code):
            raise _RefusedError(f"has values of the type {code!r}")
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, *inner = state[:5]
        if any(part is not None for part in inner):
            raise _RefusedError("has values of a type made of others")
        self.value = self.value.newbyteorder(order)

    def array(self, shape: tuple[int, ...], data: object, order: str) -> NDArray[Any]:
        """Build an array with its own memory from exactly the bytes it needs."""
        if not isinstance(data, bytes) or any(not isinstance(n, int) or n < 0 for n in shape):
            raise _RefusedError("has an array that is not made of bytes")
        if math.prod(shape) * self.value.itemsize != len(data) or not self.value.itemsize:
            raise _RefusedError(f"has {len(data)} bytes for an array of {math.prod(shape)} values of {self.value}")
        return np.frombuffer(data, self.value).reshape(shape, order="F" if order == "F" else "C").copy()


class _Array:
    """Stand-in for an array: empty until its state is set."""

    __slots__ = ("value",)

    def __init__(self, *_: object) -> None:
        self.value: NDArray[Any] = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _DType) or not isinstance(shape, tuple):
            raise _RefusedError("has an array of no data type")
        self.value = dtype.array(shape, data, "F" if fortran else "C")


def _scalar(dtype: object, data: object = b"") -> Any:
    """A NumPy scalar from its bytes."""
    if not isinstance(dtype, _DType):
        raise _RefusedError("has a scalar of no data type")
    return dtype.array((1,), data, "C")[0]


def _encoded(text: object, encoding: object = "latin1") -> bytes:
    """Bytes as protocols 0 to 2 write them: text in Latin-1."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"encodes {text!r} as {encoding!r}")
    return text.encode("latin-1")


def _never(*_: object) -> None:
    raise _RefusedError("calls numpy.ndarray")


_STAND_INS: dict[str, Any] = {
    "numpy.dtype": _DType,
    "numpy.ndarray": _never,  # named as the first argument of _reconstruct, never called
    "numpy.multiarray._reconstruct": _Array,
    "numpy.multiarray.scalar": _scalar,
    "_codecs.encode": _encoded,
    "builtins.bytes": lambda: b"",  # protocol 2 writes empty bytes as a call
    "builtins.set": set,  # protocols 0 to 3 write a set as a call with a list
    "builtins.frozenset": frozenset,
}


def _without_stand_ins(value: Any, seen: dict[int, Any], depth: int) -> Any:
    """The value with stand-ins replaced by arrays; a container referenced several times is converted once."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, (_Name, _DType)):
        raise _RefusedError("holds a function or a data type as a value")
    if not isinstance(value, (list, tuple, dict, set, frozenset)):
        return value
    if depth > MAX_DEPTH:
        raise _RefusedError(f"puts more than {MAX_DEPTH} containers into one another, or one into itself")
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, dict):
        result: Any = {
            _without_stand_ins(k, seen, depth + 1): _without_stand_ins(v, seen, depth + 1) for k, v in value.items()
        }
    else:
        result = type(value)(_without_stand_ins(item, seen, depth + 1) for item in value)
    seen[id(value)] = result
    return result
