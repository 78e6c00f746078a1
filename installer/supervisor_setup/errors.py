"""The errors that a user can mend, each with the exit code that the command line gives it."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command; scripts rely on them."""

    OK = 0
    ERROR = 1
    USAGE = 2
    DRIFT = 2  # click's own usage errors share the number; only `diff` and `doctor` report drift
    BUG = 3
    INTERRUPTED = 130


class UserError(Exception):
    """Something that the user can mend.

    The message names the file first, then what is wrong, without a final period; `hint` is the command or
    the step that mends it.
    """

    exit_code: Exit = Exit.ERROR

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(UserError):
    """The command was called in a way that it cannot serve."""

    exit_code = Exit.USAGE


class ConfigError(UserError):
    """config.yaml does not say something that can be installed."""


class TargetError(UserError):
    """A file that would be changed is in a state that must not be guessed at."""
