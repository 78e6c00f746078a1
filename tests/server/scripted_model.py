"""A model for tests of the file tools: answers each prompt with what a function makes of it."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_backend import LITELLM_CONTEXT, FakeBackend, Handler, event

from supervisor_mcp import settings
from supervisor_mcp.accounting import Account
from supervisor_mcp.calls import Call
from supervisor_mcp.core import Core
from supervisor_mcp.delegation import Delegation
from supervisor_mcp.files.library import Library
from supervisor_mcp.tools import serving
from supervisor_mcp.tools.ports import Bench, Memory, NoMemory, Outcome


@dataclass(frozen=True)
class Asked:
    """One prompt as the model sees it."""

    body: dict[str, Any]

    @property
    def user(self) -> str:
        text: str = self.body["messages"][-1]["content"]
        return text

    @property
    def title(self) -> str:
        """The path that the material is called by."""
        return self.user.split("\n", 1)[0].split(", lines ")[0]

    @property
    def fence(self) -> str:
        found = re.search(r"^={5}[0-9a-f]{16}={5}$", self.user, re.MULTILINE)
        assert found is not None, self.user
        return found[0]

    @property
    def material(self) -> str:
        """What stands in the fence."""
        _, inside, _ = self.user.split(f"\n{self.fence}\n")
        assert self.fence not in inside
        return inside

    @property
    def task(self) -> str:
        """What comes after the fence."""
        return self.user.rpartition(self.fence)[2].strip()

    @property
    def schema(self) -> dict[str, Any] | None:
        wanted = self.body.get("response_format")
        found: dict[str, Any] | None = wanted and wanted["json_schema"]["schema"]
        return found


Reply = Callable[[Asked], "str | tuple[str, str] | Callable[[Handler], None]"]


def scripted(backend: FakeBackend, reply: Reply) -> FakeBackend:
    """Let the backend answer with `reply`: a text, a text and its finish reason, or a fault."""

    def serve(handler: Handler) -> None:
        said = reply(Asked(handler.body))
        if callable(said):
            said(handler)
            return
        text, finish = (said, "stop") if isinstance(said, str) else said
        choices = [
            {"delta": {"content": text}, "finish_reason": None},
            {"delta": {}, "finish_reason": finish},
        ]
        usage = {"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}
        events = [*({"choices": [choice]} for choice in choices), usage]
        handler.send_bytes(200, b"".join(map(event, events)) + b"data: [DONE]\n\n")

    backend.fault = serve
    return backend


def prompts(backend: FakeBackend) -> list[Asked]:
    """What the model was asked so far."""
    return [Asked(request.body) for request in backend.asked("/v1/chat/completions")]


def too_long(handler: Handler) -> None:
    """The refusal of a prompt that exceeds the context."""
    handler.send_json(400, {"error": {"message": LITELLM_CONTEXT}})


def entry(backend: FakeBackend, **keys: Any) -> dict[str, Any]:
    """A config entry for the backend as a server on this machine."""
    return {"name": "llama", "kind": "openai", "url": backend.url, **keys}


def settings_of(*entries: dict[str, Any], **config: Any) -> settings.Settings:
    """Settings with these backends."""
    return settings.from_mapping(settings.merge({"backends": list(entries), **config}))


def core_in(project: Path, *entries: dict[str, Any], **config: Any) -> Core:
    """A core whose client works in `project`."""
    return Core(settings_of(*entries, **config), project=str(project))


def serve(
    project: Path,
    backend: FakeBackend,
    tool: str,
    *,
    call: Call | None = None,
    memory: Memory | None = None,
    account: Account | None = None,
    config: dict[str, Any] | None = None,
    **given: Any,
) -> Outcome:
    """What a tool answers, without what the desk does around it."""
    config = {"backends": [entry(backend)], **(config or {})}
    made = settings.from_mapping(settings.merge(config))
    bench = Bench(
        tool=next(one for one in made.tools if one.name == tool),
        library=Library(made.files, str(project)),
        delegation=Delegation(made.backends, made.files),
        call=call or Call(),
        memory=memory or NoMemory(),
        accounts=account or Account(tool),
    )
    return serving.serve(bench, given)


def finding(found: bool, *lines: int, answer: str = "") -> str:
    """An answer in the form that a question about files asks for."""
    return json.dumps({"found": found, "lines": list(lines), "answer": answer})


FILE_TOOLS = {
    "summarize_files": {"paths": ["."]},
    "ask_about_files": {"paths": ["."], "question": "What is it?"},
    "classify": {"paths": ["."], "labels": ["code", "text"]},
    "extract": {"paths": ["."], "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
}


def three_files(tmp_path: Path) -> Path:
    """A project of three small files."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("a.py", "b.py", "c.md"):
        (folder / name).write_text(f"first line of {name}\nsecond line\n")
    return folder


def good(asked: Asked) -> str:
    """A model that does what each tool asks for."""
    if asked.schema is None:
        return "It is a file."
    if "label" in asked.schema["properties"]:
        return json.dumps({"label": asked.schema["properties"]["label"]["enum"][0]})
    if "found" in asked.schema["properties"]:
        return finding(True, 1, answer="It is a file.")
    return '{"n": 1}'


def in_order(backend: FakeBackend, *replies):
    """Answer with the replies in turn, then as a good model."""
    left = list(replies)
    lock = threading.Lock()

    def reply(asked):
        with lock:
            return left.pop(0) if left else good(asked)

    return scripted(backend, reply)
