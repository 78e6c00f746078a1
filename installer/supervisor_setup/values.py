"""Frozen dataclasses that cost nearly nothing at start-up.

`dataclasses` writes each class's methods as text and compiles them when the class is made. That takes a
millisecond a class, and `doctor` has some sixty. Here the methods are closures over the fields' names, and
everything else (`field`, `replace`, `asdict`, `match`) is the standard library's. Type checkers see its own
decorator. Tests hold the two against each other.
"""

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool) -> Callable[[type], type]:
        """As `dataclasses.dataclass` with these two options, which every class here has."""
        assert frozen
        assert slots
        return _frozen


def _frozen(cls: type) -> type:
    cls.__setattr__ = _refuse_to_set  # type: ignore[assignment,method-assign] # here nothing returns
    cls.__delattr__ = _refuse_to_delete  # type: ignore[assignment,method-assign]
    made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    for name, method in _methods(made).items():
        # A method that the class has itself stays, as in the standard library.
        if name not in cls.__dict__:
            setattr(made, name, method)
    return made


def _methods(cls: type) -> dict[str, Callable[..., Any]]:
    fields = dataclasses.fields(cls)
    names = tuple(one.name for one in fields)
    defaults = {one.name: one.default for one in fields if one.default is not dataclasses.MISSING}
    factories = {
        one.name: one.default_factory for one in fields if one.default_factory is not dataclasses.MISSING
    }
    shown = tuple(one.name for one in fields if one.repr)
    compared = _getter(tuple(one.name for one in fields if one.compare))
    put = object.__setattr__

    def init(self: object, /, *values: Any, **named: Any) -> None:
        for name, value in zip(names, values, strict=False):
            put(self, name, value)
        for name in names[len(values) :]:
            if name in named:
                put(self, name, named.pop(name))
            elif name in defaults:
                put(self, name, defaults[name])
            elif name in factories:
                put(self, name, factories[name]())
            else:
                raise TypeError(f"{cls.__qualname__}: {name} is missing")
        if named or len(values) > len(names):
            odd = ", ".join(named) or f"{len(values)} values for {len(names)} fields"
            raise TypeError(f"{cls.__qualname__}: too much was given: {odd}")

    def equal(self: object, other: object) -> bool:
        return compared(self) == compared(other) if type(self) is type(other) else NotImplemented

    def hashed(self: object) -> int:
        return hash(compared(self))

    def represented(self: object) -> str:
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{cls.__qualname__}({inside})"

    return {"__init__": init, "__eq__": equal, "__hash__": hashed, "__repr__": represented}


def _getter(names: tuple[str, ...]) -> Callable[[object], tuple[Any, ...]]:
    """What gives an object's values of these names as a tuple."""
    if len(names) > 1:  # for a single name it would give the bare value
        return attrgetter(*names)
    return lambda one: tuple(getattr(one, name) for name in names)


def _refuse_to_set(_self: object, name: str, _value: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
