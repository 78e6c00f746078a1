"""What the same work on files costs Claude in context, done in three ways.

Claude reads the files; or it reads them and passes the text on to a tool that takes text; or it hands paths
to a tool that reads files. The turns are scripted, the client and the server are real.
"""

import json
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .messages_api import MessagesApi, TurnMaker, at_once, text, tool_use

SERVER = "mcp__local-models__"
SENTENCE = "Say in one sentence of at most 18 words what the text is."


@dataclass(frozen=True, slots=True)
class Cost:
    """One conversation in bytes: all its requests, what the last has more than the first, what Claude wrote.

    `sent` is what the client sent in all, `added` what the work has put into the context, `written` the
    arguments of the tool calls, which are paid for as output.
    """

    requests: int
    sent: int
    added: int
    written: int


def cost_of(api: MessagesApi, conversation: str) -> Cost:
    """What the conversation came to, up to the request that carries the last tool results."""
    requests = api.of(conversation)
    sizes = [request.size for request in requests]
    inputs = [
        block["input"]
        for message in requests[-1].body["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    written = sum(len(json.dumps(given).encode()) for given in inputs)
    return Cost(len(requests), sum(sizes), sizes[-1] - sizes[0], written)


def reading(paths: Sequence[Path], at_a_time: int) -> list[TurnMaker]:
    """Claude reads the files, so many in a turn."""
    turns: list[TurnMaker] = [
        at_once(*(tool_use("Read", file_path=str(path)) for path in batch))
        for batch in _batches(paths, at_a_time)
    ]
    return [*turns, text("done")]


def passing_on(paths: Sequence[Path], at_a_time: int, instruction: str) -> list[TurnMaker]:
    """Claude reads the files and hands the text of each to the prompt tool, so many in a turn."""
    turns: list[TurnMaker] = []
    for batch in _batches(paths, at_a_time):
        turns.append(at_once(*(tool_use("Read", file_path=str(path)) for path in batch)))
        prompts = [f"{path.read_text(encoding='utf-8')}\n\n{instruction}" for path in batch]
        turns.append(at_once(*(tool_use(f"{SERVER}ask_local_llama", prompt=prompt) for prompt in prompts)))
    return [*turns, text("done")]


def handing_over(tool: str, **arguments: Any) -> list[TurnMaker]:
    """Claude names the paths to a tool that reads files, and reads its answer."""
    return [tool_use(f"{SERVER}{tool}", **arguments), text("done")]


def library_files(folder: Path, count: int, mean_bytes: int) -> list[Path]:
    """So many source files in `folder`: the modules of Python's own library that are nearest to that size."""
    folder.mkdir(parents=True, exist_ok=True)
    modules = sorted(
        _modules(), key=lambda module: (abs(module.stat().st_size - mean_bytes), module.as_posix())
    )
    copies = []
    for module in modules[:count]:
        copy = folder / f"{module.parent.name}_{module.name}"
        copy.write_bytes(module.read_bytes())
        copies.append(copy)
    return sorted(copies)


def library_beginnings(folder: Path, count: int, max_bytes: int) -> list[Path]:
    """So many small files in `folder`: the first lines of modules of Python's own library."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for module in sorted(_modules(), key=lambda module: (-module.stat().st_size, module.as_posix()))[:count]:
        copy = folder / f"{module.parent.name}_{module.name}"
        beginning = module.read_bytes()[:max_bytes]
        copy.write_bytes(beginning[: beginning.rfind(b"\n") + 1])
        copies.append(copy)
    return sorted(copies)


def _modules() -> Iterator[Path]:
    library = Path(sysconfig.get_path("stdlib"))
    for module in (*library.glob("*.py"), *library.glob("[a-z]*/*.py")):
        in_tests = module.parent.name in ("test", "tests", "site-packages", "idle_test")
        if not in_tests and module.read_bytes().isascii() and module.name != "__init__.py":
            yield module


def _batches(paths: Sequence[Path], size: int) -> Iterator[Sequence[Path]]:
    return (paths[start : start + size] for start in range(0, len(paths), size))
