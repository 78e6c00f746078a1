"""Makes docs/doctor.md from the checks themselves: python docs/make_doctor.py [--check]"""

import sys
import textwrap
from itertools import groupby
from pathlib import Path

from supervisor_setup.checks import registry
from supervisor_setup.checks.check import Check, Reach

PAGE = Path(__file__).with_name("doctor.md")
FAMILIES = {
    "config": "your config.yaml",
    "drift": "what was installed, against what is there and what would be installed now",
    "settings": "the client's own files: are they read at all?",
    "agents": "the agent files that the client loads in this folder",
    "tiers": "the models that the agents really run on",
    "policy": "what Anthropic's terms do not allow, and what bills a subscriber by accident",
    "server": "every MCP server that is configured, ours among them",
    "backend": "the servers of your local models",
    "pipeline": "pipelines over many documents",
    "client": "Claude Code itself",
}
_REACH = {Reach.LOCAL: "not with `--offline`", Reach.DEEP: "only with `--deep`"}
_INTRODUCTION = """\
# doctor

`supervisor-setup doctor` finds out why work is not delegated, or runs on another model than it should, and
says it in one line with the step that mends it. It works on any Claude Code set-up, whether or not anything
of ours is installed, and with a broken config or settings file: that is when it is needed. Without `--fix` it
writes nothing, and it sends nothing anywhere but to the backends in your config.yaml. With `--deep` it starts
the client on copies of its files; the client's own log of its servers in `~/.cache/claude-cli-nodejs` is all
that remains.

| call | looks at |
| --- | --- |
| `doctor --offline` | files only: no network, no processes |
| `doctor` | also starts the configured MCP servers, and asks the backends what they serve |
| `doctor --deep` | also starts the real client, and sends each backend a tiny prompt and a long one |
| `doctor --check ID` | one check, or a family (`--check tiers`); may be repeated |
| `doctor --verbose` | also the differences of what drifted, and what the healthy checks saw |
| `doctor --strict` | warnings count as findings |
| `doctor --fix` | shows a plan, mends what is ours or plainly safe after a backup, and checks again |
| `doctor --list-checks` | this page, in short |

Exit codes: 0 healthy (there may be warnings, unless `--strict`), 2 findings, 1 doctor itself could not run.
`--json` before the command prints one object ([schema](../templates/output.schema.json)). The checks run side
by side, each with a time limit, so a backend that hangs costs a line, not the run. Ids never change their
meaning.

This page is made from the checks themselves (`python docs/make_doctor.py`).
"""


def page() -> str:
    """The whole page."""
    return "\n".join((_INTRODUCTION, *(_family(name, tuple(checks)) for name, checks in _families())))


def _families() -> "groupby[str, Check]":
    return groupby(registry.CHECKS, key=lambda check: check.family)


def _family(name: str, checks: tuple[Check, ...]) -> str:
    return "\n\n".join((f"## {name}: {FAMILIES[name]}", *map(_described, checks), ""))


def _described(check: Check) -> str:
    said = check.explanation
    reach = f" ({_REACH[check.reach]})" if check.reach in _REACH else ""
    text = f"**{said.catches.removesuffix('.')}**{reach}. {said.why}"
    return "\n".join((f"### `{check.id}`", "", _filled(text), "", _filled(f"Mend: {said.mend}")))


def _filled(text: str) -> str:
    return textwrap.fill(text, 118, break_on_hyphens=False, break_long_words=False)


def main() -> int:
    """Write the page, or with --check tell whether it is up to date."""
    if "--check" not in sys.argv:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    return int(PAGE.read_text(encoding="utf-8") != page())


if __name__ == "__main__":
    raise SystemExit(main())
