"""Fixtures that put the real client, and the real LiteLLM and llama.cpp, at a test's disposal.

A whole test, run once per client version:

    pytestmark = pytest.mark.e2e

    def test_the_explorer_is_cheap_and_the_local_model_answers(desk: Desk, stack: Stack, facts) -> None:
        desk.home.env["LITELLM_API_KEY"] = stack.key
        program = str(Path(sys.executable).with_name("supervisor-setup"))
        installed = desk.command(program, "install", "--yes", "--litellm-url", stack.litellm_url)
        assert installed.code == 0, installed.output
        ask = tool_use("mcp__local-models__ask_local_llama", prompt=CAPITAL_QUESTION)
        desk.api.script("main", [delegate("explorer", "look"), ask, text("done")])  # the main loop's turns
        desk.api.script("look", [text("found")])  # the turns of the subagent's own conversation
        transcript = desk.ask("main", ENABLE_TOOL_SEARCH="true")  # claude -p, to its end
        assert transcript.answer == "done"
        assert desk.api.first("look").model == facts.models["haiku"]
        assert "Paris" in desk.api.last("main").tool_results[-1]

`at_once(delegate(...), delegate(...))` starts several in one turn; `desk.mcp_list()` is `claude mcp list`;
`desk.home` has the paths (settings, client_json, agents, project) and `env`; `desk_at(client, folder)` opens
a desk for a fixture of wider scope. A turn that nobody scripted fails the test, as does a try to reach the
internet.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from real_parts import CLIENT_VERSIONS, HINT, RealParts

from .claude import Claude
from .desk import Desk, desk_at
from .facts import FACTS, ClientFacts
from .postgres import Postgres, running_postgres
from .stack import Stack, running_stack, tail

_IN_CI = "CI" in os.environ


@pytest.fixture(scope="package", autouse=True)
def programs_are_not_measured() -> Iterator[None]:
    """Coverage doubles the time of these programs, and the fast tests measure what they run."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def parts() -> RealParts:
    """Where the real parts are; read before any test has a HOME of its own."""
    return RealParts.from_env(os.environ)


@pytest.fixture(scope="session", params=CLIENT_VERSIONS, ids=lambda version: f"claude-{version}")
def client(request: pytest.FixtureRequest, parts: RealParts) -> Claude:
    """Each client version in turn."""
    version: str = request.param
    _require(parts, f"claude-{version}")
    return Claude(version, parts.client(version))


@pytest.fixture(scope="session")
def facts(client: Claude) -> ClientFacts:
    """What is known of the client at hand."""
    return FACTS[client.version]


@pytest.fixture(scope="session")
def mcp_tools(parts: RealParts) -> RealParts:
    """The protocol's own conformance suite and Inspector, and the Node.js that runs them."""
    for name in ("node", "conformance", "inspector"):
        _require(parts, name)
    return parts


@pytest.fixture(scope="session")
def stack(parts: RealParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """LiteLLM in front of llama.cpp, one for the whole run (with xdist: one per worker)."""
    _require(parts, "stack")
    with running_stack(parts, tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def postgres(parts: RealParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """PostgreSQL, one for the whole run; `postgres.fresh()` is the URL of an empty database."""
    _require(parts, "postgresql")
    with running_postgres(parts, tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture
def desk(client: Claude, tmp_path: Path) -> Iterator[Desk]:
    """A fresh home, the client, and a Messages API to script; `tmp_path / "home"` is the HOME."""
    with desk_at(client, tmp_path) as fresh:
        yield fresh


def _require(parts: RealParts, name: str) -> None:
    if parts.missing(name):
        pytest.fail(f"{parts.root / name}: the real part is missing or incomplete\n{HINT}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what went over the wire and the servers' logs; in CI no skip counts as passed."""
    report = yield
    if report.skipped and _IN_CI:
        report.outcome = "failed"
        report.longrepr = f"skipped, which none of these may be in CI: {report.longrepr}"
    used = getattr(item, "funcargs", {}).values() if report.failed else ()
    for value in used:
        if isinstance(value, Desk):
            report.sections.append(("on the wire", value.api.summary()))
        elif isinstance(value, Stack):
            report.sections.extend(value.log_tails().items())
        elif isinstance(value, Postgres):
            report.sections.append(("postgres", tail(value.log)))
    return report
