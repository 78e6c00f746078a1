"""Why llama.cpp's server ended, in words: from its exit code and its last lines to a failure with a hint."""

import re
from collections.abc import Sequence

from supervisor_mcp.embedded.process import Plan
from supervisor_mcp.records import Record

_MAX_LINE_CHARS = 200
_KILLED = 128 + 9
_HEAD = re.compile(r"^[\d.]+ [A-Z] +(?:\w+ +)?(?:[\w()]+: +)?")  # 0.00.061.381 E srv  load_model: …
_COMPLAINT = re.compile(r"^[\d.]+ E |error|fail|couldn't|cannot|insufficient|terminate", re.IGNORECASE)
_MEMORY_HINT = (
    "close other programs, or set a smaller `model` or fewer `context_tokens` under `embedded` in config.yaml"
)


class _Cause(Record):
    """A line that tells the cause, what happened in words, and the hint; both may name {model} and {line}."""

    pattern: str
    text: str
    hint: str


_CAUSES = (
    _Cause(
        pattern=r"insufficient memory|out of memory|bad_alloc|failed to allocate|unable to allocate"
        r"|cannot allocate|erroroutofdevicememory",
        text="there is not enough memory for it",
        hint=_MEMORY_HINT,
    ),
    _Cause(
        pattern=r"couldn't bind|failed to bind|address already in use",
        text="it found no free port on this machine",
        hint="look for what holds so many ports (`ss -lt`), or try again",
    ),
    _Cause(
        pattern=r"unknown (?:pre-tokenizer|model architecture)|software only supports up to version",
        text="its llama.cpp cannot read {model}: {line}",
        hint="install a newer llama.cpp, or set another `model` under `embedded` in config.yaml",
    ),
    _Cause(
        pattern=r"corrupted or incomplete|error loading model|failed to read|invalid magic|gguf_init",
        text="{model} is damaged or incomplete: {line}",
        hint="download or install the model again, or set another `model` under `embedded` in config.yaml",
    ),
    _Cause(
        pattern=r"loading shared libraries|library not loaded|^cannot run|exec format error",
        text="its program does not run here: {line}",
        hint="install llama.cpp again, or set `program` under `embedded` in config.yaml to a llama-server",
    ),
    _Cause(
        pattern=r"invalid argument|unknown argument|unrecognized",
        text="its program does not know an option: {line}",
        hint="install a newer llama.cpp, or set `program` under `embedded` in config.yaml to a llama-server",
    ),
)


def at_start(plan: Plan, exit_code: int, lines: Sequence[str]) -> tuple[str, str]:
    """Why a server ended before it was ready, and what the user can do about it."""
    for cause in _CAUSES:
        for line in lines:
            if re.search(cause.pattern, line, re.IGNORECASE):
                return cause.text.format(model=plan.model, line=_shown(line)), cause.hint
    if exit_code == _KILLED:
        return f"it {_how(exit_code)}, as when the memory runs out", _MEMORY_HINT
    return f"it {_how(exit_code)}{_complaint(lines)}", _run_hint(plan)


def in_the_middle(plan: Plan, exit_code: int, lines: Sequence[str]) -> tuple[str, str]:
    """How a server ended that was working, and what the user can do about it."""
    if exit_code == _KILLED or any(re.search(_CAUSES[0].pattern, line, re.IGNORECASE) for line in lines):
        return f"{_how(exit_code)}, as when the memory runs out", _MEMORY_HINT
    return f"{_how(exit_code)}{_complaint(lines)}", _run_hint(plan)


def _how(exit_code: int) -> str:
    return f"was killed by signal {exit_code - 128}" if exit_code > 128 else f"ended with code {exit_code}"


def _complaint(lines: Sequence[str]) -> str:
    """The first line that complains, the last one where none does."""
    told = [line for line in lines if line]
    line = next(filter(_COMPLAINT.search, told), told[-1] if told else "")
    return f": {_shown(line)}" if line else ""


def _shown(line: str) -> str:
    text = " ".join(_HEAD.sub("", line).split()).rstrip(".")
    return text if len(text) <= _MAX_LINE_CHARS else text[:_MAX_LINE_CHARS] + "…"


def _run_hint(plan: Plan) -> str:
    return f"see what this says: {plan.program} --model {plan.model} --port 0"
