"""Our dataclasses behave as the standard library's, which is what type checkers take them for."""

import dataclasses
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import supervisor_setup
from supervisor_setup.values import dataclass as ours

THEIRS = dataclasses.dataclass


def _some(decorator):
    @decorator(frozen=True, slots=True)
    class Some:
        """A value with every kind of field."""

        first: str
        second: int = 2
        many: list[int] = dataclasses.field(default_factory=list)
        apart: object = dataclasses.field(default=None, repr=False, compare=False)

        @property
        def doubled(self) -> int:
            return 2 * self.second

    return Some


def _single(decorator):
    @decorator(frozen=True, slots=True)
    class Single:
        """A value with one field."""

        only: object

    return Single


def _with_own_text(decorator):
    @decorator(frozen=True, slots=True)
    class Told:
        """A value that says itself how it looks and when it is equal."""

        only: int

        def __repr__(self) -> str:
            return "as told"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    return Told


@pytest.fixture(params=[ours, THEIRS], ids=["ours", "theirs"])
def decorator(request):
    return request.param


def test_fields_come_by_place_by_name_and_by_default(decorator):
    some = _some(decorator)
    assert [getattr(some("a"), name) for name in ("first", "second", "many", "apart")] == ["a", 2, [], None]
    given = some("a", many=[1], second=3)
    assert (given.first, given.second, given.many, given.doubled) == ("a", 3, [1], 6)
    assert some("a").many is not some("a").many


@pytest.mark.parametrize(
    ("places", "names"),
    [((), {}), (("a", 1, [], None, "more"), {}), (("a",), {"odd": 1}), (("a",), {"first": "b"})],
    ids=["one is missing", "too many", "an unknown name", "one twice"],
)
def test_wrong_arguments_are_refused(decorator, places, names):
    with pytest.raises(TypeError):
        _some(decorator)(*places, **names)


def test_equal_values_are_equal_and_have_one_hash(decorator):
    some, single = _some(decorator), _single(decorator)
    assert some("a", apart=1) == some("a", apart=2)
    assert some("a") != some("b")
    assert single(1) == single(1.0)
    assert len({single("a"), single("a"), single("b")}) == 2
    assert single("a") != _single(decorator)("a")
    assert single("a") != ("a",)
    with pytest.raises(TypeError, match="unhashable"):
        hash(some("a"))


def test_a_value_that_is_not_equal_to_itself_is_compared_as_in_a_tuple():
    # The standard library does so up to 3.12, and compares field by field since.
    single, nan = _single(ours), float("nan")
    assert single(nan) == single(nan)
    assert single(nan) != single(float("nan"))


def test_it_shows_its_fields(decorator):
    assert repr(_some(decorator)("a", apart=1)).endswith("Some(first='a', second=2, many=[])")
    assert "_some.<locals>." in repr(_some(decorator)("a"))


def test_nothing_can_be_set_or_deleted(decorator):
    value = _some(decorator)("a")
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'first'"):
        value.first = "b"
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'first'"):
        del value.first
    assert not hasattr(value, "__dict__")


def test_methods_of_its_own_stay(decorator):
    told = _with_own_text(decorator)
    assert (repr(told(1)), told(1) == told(2), hash(told(1))) == ("as told", True, 7)


def test_the_standard_librarys_functions_take_it(decorator):
    some = _some(decorator)
    assert dataclasses.replace(some("a"), second=5) == some("a", 5)
    assert dataclasses.asdict(some("a")) == {"first": "a", "second": 2, "many": [], "apart": None}
    match some("a", 9):
        case some(first, second):
            assert (first, second) == ("a", 9)


def test_every_class_here_is_made_of_fields_alone():
    """What the short form does not do: fields of a base class, `__post_init__`, `ClassVar`."""
    root = Path(supervisor_setup.__file__).parent
    seen = 0
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if "from supervisor_setup.values import dataclass" not in path.read_text(encoding="utf-8"):
            continue
        module = import_module(".".join(parts).removesuffix(".__init__"))
        for _, one in inspect.getmembers(module, dataclasses.is_dataclass):
            seen += 1
            assert not hasattr(one, "__post_init__"), one
            assert not any(map(dataclasses.is_dataclass, one.__mro__[1:])), one
            assert "ClassVar" not in str(one.__annotations__), one
    assert seen > 60
