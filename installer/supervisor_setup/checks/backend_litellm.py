"""The two releases of LiteLLM that were published with malicious code."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from supervisor_setup.checks.backend_config import finding
from supervisor_setup.checks.backend_probe import healthy
from supervisor_setup.checks.world import World
from supervisor_setup.findings import Finding, Status

# https://github.com/BerriAI/litellm/issues/24518, of March 2026. 1.82.7 ran its code when the proxy was
# imported, 1.82.8 at every start of Python, by litellm_init.pth.
MALICIOUS = ("1.82.7", "1.82.8")
_PTH = "litellm_init.pth"
_PACKAGES = ("lib/python3*/site-packages", "lib64/python3*/site-packages", "lib/python3*/dist-packages")
_SHEBANG_BYTES = 512
_RELEASE = re.compile(r"litellm-(.+)\.dist-info")
_WHAT = "which was published with code that steals keys, tokens and cloud credentials"
_ROTATE = (
    "take that machine off the network, replace every key and token that was on it, look for what was left "
    "behind, and only then install a current release; see https://github.com/BerriAI/litellm/issues/24518"
)


def litellm_version(world: World) -> Iterator[Finding]:
    """A LiteLLM proxy, or the LiteLLM of this machine, is one of the two malicious releases.

    1.82.7 and 1.82.8 on PyPI sent the keys, tokens and credentials of their machine to an attacker.

    Mend: treat every secret of that machine as known to others: replace them all, then install a current
    release. The official container images were not affected.
    """
    for probe in healthy(world):
        if probe.settings.kind == "litellm" and probe.version in MALICIOUS:
            yield finding(
                world,
                "backend.litellm-version",
                Status.ERROR,
                f"{probe.title} runs LiteLLM {probe.version}, {_WHAT}",
                _ROTATE,
                *("backends", probe.number, "url"),
            )
    for folder in _package_folders(world):
        yield from _installed_in(folder)


def _installed_in(folder: Path) -> Iterator[Finding]:
    for path in sorted(folder.glob("litellm-*.dist-info")):
        release = _RELEASE.fullmatch(path.name)
        if release and release[1] in MALICIOUS:
            yield _on_this_machine(path, f"this is LiteLLM {release[1]}, {_WHAT}")
            return
    if (folder / _PTH).exists():
        yield _on_this_machine(
            folder / _PTH,
            "Python runs this file of LiteLLM 1.82.8 at every start, and it steals keys and tokens",
        )


def _on_this_machine(path: Path, message: str) -> Finding:
    return Finding("backend.litellm-version", Status.ERROR, message, path=path, hint=_ROTATE)


def _package_folders(world: World) -> list[Path]:
    """Where the packages of each `litellm` on PATH are, by its own place and by its interpreter's."""
    found: dict[Path, None] = {}
    for folder in world.environment.get("PATH", "").split(os.pathsep):
        program = Path(folder) / "litellm"
        if not folder or not program.is_file():
            continue
        interpreter = _interpreter(program)
        for one in (program, program.resolve(), *([interpreter] if interpreter else [])):
            for pattern in _PACKAGES:
                found.update(dict.fromkeys(path.resolve() for path in one.parent.parent.glob(pattern)))
    return list(found)


def _interpreter(program: Path) -> Path | None:
    """The Python that a script names in its first line."""
    try:
        with program.open("rb") as file:
            first = file.read(_SHEBANG_BYTES).partition(b"\n")[0]
    except OSError:
        return None
    words = os.fsdecode(first.removeprefix(b"#!")).split() if first.startswith(b"#!") else []
    return Path(words[0]) if words and words[0].startswith("/") and "env" not in Path(words[0]).name else None
