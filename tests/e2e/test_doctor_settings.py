"""What doctor says of settings files is what the real client does with them.

The rows stand for client-settings.schema.json, of which every row was measured like this when it was
written. Three of them share a run: one in the user's settings, one in the project's, one in its local ones,
each beside a rule that denies a file of its own.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from supervisor_setup.checks import settings_schema
from supervisor_setup.checks.settings_schema import Effect

from .claude import Claude
from .desk import Desk, desk_at, write
from .facts import ClientFacts
from .messages_api import at_once, planted, text, tool_use

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
_PLACES = (".claude/settings.json", "../work/.claude/settings.json", "../work/.claude/settings.local.json")
_HOOK = {"type": "command", "command": "true"}

WRONG: Mapping[str, Mapping[str, Any]] = {
    "model": {"model": None},
    "permissions.defaultMode": {"permissions": {"defaultMode": "ask"}},
    "permissions.allow[0]": {"permissions": {"allow": [5]}},
    "env": {"env": []},
    "cleanupPeriodDays": {"cleanupPeriodDays": 0},
    "attribution": {"attribution": False},
    "statusLine": {"statusLine": {"type": "command"}},
    "enabledMcpjsonServers": {"enabledMcpjsonServers": "x"},
    "allowedMcpServers": {"allowedMcpServers": "x"},
    "enabledPlugins.a@b": {"enabledPlugins": {"a@b": "true"}},
    "extraKnownMarketplaces.m.source": {"extraKnownMarketplaces": {"m": {"source": "x"}}},
    "hooks": {"hooks": "x"},
    "hooks.PreToolUse": {"hooks": {"PreToolUse": "x"}},
    "hooks.PreToolUse[0].hooks[0].timeout": {
        "hooks": {"PreToolUse": [{"hooks": [{**_HOOK, "timeout": "5"}]}]}
    },
    "hooks.Stop[0]": {"hooks": {"Stop": [{}]}},
}
"""The place of a fault to settings with it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """For one row: whether its deny rule held, and what doctor found in its file."""

    held: bool
    findings: tuple[Mapping[str, Any], ...]


def doctor(desk: Desk, check: str, cwd: Path | None = None) -> list[dict[str, Any]]:
    """What `doctor --offline --check CHECK` finds in the desk's home."""
    command = [
        "env",
        "-C",
        str(cwd or desk.home.project),
        PROGRAM,
        "--json",
        "doctor",
        "--offline",
        "--check",
        check,
    ]
    ran = desk.command(*command)
    assert ran.code in (0, 2), ran.output
    return [one for one in json.loads(ran.stdout)["findings"] if one["status"] not in ("ok", "skipped")]


def reads(desk: Desk, *secrets: Path) -> set[Path]:
    """Those of the files that the client lets the model read."""
    for secret in secrets:
        write(secret, f"the words of {secret.name}")
    desk.api.script(
        "main", [at_once(*(tool_use("Read", file_path=str(one)) for one in secrets)), text("done")]
    )
    desk.ask()
    results = desk.api.last("main").tool_results
    shown = {one for one in secrets if any(f"the words of {one.name}" in result for result in results)}
    assert sum("denied" in result for result in results) == len(secrets) - len(shown), results
    return shown


@pytest.fixture(scope="module")
def outcomes(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """Each row of `WRONG` on the real client and in doctor's eyes."""
    found: dict[str, Outcome] = {}
    names = list(WRONG)
    for start in range(0, len(names), len(_PLACES)):
        with desk_at(client, tmp_path_factory.mktemp("settings")) as desk:
            (desk.home.project / ".git").mkdir()
            files, secrets = {}, {}
            for name, place in zip(names[start : start + len(_PLACES)], _PLACES, strict=False):
                secrets[name] = desk.home.project / f"secret-{len(secrets)}.txt"
                rules = {"deny": [f"Read(./{secrets[name].name})"], **WRONG[name].get("permissions", {})}
                content = {**WRONG[name], "permissions": rules}
                files[name] = write((desk.home.home / place).resolve(), content)
            shown = reads(desk, *secrets.values())
            findings = doctor(desk, "settings.schema")
            for name, path in files.items():
                mine = tuple(one for one in findings if one["path"] == str(path))
                found[name] = Outcome(secrets[name] not in shown, mine)
    return found


@pytest.mark.parametrize("place", WRONG)
def test_a_wrong_value_has_the_effect_that_the_schema_says(
    outcomes: Mapping[str, Outcome], client: Claude, place: str
) -> None:
    (fault,) = settings_schema.faults(WRONG[place])
    assert fault.title == place
    assert outcomes[place].held == (fault.effect(client.version) is not Effect.IGNORES_FILE)


@pytest.mark.parametrize("place", WRONG)
def test_doctor_tells_of_a_wrong_value_as_bad_as_it_is(
    outcomes: Mapping[str, Outcome], client: Claude, place: str
) -> None:
    (fault,) = settings_schema.faults(WRONG[place])
    expected = {Effect.IGNORES_FILE: ["error"], Effect.IGNORES_KEY: ["warning"], Effect.TOLERATED: []}
    found = outcomes[place].findings
    assert [one["status"] for one in found] == expected[fault.effect(client.version)]
    assert all(f"`{place}`" in one["message"] and one["line"] for one in found)


def test_a_rule_that_is_not_written_as_one_does_not_hold(desk: Desk) -> None:
    secrets = [desk.home.project / f"{number}.txt" for number in range(4)]
    rules = ("read(./0.txt)", "Read(./1.txt", "Read (./2.txt)", "Read(./3.txt)")
    write(desk.home.settings, {"permissions": {"deny": list(rules)}})
    assert reads(desk, *secrets) == set(secrets[:3])
    found = [one["message"].split("`")[1] for one in doctor(desk, "settings.schema")]
    assert found == ["permissions.deny[0]", "permissions.deny[1]", "permissions.deny[2]"]


@pytest.mark.parametrize(
    ("content", "check"),
    [
        ('{"permissions": {"deny": ["Read(./secret.txt)"]}, "permissions": {}}', "settings.parse"),
        ('{"permission": {"deny": ["Read(./secret.txt)"]}}', "settings.schema"),
        ('{"deny": ["Read(./secret.txt)"]}', "settings.schema"),
    ],
    ids=["twice", "misspelt", "misplaced"],
)
def test_rules_that_are_written_down_and_do_not_hold_are_told(desk: Desk, content: str, check: str) -> None:
    write(desk.home.settings, content)
    secret = desk.home.project / "secret.txt"
    assert reads(desk, secret) == {secret}
    (found,) = doctor(desk, check)
    assert (found["status"], found["path"]) == ("warning", str(desk.home.settings))


def test_a_server_in_the_settings_alone_is_not_there(desk: Desk) -> None:
    write(desk.home.settings, {"mcpServers": {"notes": {"command": "true"}}})
    assert "notes" not in desk.mcp_list()
    (found,) = doctor(desk, "settings.inert-mcp")
    assert "`notes`" in found["message"]


@pytest.fixture(scope="module")
def hooked(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Path]]:
    """A session with hooks that stand twice, each of which writes its name into the log when it runs."""
    with desk_at(client, tmp_path_factory.mktemp("hooks")) as desk:
        log = desk.home.root / "log"
        script = write(desk.home.home / "note.sh", f"#!/bin/sh\nsleep ${{2:-0}}\necho $1 >> {log}\n")
        script.chmod(0o755)

        def hook(command: str, **options: Any) -> dict[str, Any]:
            return {"matcher": "Bash", "hooks": [{"type": "command", "command": command, **options}]}

        user = [
            hook("~/note.sh same"),
            hook("~/note.sh same"),
            hook("~/note.sh everywhere"),
            hook("~/note.sh home"),
            hook("$HOME/note.sh home"),
            hook("~/note.sh blank"),
            hook("~/note.sh  blank"),
            hook("~/note.sh patient 2", timeout=1),
            hook("~/note.sh hasty 2"),
        ]
        project = [
            hook("~/note.sh everywhere"),
            hook("~/note.sh patient 2"),
            hook("~/note.sh hasty 2", timeout=1),
        ]
        write(desk.home.settings, {"hooks": {"PreToolUse": user}})
        write(desk.home.project / ".claude" / "settings.json", {"hooks": {"PreToolUse": project}})
        desk.api.script("main", [tool_use("Bash", command="true", description="x"), text("done")])
        desk.ask(args=("--allowedTools", "Bash"))
        yield desk, log


@pytest.mark.parametrize(
    ("name", "times"),
    [("same", 1), ("everywhere", 1), ("home", 2), ("blank", 2), ("patient", 1), ("hasty", 0)],
)
def test_a_hook_that_stands_twice_runs_as_often_as_doctor_says(
    hooked: tuple[Desk, Path], name: str, times: int
) -> None:
    assert hooked[1].read_text(encoding="utf-8").split().count(name) == times


def test_doctor_tells_the_hooks_that_run_twice_or_with_other_options(hooked: tuple[Desk, Path]) -> None:
    found = [
        (one["status"], one["message"].split("`")[1]) for one in doctor(hooked[0], "settings.duplicate-hooks")
    ]
    assert found == [
        ("info", "hooks.PreToolUse[1].hooks[0]"),
        ("warning", "hooks.PreToolUse[4].hooks[0]"),
        ("warning", "hooks.PreToolUse[6].hooks[0]"),
        ("warning", "hooks.PreToolUse[1].hooks[0]"),
        ("warning", "hooks.PreToolUse[2].hooks[0]"),
    ]


def test_below_a_repositorys_root_its_settings_do_not_count(desk: Desk, facts: ClientFacts) -> None:
    subprocess.run(["git", "init", "-q", str(desk.home.project)], check=True)
    below = desk.home.project / "below"
    below.mkdir()
    write(desk.home.project / ".claude" / "settings.json", {"env": {"FROM_PROJECT": "yes"}})
    write(desk.home.project / ".claude" / "settings.local.json", {"env": {"FROM_LOCAL": "yes"}})
    desk.api.script(
        "main", [tool_use("Bash", command="echo $FROM_PROJECT-$FROM_LOCAL", description="x"), text("")]
    )
    environment = {
        **desk.home.env,
        "ANTHROPIC_BASE_URL": desk.api.url,
        "ANTHROPIC_API_KEY": "dummy-key",
        "HTTPS_PROXY": desk.api.url,
        "NO_PROXY": "127.0.0.1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    desk.client.run(planted("main", "Begin."), env=environment, cwd=below, args=("--allowedTools", "Bash"))
    expected = "-yes" if facts.repository_local_settings_apply else "-"
    assert desk.api.last("main").tool_results == [expected]


@pytest.mark.parametrize("kind", ["empty", "filled"])
def test_an_abandoned_lock_goes_by_itself_only_when_it_is_empty(desk: Desk, kind: str) -> None:
    desk.mcp_list()
    lock = desk.home.home / ".claude.json.lock"
    lock.mkdir()
    if kind == "filled":
        (lock / "x").touch()
    os.utime(lock, (time.time() - 600,) * 2)
    (found,) = doctor(desk, "settings.stale-lock")
    assert found["status"] == ("info" if kind == "empty" else "warning")
    added = desk.client.command(
        *("mcp", "add-json", "--scope", "user", "x", '{"command": "true"}'),
        env={**desk.home.env, "DISABLE_AUTOUPDATER": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
        cwd=desk.home.project,
    )
    assert added.code == 0, added.output
    assert lock.exists() == (kind == "filled")
