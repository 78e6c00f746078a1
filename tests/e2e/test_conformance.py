"""The protocol's own conformance suite against the server over HTTP, in each revision that it knows."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fake_backend import FakeBackend, FakeServer, litellm
from http_server import HttpServer

from real_parts import RealParts

from .relay import relay

pytestmark = pytest.mark.e2e

REVISIONS = ("2025-06-18", "2025-11-25", "2026-07-28")

_RESOURCES = "the server has no resources"
_PROMPTS = "the server has no prompts"
_CONTENT = "tools answer with text alone: a model's words, or JSON that it was asked for"
_ASKS = "tools ask the client for nothing, neither its model nor its user, so no call has several rounds"
_LOGGING = "the server sends no log messages"

# Scenarios that a server cannot pass without a feature that this one has not; they ask for it by a tool,
# resource or prompt of a given name.
NOT_APPLICABLE: Mapping[str, str] = {
    "completion-complete": "the server completes no arguments: that is for prompts and resources",
    "logging-set-level": _LOGGING,
    "tools-call-with-logging": _LOGGING,
    "tools-call-image": _CONTENT,
    "tools-call-audio": _CONTENT,
    "tools-call-embedded-resource": _CONTENT,
    "tools-call-mixed-content": _CONTENT,
    "tools-call-with-progress": "a tool without arguments waits for no model, so it has nothing to report; "
    "test_http_calls.py shows progress",
    "tools-call-sampling": _ASKS,
    "tools-call-elicitation": _ASKS,
    "elicitation-sep1034-defaults": _ASKS,
    "elicitation-sep1330-enums": _ASKS,
    "input-required-result-basic-elicitation": _ASKS,
    "input-required-result-basic-list-roots": _ASKS,
    "input-required-result-basic-sampling": _ASKS,
    "input-required-result-capability-check": _ASKS,
    "input-required-result-multi-round": _ASKS,
    "input-required-result-multiple-input-requests": _ASKS,
    "input-required-result-non-tool-request": _ASKS,
    "input-required-result-request-state": _ASKS,
    "input-required-result-result-type": _ASKS,
    "input-required-result-tampered-state": _ASKS,
    "json-schema-2020-12": "the schemas of arguments are made from config.yaml and use none of its keywords",
    "http-custom-header-server-validation": "no argument is to be repeated in a header",
    "resources-list": _RESOURCES,
    "resources-read-text": _RESOURCES,
    "resources-read-binary": _RESOURCES,
    "resources-templates-read": _RESOURCES,
    "resources-subscribe": _RESOURCES,
    "resources-unsubscribe": _RESOURCES,
    "prompts-list": _PROMPTS,
    "prompts-get-simple": _PROMPTS,
    "prompts-get-with-args": _PROMPTS,
    "prompts-get-embedded-resource": _PROMPTS,
    "prompts-get-with-image": _PROMPTS,
}

# Single checks of scenarios that do apply.
CHECKS_NOT_APPLICABLE: Mapping[str, str] = {
    "sep-2549-prompts-list-caching-hints": _PROMPTS,
    "sep-2549-resources-list-caching-hints": _RESOURCES,
    "sep-2549-resources-templates-list-caching-hints": _RESOURCES,
    "sep-2575-server-rejects-undeclared-capability": _ASKS,
    "sep-2575-missing-capability-http-400": _ASKS,
    "sep-2575-http-server-no-independent-requests-on-stream": _ASKS,
    "sep-2575-server-no-log-without-loglevel": _LOGGING,
}

APPLICABLE = {
    "caching",
    "dns-rebinding-protection",
    "http-header-validation",
    "input-required-result-ignore-extra-params",
    "input-required-result-missing-input-response",
    "input-required-result-unsupported-methods",
    "input-required-result-validate-input",
    "ping",
    "sep-2164-resource-not-found",
    "server-initialize",
    "server-session-lifecycle",
    "server-sse-multiple-streams",
    "server-sse-polling",
    "server-stateless",
    "tools-call-error",
    "tools-call-simple-text",
    "tools-list",
}

# The tools that scenarios call by name, as a user would add them.
TOOLS = {
    "test_simple_text": {"kind": "models", "description": "Lists the models."},
    "test_error_handling": {"model": "local-llama", "description": "Called without its prompt, it refuses."},
}

Results = dict[str, dict[str, list[str]]]  # scenario, status, checks


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """Our server, with a stand-in for LiteLLM: the suite looks at the protocol, not at what a model says."""
    backend = FakeBackend()
    behind = FakeServer(backend)
    config = {"backends": [litellm(backend)], "tools": TOOLS}
    running = HttpServer(tmp_path_factory.mktemp("conformance"), config=config)
    yield running
    assert running.end()[0] == 0
    behind.shutdown()
    behind.server_close()


@pytest.fixture(scope="module", params=REVISIONS)
def results(
    request: pytest.FixtureRequest,
    server: HttpServer,
    mcp_tools: RealParts,
    tmp_path_factory: pytest.TempPathFactory,
) -> Results:
    """What every scenario of a revision found."""
    folder = tmp_path_factory.mktemp("results")
    with relay(server.port, server.token) as port:
        ran = subprocess.run(
            [
                *(str(mcp_tools.node), str(mcp_tools.conformance), "server", "--suite", "all"),
                *("--url", f"http://localhost:{port}/mcp"),
                *("--spec-version", request.param, "--output-dir", str(folder)),
            ],
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        )
    found = dict(_read(path) for path in folder.glob("*/checks.json"))
    assert found, ran.stdout + ran.stderr
    return found


def _read(path: Path) -> tuple[str, dict[str, list[str]]]:
    scenario = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT.*", path.parent.name)
    assert scenario is not None, path
    checks: dict[str, list[str]] = {}
    for check in json.loads(path.read_text(encoding="utf-8")):
        checks.setdefault(check["status"], []).append(check["id"])
    return scenario[1], checks


def test_every_applicable_scenario_passes(results: Results) -> None:
    failed = {
        f"{scenario}: {check}"
        for scenario, checks in results.items()
        for check in checks.get("FAILURE", [])
        if scenario not in NOT_APPLICABLE and check not in CHECKS_NOT_APPLICABLE
    }
    assert not failed


def test_no_scenario_is_unknown_to_the_lists(results: Results) -> None:
    assert set(results) <= APPLICABLE | set(NOT_APPLICABLE)
    assert len(set(results) & APPLICABLE) >= 6


def test_what_is_listed_as_not_applicable_really_asks_for_what_is_not_there(results: Results) -> None:
    passing = [name for name, checks in results.items() if name in NOT_APPLICABLE and "FAILURE" not in checks]
    assert not passing


def test_every_message_follows_the_revisions_schema(results: Results) -> None:
    valid = [name for name, checks in results.items() if "wire-schema-valid" in checks.get("SUCCESS", [])]
    assert len(valid) > len(results) / 2
    assert not [name for name, checks in results.items() if "wire-schema-valid" in checks.get("FAILURE", [])]
