"""Where the key and the address come from, and that nothing else of the environment has a say."""

import json
import os
import socket
import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from paid_api import PaidApi
from pydantic import BaseModel, Field

from supervisor_pipelines import claude
from supervisor_pipelines.claude import (
    KEY_VARIABLE,
    URL_VARIABLE,
    Claude,
    PaidRequest,
    Reply,
    Unanswered,
    Why,
)
from supervisor_pipelines.definition import Ask
from supervisor_pipelines.tariff import Usage
from supervisor_setup.errors import UsageError, UserError


class Verdict(BaseModel):
    verdict: str = Field(min_length=1)


ASK = Ask[BaseModel, Verdict](Verdict, "Judge it.", lambda document, _: document.text)
REQUEST = PaidRequest.of(ASK, "Is it good?")


def test_without_a_key_the_variable_is_named_and_why_it_is_not_the_usual_one() -> None:
    with pytest.raises(UserError) as told:
        Claude.from_environment({"ANTHROPIC_API_KEY": "sk-ant-of-claude-code"})
    assert told.value.message == (
        "SUPERVISOR_ANTHROPIC_API_KEY: is not set; ANTHROPIC_API_KEY is not read: Claude Code would see it "
        "too, and bill a subscriber for it"
    )
    assert told.value.hint == "export SUPERVISOR_ANTHROPIC_API_KEY=sk-ant-…"


@pytest.mark.parametrize("key", ["sk-ant key", "sk-ant-\nkey", "sk-änt"])
def test_what_cannot_be_a_key_is_not_sent(key: str) -> None:
    with pytest.raises(UserError, match="characters that no key has") as told:
        Claude.from_environment({KEY_VARIABLE: key})
    assert key not in told.value.message


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(UsageError, match="SUPERVISOR_ANTHROPIC_BASE_URL=localhost: is not an http"):
        Claude.from_environment({KEY_VARIABLE: "key", URL_VARIABLE: "localhost"})


def test_the_address_is_anthropics_own_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    claude = Claude.from_environment({KEY_VARIABLE: "key"})
    assert str(claude.client.base_url) == "https://api.anthropic.com"
    claude.close()


def test_nothing_else_of_the_environment_has_an_effect(
    monkeypatch: pytest.MonkeyPatch, own_home: Path
) -> None:
    profiles = own_home / ".config" / "anthropic"
    (profiles / "configs").mkdir(parents=True)
    (profiles / "active_config").write_text("default", encoding="utf-8")
    (profiles / "configs" / "default.json").write_text(
        json.dumps({"base_url": "http://127.0.0.1:9", "workspace_id": "wrkspc_other"}), encoding="utf-8"
    )
    for name, value in {
        "ANTHROPIC_API_KEY": "sk-ant-of-claude-code",
        "ANTHROPIC_AUTH_TOKEN": "token-of-claude-code",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
        "ANTHROPIC_CUSTOM_HEADERS": "X-Spy: 1\nAuthorization: Bearer stolen\nx-api-key: stolen",
        "ANTHROPIC_PROFILE": "default",
        "ANTHROPIC_CONFIG_DIR": str(profiles),
        "ANTHROPIC_IDENTITY_TOKEN": "identity",
        "ANTHROPIC_FEDERATION_RULE_ID": "rule",
        "ANTHROPIC_ORGANIZATION_ID": "organization",
    }.items():
        monkeypatch.setenv(name, value)
    with PaidApi() as api:
        claude = Claude.from_environment({KEY_VARIABLE: api.key, URL_VARIABLE: api.url})
        assert claude.send(REQUEST).text
        [asked] = api.asked
        claude.close()
    sent = json.dumps(asked.headers)
    assert not [word for word in ("spy", "stolen", "of-claude-code", "identity", "wrkspc") if word in sent]


def test_a_machine_that_does_not_answer_is_not_waited_for_as_long_as_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(claude, "CONNECT_SECONDS", 0.2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        # Who is in the queue fills it, and the system answers nobody else.
        with ExitStack() as stack:
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            api = Claude("key", f"http://127.0.0.1:{port}")
            began = time.monotonic()
            with pytest.raises(Unanswered) as told:
                api.send(REQUEST)
            assert time.monotonic() - began < 10
            api.close()
    assert told.value.why is Why.UNREACHABLE


def test_the_environment_is_as_it_was_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Spy: 1")
    Claude("key").close()
    assert os.environ["ANTHROPIC_CUSTOM_HEADERS"] == "X-Spy: 1"


def test_the_system_prompt_is_marked_for_the_cache_and_the_form_is_bound() -> None:
    params = REQUEST.params
    assert params["system"][0]["cache_control"] == {"type": "ephemeral"}
    schema = params["output_config"]["format"]["schema"]
    assert schema["additionalProperties"] is False
    assert "minLength" not in schema["properties"]["verdict"]


def test_without_a_system_prompt_none_is_sent() -> None:
    bare = PaidRequest(REQUEST.model, "", REQUEST.prompt, REQUEST.schema, REQUEST.max_tokens)
    assert "system" not in bare.params
    with PaidApi() as api:
        claude = Claude(api.key, api.url)
        assert claude.send(bare).text
        claude.close()


def test_what_the_api_counts_is_what_it_bills() -> None:
    with PaidApi() as api:
        claude = Claude(api.key, api.url)
        assert claude.count_tokens(REQUEST) == claude.send(REQUEST).usage.prompt
        claude.close()


def test_a_reply_is_the_same_after_it_was_kept() -> None:
    reply = Reply('{"verdict": "gut — 好"}', "end_turn", Usage(1, 2, 3, 4))
    assert Reply.load(reply.dump()) == reply


def test_halves_of_surrogate_pairs_which_no_request_can_hold_are_replaced() -> None:
    assert PaidRequest.of(ASK, "a\udc80b").prompt == "a?b"


def test_something_else_that_answers_at_the_address_may_have_passed_the_request_on() -> None:
    class Portal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>Please log in</html>")

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        claude = Claude("key", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(Unanswered) as told:
            claude.send(REQUEST)
        claude.close()
        server.shutdown()
    assert told.value.why is Why.LOST
