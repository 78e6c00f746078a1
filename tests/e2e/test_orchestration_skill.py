"""The skill `document-pipeline` on the real client: what its rules let through, and nothing wider."""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from local_api import local_api
from paid_api import PaidApi

from .claude import Claude
from .desk import Desk, desk_at, write
from .messages_api import text, tool_use

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
PYTHON = str(Path(sys.executable).with_name("python"))
DOCUMENTS = 3

# What the client refuses, as measured; @ stands for the command of the manual, % for a fresh folder.
REFUSED_BY_THE_CLIENT = (
    # Another script, another program, another command of the script, or another spelling.
    "{python} other.py run docs --out %",
    "{python} -c 'print(1)' {script} run docs --out %",
    "{python} -X dev {script} run docs --out %",
    "python3 {script} run docs --out %",
    "{script} run docs --out %",
    "{python} '{plain}' run docs --out %",
    "@ running docs --out %",
    "@ work --db postgresql://127.0.0.1/x",
    # Variables in front of it.
    "PYTHONPATH=. @ run docs --out %",
    "SUPERVISOR_ANTHROPIC_BASE_URL=http://127.0.0.1:9 @ run docs --out %",
    "XDG_CONFIG_HOME=. @ run docs --out %",
    "env PYTHONPATH=. @ run docs --out %",
    "export PYTHONPATH=.; @ run docs --out %",
    # Something more than it.
    "@ run docs --out % ; rm -rf docs",
    "@ run docs --out % && touch made",
    "@ run docs --out % || touch made",
    "@ run docs --out % | tee made",
    "@ run docs --out % > made",
    "@ run docs --out % &",
    "@ run docs --out %\ntouch made",
    "@ run $(touch made) --out %",
    "@ run `touch made` --out %",
    "@ run <(touch made) --out %",
    "cd / && @ run docs --out %",
)
# What the script refuses, since the client lets it through.
REFUSED_BY_THE_SCRIPT = {
    "@ run docs --out % --db postgresql://127.0.0.1/x": "--db: is not open to a command",
    "@ run docs --out % --litellm-url http://127.0.0.1:9": "--litellm-url: is not open to a command",
    "@ run docs --out % --model claude-opus-5-5": "--model: is not open to a command",
    "@ run docs --out % --budget 5.01": "more than the 5 USD",
    "@ run ../private.md --out %": "lies outside of",
    "@ run $HOME --out %": "lies outside of",
    "@ run ~/.claude --out %": "lies outside of",
    "@ run docs --out ../elsewhere": "is not a folder below",
    "@ run docs --out docs": "holds other things",
}


@contextmanager
def installed_at(client: Claude, folder: Path) -> Iterator[Desk]:
    """A home below `folder` with the product, three documents, and stand-ins for both models."""
    with local_api() as local, PaidApi() as paid, desk_at(client, folder) as desk:
        desk.home.env.update(
            LITELLM_API_KEY=local.key,
            SUPERVISOR_ANTHROPIC_API_KEY=paid.key,
            SUPERVISOR_ANTHROPIC_BASE_URL=paid.url,
        )
        ran = desk.command(PROGRAM, "install", "--yes", "--litellm-url", local.url)
        assert ran.code == 0, ran.output
        for number in range(DOCUMENTS):
            write(desk.home.project / "docs" / f"{number}.md", f"Document {number} says that all is well.\n")
        write(desk.home.project / "other.py", "open('made', 'w')\n")
        write(folder / "private.md", "Nobody's business.\n")
        yield desk


@pytest.fixture(scope="module")
def installed(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Such a home for the tests that leave nothing behind but their results."""
    with installed_at(client, tmp_path_factory.mktemp("skill")) as desk:
        yield desk


def begin(desk: Desk) -> str:
    """The command of the manual."""
    script = desk.home.claude_dir / "skills" / "document-pipeline" / "pipeline.py"
    return shlex.join((PYTHON, str(script)))


def asked(desk: Desk, name: str, *commands: str, **more: bool) -> tuple[list[str], list[bool]]:
    """What Bash answers to each command, and whether it was an error, in one session of that name."""
    turns = [tool_use("Bash", command=command, description="go on", **more) for command in commands]
    desk.api.script(name, [*turns, text("done")])
    assert desk.ask(name, timeout=240).answer == "done"
    last = desk.api.last(name)
    return last.tool_results, last.tool_errors


def spelled(desk: Desk, commands: tuple[str, ...], name: str) -> list[str]:
    """The commands with their places filled in, each with a folder of its own for results."""
    plain = str(desk.home.claude_dir / "skills" / "document-pipeline" / "pipeline.py")
    names = {"python": shlex.quote(PYTHON), "script": shlex.quote(plain), "plain": plain}
    return [
        command.format(**names).replace("@", begin(desk)).replace("%", f"{name}-{number}")
        for number, command in enumerate(commands)
    ]


def lines_of(desk: Desk, out: str) -> list[dict[str, object]]:
    """What a run has answered."""
    path = desk.home.project / out / "results.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_session_has_the_skill_and_reads_the_commands_that_are_allowed(installed: Desk) -> None:
    installed.api.script("manual", [tool_use("Skill", skill="document-pipeline"), text("read")])
    transcript = installed.ask("manual")
    assert "document-pipeline" in transcript.init["skills"]
    assert f"{begin(installed)} run PATH" in installed.api.last("manual").words


def test_an_estimate_a_run_and_its_status_need_no_permission(installed: Desk) -> None:
    command = begin(installed)
    results, errors = asked(
        installed,
        "allowed",
        f"{command} run docs 'docs/*.md' --out results --estimate",
        f"{command} run docs --out results --budget 1 2>&1 | tail -n 5",
        f"{command} status --out results --json",
    )
    assert errors == [False] * 3, results
    assert "cost: $" in results[0]
    assert str(installed.home.project / "results") in results[1]
    assert json.loads(results[2])["documents"]["done"] == DOCUMENTS
    assert [line["status"] for line in lines_of(installed, "results")] == ["done"] * DOCUMENTS


def test_it_may_be_started_in_the_background(installed: Desk) -> None:
    command = f"{begin(installed)} run docs --out behind --local-only"
    # The client ends what runs in the background with itself, so the session lasts as long as the run.
    wait = f"{begin(installed)} status --out behind"
    started = tool_use("Bash", command=command, description="go on", run_in_background=True)
    looks = [tool_use("Bash", command=wait, description="look") for _ in range(3)]
    # The newer client tells the model when it has ended, be that before or after the model's last word.
    installed.api.script("background", [started, *looks, text("done"), text("I see")])
    installed.ask("background", timeout=240)
    assert installed.api.last("background").tool_errors[0] is False
    until = time.monotonic() + 60
    while len(lines_of(installed, "behind")) < DOCUMENTS and time.monotonic() < until:
        time.sleep(0.1)
    assert len(lines_of(installed, "behind")) == DOCUMENTS


def test_nothing_wider_is_let_through_by_the_client(installed: Desk) -> None:
    commands = spelled(installed, REFUSED_BY_THE_CLIENT, "wider")
    results, errors = asked(installed, "wider", *commands)
    passed = [command for command, error in zip(REFUSED_BY_THE_CLIENT, errors, strict=True) if not error]
    assert passed == [], results
    left = {path.name for path in installed.home.project.iterdir()}
    assert not [name for name in left if name.startswith(("wider", "made"))]
    assert len(list((installed.home.project / "docs").iterdir())) == DOCUMENTS


def test_harmless_things_around_it_are_let_through(installed: Desk) -> None:
    helped = f"{begin(installed)} status --help"
    around = ("timeout 60 {}", "nohup {}", "time {}", "LANG=C {}", "{} 2>&1 | tail -n 3", "{} # look")
    more = ("cd docs && {}", "if true; then {}; fi")
    results, errors = asked(installed, "around", *(one.format(helped) for one in (*around, *more)))
    assert errors == [False] * len(errors), results
    assert all("--json" in result or "--help" in result for result in results)


def test_the_script_is_not_changed_without_asking_not_even_where_edits_are_accepted(
    client: Claude, tmp_path: Path
) -> None:
    with installed_at(client, tmp_path) as desk:
        setup = desk.command(PROGRAM, "install", "--yes", "--scope", "project")
        assert setup.code == 0, setup.output
        script = desk.home.project / ".claude" / "skills" / "document-pipeline" / "pipeline.py"
        before = script.read_bytes()
        look = tool_use("Read", file_path=str(script))
        change = tool_use("Write", file_path=str(script), content="print('changed')\n")
        desk.api.script("edit", [look, change, text("done")])
        desk.ask("edit", args=("--permission-mode", "acceptEdits"))
        assert desk.api.last("edit").tool_errors == [False, True]
        assert script.read_bytes() == before


def test_what_the_client_lets_through_the_script_bounds(installed: Desk) -> None:
    commands = spelled(installed, tuple(REFUSED_BY_THE_SCRIPT), "bounded")
    results, errors = asked(installed, "bounded", *commands)
    assert errors == [True] * len(commands)
    for result, said in zip(results, REFUSED_BY_THE_SCRIPT.values(), strict=True):
        assert said in result
    assert not list(installed.home.project.glob("bounded*"))
    assert not (installed.home.root / "elsewhere").exists()


def test_a_home_with_an_odd_name_is_served_too(client: Claude, tmp_path: Path) -> None:
    with installed_at(client, tmp_path / "it's two words (2)*") as desk:
        results, errors = asked(desk, "odd", f"{begin(desk)} run --help", f"{begin(desk)} work")
        assert errors == [False, True]
        assert "--budget" in results[0]
        assert "requires approval" in results[1]


def test_after_uninstall_nothing_of_it_is_allowed(client: Claude, tmp_path: Path) -> None:
    with installed_at(client, tmp_path) as desk:
        command = f"{begin(desk)} status --out results"
        assert desk.command(PROGRAM, "uninstall", "--yes").code == 0
        desk.api.script("gone", [tool_use("Bash", command=command, description="look"), text("done")])
        transcript = desk.ask("gone")
        assert "document-pipeline" not in transcript.init["skills"]
        assert desk.api.last("gone").tool_errors == [True]
        assert "requires approval" in desk.api.last("gone").tool_results[0]
