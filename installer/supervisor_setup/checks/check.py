"""What a check is: an id that never changes, a small function, and how far it reaches."""

from collections.abc import Callable, Iterable
from enum import IntEnum
from importlib import import_module
from typing import TYPE_CHECKING

from supervisor_setup.findings import Finding
from supervisor_setup.values import dataclass

if TYPE_CHECKING:
    from supervisor_setup.checks.world import World


class Reach(IntEnum):
    """How far a check reaches out; a run takes all up to its own reach."""

    FILES = 0
    """Reads files: the whole of `--offline`."""
    LOCAL = 1
    """Starts processes on this machine and connects to the configured backends: the default."""
    DEEP = 2
    """Starts the real client and sends prompts to the backends: `--deep`."""


Run = Callable[["World"], Iterable[Finding]]


class Later:
    """A check's function that is imported when it is run or explained, so that `--offline` does not pay."""

    def __init__(self, module: str, name: str) -> None:
        """The function `name` of the module `module` beside this one."""
        self._module = module
        self._name = name

    def __call__(self, world: "World") -> Iterable[Finding]:
        return self.load()(world)

    def load(self) -> Run:
        """The function itself."""
        found: Run = getattr(import_module(f"{__package__}.{self._module}"), self._name)
        return found


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a check is for, in a reader's words."""

    catches: str
    why: str
    mend: str


@dataclass(frozen=True, slots=True)
class Check:
    """A check: the id of all its findings, and the function that finds them.

    The function's docstring is its documentation, here and in docs/doctor.md: a line with what it catches, a
    paragraph with why that matters, and one that begins with `Mend:`. After `timeout_s` seconds the run goes
    on without it.
    """

    id: str
    run: Run
    reach: Reach = Reach.FILES
    timeout_s: float = 15.0

    @property
    def family(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]

    def chosen_by(self, word: str) -> bool:
        """Whether `--check WORD` means this check: its id, its family, or its family as FAMILY.*."""
        return word in (self.id, self.family, f"{self.family}.*")

    @property
    def explanation(self) -> Explanation:
        """The parts of the function's docstring."""
        run = self.run.load() if isinstance(self.run, Later) else self.run
        paragraphs = [" ".join(one.split()) for one in (run.__doc__ or "").split("\n\n")]
        catches, *rest = paragraphs
        mend = [one.removeprefix("Mend: ") for one in rest if one.startswith("Mend: ")]
        why = [one for one in rest if not one.startswith("Mend: ")]
        return Explanation(catches, " ".join(why), " ".join(mend))
