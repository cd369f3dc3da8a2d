"""A reader of the pickles in torch's files, which calls nothing but what is written here.

A pickle is a program for a machine with a stack. This machine knows the instructions that state
dicts are made of, and the few names of :data:`_NAMES`; what a name is called with becomes a
description of a tensor, and nothing is imported or run. Source: Python's ``pickletools``, and
torch's ``torch/serialization.py`` and ``torch/_utils.py``.
"""

import math
import pickletools
from collections.abc import Callable
from typing import IO, Any, NamedTuple, Protocol, cast

from texsynth.errors import WeightsError

_MOST_INSTRUCTIONS = 50_000  # a state dict has about twenty for a tensor
_LARGEST_INTEGER = 1 << 62  # values; no file is as long
_INTEGERS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG"}
_TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "UNICODE"}
_MEMORISES = {"BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"}
_RECALLS = {"BINGET", "LONG_BINGET", "GET"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_SHORT_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = {"PROTO", "FRAME"}
_CALLS = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID"}

_DTYPES = {
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "DoubleStorage": "f8",
    "BFloat16Storage": "bfloat16",
    "CharStorage": "i1",
    "ShortStorage": "i2",
    "IntStorage": "i4",
    "LongStorage": "i8",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "ComplexFloatStorage": "c8",
    "ComplexDoubleStorage": "c16",
}


class Readable(Protocol):
    """What a pickle is read from."""

    def read(self, count: int, /) -> bytes:
        """Returns the next bytes, fewer at the end."""

    def readline(self) -> bytes:
        """Returns the bytes to the next end of a line."""


class Storage(NamedTuple):
    """Where the values of one or more tensors are.

    Attributes:
        key: Its name within the file.
        kind: NumPy's name of the values' type, or ``"bfloat16"``.
        length: Number of values.
    """

    key: str
    kind: str
    length: int


class Tensor(NamedTuple):
    """A tensor whose values are not read yet.

    Attributes:
        storage: Where they are.
        offset: Place of the first of them, in values.
        shape: The tensor's.
        strides: Values from one position to the next, along each axis.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def end(self) -> int:
        """Number of values that the storage must have for this tensor."""
        if not math.prod(self.shape):
            return 0
        steps = zip(self.shape, self.strides, strict=True)
        return self.offset + sum((side - 1) * step for side, step in steps) + 1


class _Name(NamedTuple):
    """A name that is not called with anything here."""

    text: str


class _Mark:
    """Begins what is taken off the stack together."""


def load(file: Readable) -> Any:
    """Reads one pickle, from where a file stands to the pickle's end.

    Args:
        file: A file, of which no more than the pickle is read.

    Returns:
        Texts, numbers, tuples, lists, dicts with texts for keys, :class:`Storage` and
        :class:`Tensor`.

    Raises:
        texsynth.errors.WeightsError: It contains something else.
        Exception: Whatever ``pickletools`` raises on damaged bytes, or this machine on a program
            that makes no sense.
    """
    machine = _Machine()
    instructions = pickletools.genops(cast(IO[bytes], file))
    for count, (instruction, argument, _) in enumerate(instructions):
        if instruction.name == "STOP":
            return machine.pop()
        if count > _MOST_INSTRUCTIONS:
            raise WeightsError("contains more than a state dict: its pickle is too long")
        machine.take(instruction.name, argument)
    raise ValueError("a pickle without an end")


class _Machine:
    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memory: dict[int, Any] = {}
        self._storages: dict[str, Storage] = {}

    def pop(self) -> Any:
        value = self._stack.pop()
        if value is _Mark:
            raise ValueError("a mark where a value must be")
        return value

    def take(self, name: str, argument: Any) -> None:
        """Carries out an instruction."""
        if name in _IGNORED:
            return
        if name in _MEMORISES:
            place = len(self._memory) if argument is None else argument
            self._memory[place] = self._top()
        elif name in _RECALLS:
            self._stack.append(self._memory[argument])
        elif name in _INTEGERS | _TEXTS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _SHORT_TUPLES:
            items = [self.pop() for _ in range(_SHORT_TUPLES[name])]
            self._stack.append(tuple(reversed(items)))
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        elif name in _CALLS:
            raise WeightsError(_refusal(f"a pickle's {name}"))
        else:
            raise ValueError(f"a pickle's {name}, which no state dict has")

    def _top(self) -> Any:
        value = self.pop()
        self._stack.append(value)
        return value

    def _since_mark(self) -> list[Any]:
        items = []
        while (item := self._stack.pop()) is not _Mark:
            items.append(item)
        return items[::-1]

    def _mark(self, argument: None) -> None:
        self._stack.append(_Mark)

    def _tuple(self, argument: None) -> None:
        self._stack.append(tuple(self._since_mark()))

    def _list(self, argument: None) -> None:
        self._stack.append([])

    def _dict(self, argument: None) -> None:
        self._stack.append({})

    def _append(self, argument: None) -> None:
        self._extend([self.pop()])

    def _appends(self, argument: None) -> None:
        self._extend(self._since_mark())

    def _extend(self, items: list[Any]) -> None:
        _checked(self._top(), list).extend(items)

    def _set_item(self, argument: None) -> None:
        value, key = self.pop(), self.pop()
        self._set([key, value])

    def _set_items(self, argument: None) -> None:
        self._set(self._since_mark())

    def _set(self, items: list[Any]) -> None:
        target = _checked(self._top(), dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_checked(key, str)] = value

    def _build(self, argument: None) -> None:
        """Attributes of a state dict: torch notes its modules' versions there."""
        self.pop()
        _checked(self._top(), dict)

    def _global(self, argument: str) -> None:
        self._stack.append(_named(*argument.split(" ", 1)))

    def _stack_global(self, argument: None) -> None:
        name, module = self.pop(), self.pop()
        self._stack.append(_named(_checked(module, str), _checked(name, str)))

    def _reduce(self, argument: None) -> None:
        arguments, name = _checked(self.pop(), tuple), _checked(self.pop(), _Name)
        if name.text not in _NAMES:
            raise WeightsError(_refusal(name.text))
        self._stack.append(_NAMES[name.text](*arguments))

    def _persistent(self, argument: None) -> None:
        """A storage, as torch writes it; files of before 0.4 could have views of one."""
        kind, storage, key, _, length, *view = _checked(self.pop(), tuple)
        if kind != "storage" or any(part is not None for part in view):
            raise WeightsError(_refusal("a view of a storage"))
        dtype = _DTYPES[_checked(storage, _Name).text.removeprefix("torch.")]
        said = Storage(_checked(key, str), dtype, _count(length))
        # Tensors are measured by what is said here; the values of a key are read but once.
        if self._storages.setdefault(said.key, said) != said:
            raise ValueError(f"storage {said.key} is of two types or lengths")
        self._stack.append(said)


_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine._mark,
    "TUPLE": _Machine._tuple,
    "EMPTY_LIST": _Machine._list,
    "EMPTY_DICT": _Machine._dict,
    "APPEND": _Machine._append,
    "APPENDS": _Machine._appends,
    "SETITEM": _Machine._set_item,
    "SETITEMS": _Machine._set_items,
    "BUILD": _Machine._build,
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "BINPERSID": _Machine._persistent,
}


def _named(module: str, name: str) -> _Name:
    known = f"{module}.{name}"
    if known not in _NAMES and known.removeprefix("torch.") not in _DTYPES:
        raise WeightsError(_refusal(known))
    return _Name(known)


def _refusal(what: str) -> str:
    return (
        f"contains {what}, more than tensors, which is not loaded because it could run code; "
        "save only the state_dict"
    )


def _ordered_dict(*pairs: Any) -> dict[str, Any]:
    if pairs:
        raise ValueError("a dict with contents of its own")
    return {}


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *others: Any) -> Tensor:
    sides = tuple(map(_count, _checked(shape, tuple)))
    steps = tuple(map(_count, _checked(strides, tuple)))
    if len(sides) != len(steps):
        raise ValueError("a tensor with another number of strides than of sides")
    tensor = Tensor(_checked(storage, Storage), _count(offset), sides, steps)
    if tensor.end > tensor.storage.length:
        raise ValueError("a tensor reaches beyond its storage")
    return tensor


def _parameter(data: Any, *others: Any) -> Tensor:
    return cast(Tensor, _checked(data, Tensor))


_NAMES: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
}


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"a {type(value).__name__} where a {kind.__name__} must be")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST_INTEGER:
        raise ValueError("a number that counts nothing")
    return value
