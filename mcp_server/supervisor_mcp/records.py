"""Immutable records that cost nothing at start-up.

The client waits for this server at every start. Importing `dataclasses` takes 12 ms of that wait and
`typing.NamedTuple` 5 ms (the whole server starts in some 30), so the records share this base instead.
Type checkers see frozen, keyword-only dataclasses.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        """Stand in for the marker of the same name, which only type checkers read."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record:
    """Base of an immutable value whose fields are its annotations; a class attribute is a field's default."""

    def __init__(self, **values: "Any") -> None:
        """Set every field.

        Raises:
            TypeError: A field without a default is missing, or a name is not a field.
        """
        fields = type(self).__annotations__
        unknown = values.keys() - fields.keys()
        missing = [name for name in fields if name not in values and not hasattr(type(self), name)]
        if unknown or missing:
            raise TypeError(f"{type(self).__name__}: unknown {sorted(unknown)}, missing {missing}")
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: records do not change")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._values() == other._values()

    __hash__ = None  # type: ignore[assignment] # fields may be mappings

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self._values().items())
        return f"{type(self).__name__}({inside})"

    def but(self, **changes: "Any") -> "Self":
        """The same with some fields changed."""
        return type(self)(**{**self._values(), **changes})

    def _values(self) -> "dict[str, Any]":
        return {name: getattr(self, name) for name in type(self).__annotations__}
