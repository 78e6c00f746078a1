"""The embedded model: when it begins, when it ends, and that it never stays behind."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from embedded_model import PROMPT, Background, asked, failed, is_alive, wait_until
from fake_backend import closed_port, litellm, ollama, refuse_with
from server_process import said, text_of

from supervisor_mcp.calls import Call

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc"
)


@pytest.fixture
def model(new_model):
    """A model that does as it should."""
    return new_model()


# When it begins


def test_the_first_call_starts_it_and_the_next_one_finds_it_there(core_of, model):
    core = core_of(model.config())
    assert not model.processes()
    first = asked(core)
    assert said(first) == "It is Paris."
    assert first.splitlines()[-1].startswith("[small on embedded · ")
    assert said(asked(core)) == "It is Paris."
    assert len(model.log("start")) == 1
    assert len(model.log("prompt")) == 2


def test_nothing_starts_before_a_call_needs_it(core_of, model):
    core = core_of(model.config())
    core.list_tools()
    assert not model.log("start")


def test_it_stands_in_for_a_backend_that_cannot_be_reached_and_says_so(core_of, model):
    gone = {"name": "litellm", "kind": "litellm", "url": f"http://127.0.0.1:{closed_port()}"}
    text = asked(core_of({**model.config(), "backends": [gone]}))
    assert text.startswith(
        "It is Paris.\n\n[Answered by small on embedded, because litellm cannot be reached: "
    )


def test_a_backend_that_answers_is_preferred(core_of, model, backend):
    assert "on litellm" in asked(core_of({**model.config(), "backends": [litellm(backend)]}))
    assert not model.log("start")


@pytest.mark.parametrize("status", [401, 429, 500])
def test_it_does_not_hide_what_is_wrong_with_a_backend_that_can_be_reached(core_of, model, backend, status):
    backend.fault = refuse_with(status, "no")
    core = core_of({**model.config(), "backends": [ollama(backend)]})
    assert "embedded" not in failed(core)
    assert not model.log("start")


def test_it_does_not_stand_in_for_a_model_that_the_backend_lacks(core_of, model, new_backend):
    core = core_of({**model.config(), "backends": [ollama(new_backend(models=["mistral"]))]})
    assert "does not serve the model local-llama" in failed(core)
    files_too = core.call("classify", {"items": ["x"], "labels": ["a", "b"]}, Call())
    assert files_too.is_error
    assert not model.log("start")


def test_it_serves_the_models_of_all_tools(core_of, model):
    core = core_of(model.config())
    asked(core)
    asked(core, "ask_coding_model", code="x = 1", question="What is x?")
    assert [prompt["model"] for prompt in model.log("prompt")] == ["small", "small"]
    assert len(model.log("start")) == 1


def test_it_may_see_file_contents(core_of, new_model, tmp_path):
    model = new_model(answer='{"label": "animal"}')
    (tmp_path / "cat.txt").write_text("a cat", encoding="utf-8")
    core = core_of(model.config(), project=str(tmp_path))
    text = asked(core, "classify", paths=["cat.txt"], labels=["animal", "plant"])
    assert "cat.txt" in text
    assert "small on embedded" in text.splitlines()[-1]
    assert "a cat" in model.log("prompt")[0]["text"]


def test_switched_off_it_is_not_there(core_of, model):
    core = core_of(model.config(enabled=False))
    text = failed(core)
    assert "config.yaml has no enabled backend" in text
    assert "pip install" not in text
    assert not model.log("start")


# What it is given


def test_it_listens_on_this_machine_alone_with_a_key_that_no_command_line_shows(core_of, model, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setenv("LLAMA_ARG_HOST", "0.0.0.0")  # meant for another llama.cpp
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    asked(core_of(model.config(context_tokens=4096)))
    start = model.log("start")[0]
    options = dict(zip(start["arguments"][1::2], start["arguments"][2::2], strict=True))
    assert options["--host"] == "127.0.0.1"
    assert options["--port"] == "0"  # one that the kernel chooses is nobody else's
    assert options["--ctx-size"] == "4096"
    environment = start["environment"]
    assert len(environment["LLAMA_API_KEY"]) > 30
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert (environment["OMP_NUM_THREADS"], environment["OMP_WAIT_POLICY"]) == ("3", "passive")
    assert not {"ANTHROPIC_API_KEY", "LLAMA_ARG_HOST"} & environment.keys()
    assert len(model.processes()) == 2
    for pid in model.processes():
        assert environment["LLAMA_API_KEY"].encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_each_start_has_another_key(core_of, model):
    core = core_of(model.config(idle_seconds=0.05))
    asked(core)
    assert model.is_gone()
    asked(core)
    keys = {start["environment"]["LLAMA_API_KEY"] for start in model.log("start")}
    assert len(keys) == 2
    assert not model.log("refused")


# When it ends


def test_it_is_stopped_when_idle_and_started_again_for_the_next_call(core_of, model):
    core = core_of(model.config(idle_seconds=0.5))
    asked(core)
    assert model.processes()
    assert model.is_gone()
    assert said(asked(core)) == "It is Paris."
    assert len(model.log("start")) == 2


def test_each_call_puts_its_end_off(core_of, model):
    core = core_of(model.config(idle_seconds=1))
    until = time.monotonic() + 2
    while time.monotonic() < until:
        asked(core)
        time.sleep(0.1)
    assert len(model.log("start")) == 1
    assert model.is_gone()


def test_it_is_not_stopped_while_it_answers(core_of, new_model):
    model = new_model(answer_seconds=0.6)
    core = core_of(model.config(idle_seconds=0.1))
    asked(core)
    background = Background(core)
    assert wait_until(lambda: len(model.log("prompt")) == 2)
    assert said(background.end().text) == "It is Paris."


def test_one_that_does_not_listen_is_killed_when_idle(core_of, new_model):
    model = new_model(stubborn=True)
    asked(core_of(model.config(idle_seconds=0.05)))
    pid = model.log("start")[0]["pid"]
    assert wait_until(lambda: not is_alive(pid))


def test_the_next_start_waits_until_the_last_process_is_gone(core_of, new_model):
    model = new_model(stubborn=True)
    core = core_of(model.config(idle_seconds=0.05))
    asked(core)
    first = model.log("start")[0]["pid"]
    assert is_alive(first)
    time.sleep(0.2)  # it has been asked to end and has not heard
    asked(core)
    assert len(model.log("start")) == 2
    assert not is_alive(first)


@pytest.mark.parametrize("way", ["SIGKILL", "SIGTERM", "SIGINT", "stdin"])
def test_it_never_outlives_the_server(start_server, model, way):
    server = start_server(**model.config())
    server.initialize()
    assert said(text_of(server.call("ask_local_llama", PROMPT))) == "It is Paris."
    assert len(model.processes()) == 2
    if way == "stdin":
        server.process.stdin.close()
    else:
        server.process.send_signal(getattr(signal, way))
    server.process.wait(10)
    assert model.is_gone()


def test_it_does_not_outlive_a_server_that_is_killed_while_it_starts(start_server, new_model):
    model = new_model(load_seconds=30)
    server = start_server(**model.config())
    server.initialize()
    server.send(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "ask_local_llama", "arguments": PROMPT},
        }
    )
    model.started()
    server.process.kill()
    server.process.wait(10)
    assert model.is_gone()


@pytest.mark.skipif(not os.path.exists("/proc/self/oom_score_adj"), reason="only Linux ends it then")  # noqa: PTH110 - shorter
def test_it_does_not_outlive_its_keeper_and_the_server_killed_together(start_server, model):
    server = start_server(**model.config())
    server.initialize()
    server.call("ask_local_llama", PROMPT)
    os.kill(model.log("start")[0]["parent"], signal.SIGKILL)
    server.process.kill()
    server.process.wait(10)
    assert model.is_gone()


def test_when_memory_runs_out_the_kernel_takes_it_first(core_of, model):
    asked(core_of(model.config()))
    score = Path(f"/proc/{model.log('start')[0]['pid']}/oom_score_adj")
    assert int(score.read_text(encoding="ascii")) > 500


# Several at once


def test_two_servers_on_one_machine_do_not_disturb_each_other(core_of, model):
    one, other = core_of(model.config()), core_of(model.config())
    calls = [Background(core) for core in (one, other) for _ in range(4)]
    assert {said(call.end(30).text) for call in calls} == {"It is Paris."}
    starts = model.log("start")
    assert len(starts) == 2
    assert len({start["environment"]["LLAMA_API_KEY"] for start in starts}) == 2
    assert sorted(Counter(prompt["pid"] for prompt in model.log("prompt")).values()) == [4, 4]
    one.close()
    assert wait_until(lambda: len(model.processes()) == 2)
    assert said(asked(other)) == "It is Paris."
    assert len(model.log("start")) == 2
    assert not model.log("refused")


def test_64_calls_at_once_start_one_process(core_of, new_model):
    model = new_model(load_seconds=0.3)
    core = core_of(model.config())
    calls = [Background(core) for _ in range(64)]
    assert {said(call.end(60).text) for call in calls} == {"It is Paris."}
    assert len(model.log("start")) == 1
    assert len(model.log("prompt")) == 64
