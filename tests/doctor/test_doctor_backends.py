"""What doctor says of backends that do not answer, or whose key is not right."""

import json
import socket
import threading
import time
from typing import Any

import pytest
from backend_bench import KEY, KOALA, use
from bench import Bench
from fake_backend import (
    closed_port,
    litellm,
    openai,
)

from supervisor_setup.checks import backend_answers, backend_probe, registry
from supervisor_setup.checks.check import Reach

pytestmark = pytest.mark.usefixtures("only_planted_programs")


@pytest.fixture
def silent() -> Any:
    """The URL of a server that accepts connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_where_nobody_has_set_backends_up_the_bundled_ones_are_not_asked(bench: Bench):
    assert bench.findings("backend") == []
    bench.write(bench.home.client, {"mcpServers": {"other": {"command": "true"}}})
    assert bench.findings("backend") == []


def test_each_backend_of_a_fresh_user_has_one_finding_that_says_how_to_set_it(bench: Bench):
    bench.write(bench.home.client, {"mcpServers": {"local-models": {"command": "supervisor-mcp"}}})
    found = bench.findings("backend")
    assert [(one["id"], one["status"]) for one in found] == [("backend.resolve", "warning")] * 2
    assert (
        "litellm at http://koala:4000 cannot be reached: the host name koala is not known"
        in found[0]["message"]
    )
    assert "config set backends.0.url URL" in found[0]["hint"]
    assert found[0]["path"] is None  # there is no config.yaml


def test_an_unknown_host_is_shown_at_its_line_of_the_config(bench: Bench):
    use(bench, litellm(bench.new_backend()), {**KOALA, "name": "other"})
    found = bench.one("backend.resolve")
    assert found["path"] == str(bench.home.config)
    assert "http://koala:4000" in bench.home.config.read_text().splitlines()[found["line"] - 1]
    assert "backends.1.url" in found["hint"]


def test_a_refused_connection_is_one_finding(bench: Bench):
    use(bench, {**KOALA, "url": f"http://127.0.0.1:{closed_port()}"})
    (found,) = bench.findings("backend")
    assert (found["id"], found["status"]) == ("backend.reachable", "warning")
    assert "connection refused" in found["message"]


def test_two_dead_backends_end_well_before_the_limit_of_the_checks(
    bench: Bench, silent: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("supervisor_mcp.backends.base.PROBE_SECONDS", 0.5)
    monkeypatch.setattr("supervisor_setup.checks.backend_pages._PAGE_SECONDS", 0.2)
    refused = {**KOALA, "url": f"http://127.0.0.1:{closed_port()}"}
    use(bench, refused, {**KOALA, "name": "other", "url": silent})
    started = time.monotonic()
    found = bench.findings("backend")
    assert time.monotonic() - started < 4
    assert [one["id"] for one in found] == ["backend.reachable"] * 2
    assert "gave no answer within 0.5 s" in found[1]["message"]


def test_all_that_a_probe_may_take_lies_within_the_limit_of_its_checks():
    of_backends = [check for check in registry.CHECKS if check.family == "backend"]
    local = [check for check in of_backends if check.reach is Reach.LOCAL]
    assert all(check.timeout_s > backend_probe._ALL_SECONDS + 2 for check in local)
    (answer,), (context,) = (
        [one for one in of_backends if one.id == f"backend.{name}"] for name in ("answer", "context")
    )
    room = backend_probe._ALL_SECONDS + backend_answers.ANSWER_SECONDS
    assert answer.timeout_s > room + 2
    assert context.timeout_s > answer.timeout_s + backend_answers.ANSWER_SECONDS + 2


def test_a_look_up_that_hangs_is_left_behind(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(20))
    use(bench, {**KOALA, "connect_timeout": 0.1})
    try:
        found = bench.one("backend")
    finally:
        ended.set()
    assert found["id"] == "backend.resolve"
    assert "the look-up of the host name koala did not end within 0.1 s" in found["message"]


def test_a_machine_without_a_name_server_is_told_apart(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    use(bench, KOALA)
    assert "no name server answers" in bench.one("backend")["message"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999", f"http://{'a' * 70}.b:1"])
def test_an_address_that_cannot_be_one_is_a_finding_and_no_failure(bench: Bench, url: str):
    use(bench, {**KOALA, "url": url})
    assert "cannot be reached" in bench.one("backend")["message"]


def test_a_backend_that_is_switched_off_is_not_asked(bench: Bench):
    backend = bench.new_backend()
    use(bench, litellm(backend), {**KOALA, "name": "off", "enabled": False})
    assert bench.findings("backend") == []


def test_a_config_that_cannot_be_followed_is_left_to_its_own_check(bench: Bench):
    bench.write(bench.home.config, "tiers: 5")
    assert bench.findings("backend", "--deep") == []


def test_offline_asks_nobody(bench: Bench):
    backend = bench.new_backend()
    use(bench, litellm(backend))
    assert bench.findings("backend", "--offline") == []
    assert backend.seen == []


def test_a_missing_key_is_one_finding_that_names_the_variable(bench: Bench):
    use(bench, litellm(bench.new_backend(key=KEY), api_key={"env": "LITELLM_API_KEY"}))
    (found,) = bench.findings("backend")
    assert (found["id"], found["status"]) == ("backend.auth", "error")
    assert "wants an API key and none is set" in found["message"]
    assert "LITELLM_API_KEY" in found["hint"]
    assert '"api_key"' in bench.home.config.read_text().splitlines()[found["line"] - 1]


def test_a_wrong_key_is_told_apart_and_never_shown(bench: Bench):
    bench.set_variable("LITELLM_API_KEY", f"{KEY}-not")
    use(bench, litellm(bench.new_backend(key=KEY), api_key={"env": "LITELLM_API_KEY"}))
    ran = bench.cli("--json", "doctor", "--check", "backend", code=2)
    assert "refused the API key" in ran.out
    assert KEY not in ran.out + ran.err


@pytest.mark.parametrize("status", [401, 403])
def test_a_plain_refusal_is_about_the_key(bench: Bench, status: int):
    use(bench, openai(bench.new_backend(pages={"/v1/models": (status, {"error": "no"})})))
    assert bench.one("backend")["id"] == "backend.auth"


def test_a_right_key_is_nothing_to_speak_of(bench: Bench):
    bench.set_variable("LITELLM_API_KEY", KEY)
    use(bench, litellm(bench.new_backend(key=KEY), api_key={"env": "LITELLM_API_KEY"}))
    assert bench.findings("backend", "--deep") == []


def test_a_variable_that_is_not_set_does_not_matter_where_no_key_is_wanted(bench: Bench):
    use(bench, litellm(bench.new_backend(), api_key={"env": "LITELLM_API_KEY"}))
    assert bench.findings("backend") == []


def test_a_key_in_the_settings_of_the_client_reaches_its_servers(bench: Bench):
    bench.set_variable("LITELLM_API_KEY", "sk-an-old-key-of-this-shell")
    bench.edit(bench.home.settings, env={"LITELLM_API_KEY": KEY})
    use(bench, litellm(bench.new_backend(key=KEY), api_key={"env": "LITELLM_API_KEY"}))
    assert bench.findings("backend") == []


@pytest.mark.parametrize("value", [KEY, "${HOUSE_KEY}", "${HOUSE_KEY:-none}", "${NOT_SET:-" + KEY + "}"])
def test_a_key_in_the_server_s_own_entry_comes_first(bench: Bench, value: str):
    bench.set_variable("HOUSE_KEY", KEY)
    bench.set_variable("LITELLM_API_KEY", "sk-an-old-key-of-this-shell")
    entry = {"command": "supervisor-mcp", "env": {"LITELLM_API_KEY": value}}
    bench.edit(bench.home.client, mcpServers={"local-models": entry})
    use(bench, litellm(bench.new_backend(key=KEY), api_key={"env": "LITELLM_API_KEY"}))
    assert bench.findings("backend") == []


def test_a_key_that_only_a_profile_sets_needs_a_new_shell(bench: Bench):
    bench.write(bench.home.path / ".bashrc", f"export LITELLM_API_KEY={KEY}\n")
    use(bench, litellm(bench.new_backend(key=KEY), api_key={"env": "LITELLM_API_KEY"}))
    found = bench.one("backend")
    assert "start a new shell" in found["hint"]
    assert ".bashrc" in found["hint"]
    assert KEY not in json.dumps(found)


def test_a_key_file_that_others_can_read_is_not_used(bench: Bench):
    path = bench.write(bench.home.path / "key", KEY)
    path.chmod(0o644)
    backend = bench.new_backend(key=KEY)
    use(bench, litellm(backend, api_key={"file": str(path)}))
    found = bench.one("backend")
    assert "which others can read (mode 0644)" in found["message"]
    assert found["hint"] == f"chmod 600 {path}"
    assert backend.seen == []


def test_a_missing_key_file_is_named(bench: Bench):
    use(bench, litellm(bench.new_backend(), api_key={"file": "/nowhere/key"}))
    assert "/nowhere/key, which cannot be read" in bench.one("backend")["message"]
