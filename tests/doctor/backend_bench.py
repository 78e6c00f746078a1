"""Backends to put into config.yaml, and what those that play a server say of their models."""

import sys
from pathlib import Path
from typing import Any

from bench import Bench

from supervisor_mcp import settings

KEY = "sk-a-key-that-nobody-may-see"
KOALA = {"name": "litellm", "kind": "litellm", "url": "http://koala:4000"}


def use(bench: Bench, *backends: dict[str, Any]) -> None:
    """Name these backends in config.yaml."""
    bench.write(bench.home.config, {"backends": list(backends)})


def one_tool(bench: Bench, *backends: dict[str, Any], **keys: Any) -> None:
    """These backends, and of the bundled tools that ask a model only the first, with `keys` changed."""
    others = [name for name, tool in settings.defaults()["tools"].items() if "model" in tool]
    tools = {**{name: {"enabled": False} for name in others}, "ask_local_llama": keys}
    bench.write(bench.home.config, {"backends": list(backends), "tools": tools})


def listing(*names: str, owner: str = "openai", **more: Any) -> dict[str, tuple[int, Any]]:
    """The page of an OpenAI-compatible server that lists models, with who owns them."""
    data = [{"id": name, "object": "model", "owned_by": owner, **more} for name in names]
    return {"/v1/models": (200, {"object": "list", "data": data})}


def packages(bench: Bench, *names: str) -> Path:
    """A `litellm` on PATH with these files beside it, in its environment's packages."""
    environment = bench.bin.parent / "tools" / "litellm"
    found = environment / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    (environment / "bin").mkdir(parents=True)
    program = environment / "bin" / "litellm"
    program.write_text(f"#!{environment}/bin/python\n", encoding="utf-8")
    program.chmod(0o755)
    (bench.bin / "litellm").symlink_to(program)
    for name in names:
        bench.write(found / name, "")
    return found
