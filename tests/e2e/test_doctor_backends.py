"""What doctor says of the real LiteLLM and llama.cpp, healthy and broken in the ways that users meet."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from real_parts import RealParts
from supervisor_setup.checks import backend_context

from .claude import run_tied
from .desk import Desk, Home, write
from .messages_api import text, tool_use
from .stack import CONTEXT_TOKENS, MODELS, Stack, complete, running_litellm

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
DEAD = "http://127.0.0.1:9"  # the discard port: nothing listens there
NO_SECOND_TOOL = {"ask_coding_model": {"enabled": False}}

Doctor = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home without the client, and a PATH without anything of this machine's user."""
    return Home(tmp_path, os.defpath)


@pytest.fixture
def doctor(home: Home) -> Doctor:
    """Writes a config.yaml with these backends, and gives what `doctor` finds of them."""

    def run(
        *backends: Mapping[str, Any], options: tuple[str, ...] = (), tools: Mapping[str, Any] = NO_SECOND_TOOL
    ) -> list[dict[str, Any]]:
        config = {"backends": backends, "tools": tools}
        write(home.home / ".config" / "supervisor-setup" / "config.yaml", json.dumps(config))
        command = (PROGRAM, "--json", "doctor", "--check", "config", "--check", "backend", *options)
        ran = run_tied(command, env=home.env, cwd=home.project, timeout=280)
        findings: list[dict[str, Any]] = json.loads(ran.stdout)["findings"]
        return [one for one in findings if one["status"] != "skipped"]

    return run


def wrong(findings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The findings that say that something is wrong: id and status."""
    return [(one["id"], one["status"]) for one in findings if one["status"] != "ok"]


def litellm(stack: Stack, **keys: Any) -> dict[str, Any]:
    return {
        "name": "litellm",
        "kind": "litellm",
        "url": stack.litellm_url,
        "api_key": {"env": "LITELLM_API_KEY"},
        **keys,
    }


def llama_cpp(stack: Stack) -> dict[str, Any]:
    return {"name": "llama-cpp", "kind": "openai", "url": stack.llama_url}


@pytest.fixture
def key(home: Home, stack: Stack) -> None:
    home.env["LITELLM_API_KEY"] = stack.key


def test_a_healthy_stack_has_no_findings_and_is_told_of(doctor: Doctor, stack: Stack, key: None) -> None:
    found = doctor(litellm(stack), tools={})
    assert wrong(found) == []
    (said,) = [one["message"] for one in found if one["id"] == "backend.reachable"]
    assert said.startswith(f"litellm at {stack.litellm_url} (litellm 1.")
    assert f": {len(MODELS)} models, " in said


@pytest.mark.parametrize(
    ("kind", "tokens"),
    [
        ("litellm", 800),
        ("litellm", CONTEXT_TOKENS + 800),
        # Doctor's own prompt has 6,000 tokens, for which a busy machine without a GPU takes minutes.
        pytest.param("openai", 1200, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
    ],
    ids=["a-prompt-that-fits", "a-prompt-that-is-refused", "a-long-prompt"],
)
def test_a_healthy_stack_has_none_either_with(  # noqa: PLR0917 # fixtures
    cli: Any, own_home: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack, kind: str, tokens: int
) -> None:
    monkeypatch.setattr(backend_context, "_LONG_TOKENS", tokens)
    monkeypatch.setattr(backend_context, "ANSWER_SECONDS", 280)
    monkeypatch.setenv("LITELLM_API_KEY", stack.key)
    backend = litellm(stack) if kind == "litellm" else llama_cpp(stack)
    config = {"backends": [backend], "tools": NO_SECOND_TOOL}
    write(own_home / ".config" / "supervisor-setup" / "config.yaml", json.dumps(config))
    readings: list[Any] = []
    cut = backend_context._cut
    monkeypatch.setattr(backend_context, "_cut", lambda *pair: readings.append(pair) or cut(*pair))
    ran = cli("--json", "doctor", "--check", "config", "--check", "backend", "--deep", "--strict")
    assert {one["status"] for one in ran.json["findings"]} == {"ok"}
    # A prompt that is refused is never measured; of the others the counts of tokens agree.
    assert len(readings) == (0 if tokens > CONTEXT_TOKENS else 1)
    for short, long in readings:
        assert 0.9 < long.tokens / short.tokens * short.chars / long.chars < 1.1


def test_llama_cpp_alone_is_healthy_under_any_model_name(doctor: Doctor, stack: Stack) -> None:
    found = doctor(llama_cpp(stack))
    assert wrong(found) == []
    (said,) = [one["message"] for one in found if one["id"] == "backend.reachable"]
    assert f"llama-cpp at {stack.llama_url}: 1 model, " in said


def test_a_missing_key_is_told(doctor: Doctor, stack: Stack) -> None:
    (found,) = [one for one in doctor(litellm(stack)) if one["status"] != "ok"]
    assert (found["id"], found["status"]) == ("backend.auth", "error")
    assert "wants an API key and none is set" in found["message"]
    assert "LITELLM_API_KEY" in found["hint"]


def test_a_wrong_key_is_told_and_not_shown(doctor: Doctor, stack: Stack, home: Home) -> None:
    home.env["LITELLM_API_KEY"] = "sk-the-key-of-another-house"
    (found,) = [one for one in doctor(litellm(stack)) if one["status"] != "ok"]
    assert (found["id"], found["status"]) == ("backend.auth", "error")
    assert "refused the API key" in found["message"]
    assert "another-house" not in json.dumps(found)


def test_a_wrong_model_is_told_with_the_nearest_name(doctor: Doctor, stack: Stack, key: None) -> None:
    backend = litellm(stack, models={"local-llama": "local-lama"})
    (found,) = [one for one in doctor(backend) if one["status"] != "ok"]
    assert (found["id"], found["status"]) == ("backend.models", "error")
    assert "the nearest name is local-llama on litellm" in found["message"]


@pytest.mark.parametrize("server", ["litellm", "llama.cpp"])
def test_a_server_that_is_taken_for_an_ollama_is_recognised(
    doctor: Doctor, stack: Stack, server: str
) -> None:
    url, kind = (stack.litellm_url, "litellm") if server == "litellm" else (stack.llama_url, "openai")
    (found,) = [
        one for one in doctor({"name": "ollama", "kind": "ollama", "url": url}) if one["status"] != "ok"
    ]
    assert found["id"] == "backend.reachable"
    assert found["message"].lower().find(f"is {server}, which is not of the kind ollama") > 0
    assert found["hint"].endswith(f"config set backends.0.kind {kind}")


@pytest.fixture(scope="module")
def odd_litellm(parts: RealParts, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A LiteLLM whose local-llama is at a server that is gone, and whose local-coder is a cloud service."""
    folder = tmp_path_factory.mktemp("odd")
    gone = {"model": "openai/x", "api_base": f"{DEAD}/v1", "api_key": "none"}
    cloud = {"model": "groq/llama-3.1-8b-instant", "api_key": "none"}
    places = dict(zip(MODELS, (gone, cloud), strict=True))
    config = {
        "model_list": [{"model_name": name, "litellm_params": one} for name, one in places.items()],
        "litellm_settings": {"num_retries": 0},
        "general_settings": {"master_key": stack.key},
    }
    with running_litellm(parts, write(folder / "litellm.yaml", json.dumps(config)), folder / "run") as url:
        yield url


def test_a_cloud_model_behind_litellm_is_told(
    doctor: Doctor, stack: Stack, odd_litellm: str, key: None
) -> None:
    found = [one for one in doctor(litellm(stack, url=odd_litellm), tools={}) if one["status"] != "ok"]
    assert [(one["id"], one["status"]) for one in found] == [("backend.cloud", "warning")]
    assert "ask_coding_model: local-coder on litellm runs at the service groq" in found[0]["message"]


def test_a_model_server_that_is_gone_shows_only_when_it_is_asked(
    doctor: Doctor, stack: Stack, odd_litellm: str, key: None
) -> None:
    with pytest.raises(OSError, match="500"):
        complete(odd_litellm, stack.key, "Hello", model="local-llama")
    assert wrong(doctor(litellm(stack, url=odd_litellm))) == []
    found = [
        one for one in doctor(litellm(stack, url=odd_litellm), options=("--deep",)) if one["status"] != "ok"
    ]
    assert [(one["id"], one["status"]) for one in found] == [("backend.answer", "error")]
    assert "Connection error" in found[0]["message"]


def test_the_client_gives_a_server_the_variables_that_doctor_takes_for_given(desk: Desk) -> None:
    variables = {"TINY_SOURCE": "settings", "TINY_UNSET": "settings", "TINY_SET": "overruled"}
    write(desk.home.settings, {"env": variables, "permissions": {"allow": ["mcp__eager"]}})
    tiny = str(Path(__file__).with_name("tiny_mcp_server.py"))
    entry = {"command": sys.executable, "args": [tiny, "eager"], "env": {"TINY_SET": "${TINY_SOURCE}"}}
    write(desk.home.client_json, {"mcpServers": {"eager": {**entry, "alwaysLoad": True}}})
    desk.api.script("main", [tool_use("mcp__eager__surroundings"), text("done")])
    desk.ask("main", TINY_SOURCE="shell")
    seen = json.loads(desk.api.last("main").tool_results[-1])
    assert (seen["set"], seen["unset"]) == ("settings", "settings")
