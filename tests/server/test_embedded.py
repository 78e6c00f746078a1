"""The embedded model: when it begins, when it ends, and that it never stays behind."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from embedded_model import EmbeddedModel, is_alive, wait_until
from fake_backend import closed_port, litellm, ollama, refuse_with
from server_process import said, text_of

from supervisor_mcp import settings
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.core import Core

PROMPT = {"prompt": "What is the capital of France?"}
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc"
)
pytestmark = needs_proc


@pytest.fixture
def new_model(tmp_path: Path) -> Iterator[Callable[..., EmbeddedModel]]:
    """Makes models: `new_model(load_seconds=1)`; none may leave a process behind."""
    made = []

    def make(**behaviour: Any) -> EmbeddedModel:
        made.append(EmbeddedModel(tmp_path, **behaviour))
        return made[-1]

    yield make
    for model in made:
        assert model.is_gone(), f"left behind: {model.processes()}"


@pytest.fixture
def model(new_model: Callable[..., EmbeddedModel]) -> EmbeddedModel:
    """A model that does as it should."""
    return new_model()


@pytest.fixture
def core_of(new_model: Callable[..., EmbeddedModel]) -> Iterator[Callable[..., Core]]:
    """Makes cores, which are closed before anybody looks for what the models left behind."""
    cores = []

    def make(config: dict[str, Any], **keys: Any) -> Core:
        cores.append(Core(settings.from_mapping(settings.merge(config)), **keys))
        return cores[-1]

    yield make
    for core in cores:
        core.close()


def asked(core: Core, tool: str = "ask_local_llama", call: Call | None = None, **arguments: Any) -> str:
    result = core.call(tool, arguments or PROMPT, call or Call())
    assert not result.is_error, result.text
    return result.text


def failed(core: Core, call: Call | None = None) -> str:
    result = core.call("ask_local_llama", PROMPT, call or Call())
    assert result.is_error, result.text
    return result.text


class Background:
    """A call that runs on a thread; `outcome` is its result or what it raised."""

    def __init__(self, core: Core, tool: str = "ask_local_llama", **arguments: Any) -> None:
        self.reports: list[str] = []
        self.call = Call(lambda _, text: self.reports.append(text))
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(core, tool, arguments or PROMPT))
        self._thread.start()

    def _run(self, core: Core, tool: str, arguments: dict[str, Any]) -> None:
        try:
            self.outcome = core.call(tool, arguments, self.call)
        except CallCancelled as cancelled:
            self.outcome = cancelled

    def end(self, seconds: float = 20.0) -> Any:
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        return self.outcome


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
    core = core_of(model.config(idle_seconds=0.2))
    asked(core)
    assert model.processes()
    assert model.is_gone()
    assert said(asked(core)) == "It is Paris."
    assert len(model.log("start")) == 2


def test_each_call_puts_its_end_off(core_of, model):
    core = core_of(model.config(idle_seconds=0.6))
    until = time.monotonic() + 1.5
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


# Many calls


def test_64_calls_at_once_start_one_process(core_of, new_model):
    model = new_model(load_seconds=0.3)
    core = core_of(model.config())
    calls = [Background(core) for _ in range(64)]
    assert {said(call.end(60).text) for call in calls} == {"It is Paris."}
    assert len(model.log("start")) == 1
    assert len(model.log("prompt")) == 64


# A slow start


def test_a_slow_start_is_reported(core_of, new_model):
    model = new_model(load_seconds=0.5)
    background = Background(core_of(model.config()))
    background.end()
    assert background.reports[0].startswith("waiting for small on embedded (starting it), 0 s")


def test_a_cancelled_start_is_given_up_and_the_next_call_starts_anew(core_of, new_model):
    model = new_model(load_seconds=30)
    core = core_of(model.config())
    background = Background(core)
    model.started()
    began = time.monotonic()
    background.call.cancel()
    assert isinstance(background.end(), CallCancelled)
    assert time.monotonic() - began < 1
    assert model.is_gone()
    model.behave()
    assert said(asked(core)) == "It is Paris."


def test_a_start_goes_on_for_those_who_still_wait(new_model):
    model = new_model(load_seconds=1)
    backend = embedded_backend(model)
    impatient, patient = Call(), Call()
    outcomes: list[Any] = []

    def use(call: Call) -> None:
        try:
            with backend._engine.running(call, "small") as process:
                outcomes.append(process.port)
        except CallCancelled:
            outcomes.append("cancelled")

    threads = [threading.Thread(target=use, args=(call,)) for call in (impatient, patient)]
    for thread in threads:
        thread.start()
    model.started()
    impatient.cancel()
    for thread in threads:
        thread.join(20)
    assert outcomes[0] == "cancelled"
    assert isinstance(outcomes[1], int)
    assert len(model.log("start")) == 1
    backend.close()


def test_a_start_that_takes_too_long_is_ended(new_model):
    model = new_model(load_seconds=30)
    backend = embedded_backend(model, start_seconds=0.4)
    with pytest.raises(Exception, match=r"cannot be started: it was not ready within 0\.4 s"):
        backend.ask(prompt(), Call())
    assert model.is_gone()


def test_one_that_listens_and_never_gets_ready_is_ended_too(new_model):
    model = new_model(health=503)
    backend = embedded_backend(model, start_seconds=1.5)
    with pytest.raises(Exception, match="was not ready within"):
        backend.ask(prompt(), Call())
    assert model.is_gone()


def test_a_start_that_failed_slowly_is_not_tried_again_by_the_next_call(core_of, new_model):
    model = new_model(load_seconds=0.4, exit_code=1)
    core = core_of(model.config())
    failed(core)
    assert "not tried again for another" in failed(core)
    assert len(model.log("start")) == 1


# Crashes


@pytest.mark.parametrize(
    ("number", "words", "hint"),
    [
        (signal.SIGKILL, "was killed by signal 9, as when the memory runs out", "fewer `context_tokens`"),
        (signal.SIGSEGV, "was killed by signal 11", "see what this says: "),
    ],
)
def test_a_crash_in_the_middle_is_told_and_the_next_call_starts_anew(core_of, new_model, number, words, hint):
    model = new_model(crash=number)
    core = core_of(model.config())
    text = failed(core)
    assert f"crashed in the middle of its work: it {words}" in text
    assert hint in text
    model.behave()
    assert said(asked(core)) == "It is Paris."


def test_one_that_died_between_two_calls_is_started_again(core_of, model):
    core = core_of(model.config())
    asked(core)
    os.kill(model.log("start")[0]["pid"], signal.SIGKILL)
    assert model.is_gone()
    assert said(asked(core)) == "It is Paris."


def test_one_whose_keeper_was_killed_is_started_again(core_of, model):
    core = core_of(model.config())
    asked(core)
    os.kill(model.log("start")[0]["parent"], signal.SIGKILL)
    assert wait_until(lambda: not is_alive(model.log("start")[0]["pid"]))
    assert said(asked(core)) == "It is Paris."


def test_one_whose_keeper_does_nothing_any_more_is_ended_all_the_same(core_of, model, monkeypatch):
    monkeypatch.setattr("supervisor_mcp.embedded.process._ENDING_SECONDS", 0.3)
    core = core_of(model.config(idle_seconds=0.05))
    asked(core)
    os.kill(model.log("start")[0]["parent"], signal.SIGSTOP)
    time.sleep(0.2)
    assert said(asked(core)) == "It is Paris."
    assert wait_until(lambda: not is_alive(model.log("start")[0]["pid"]))


# What can be missing


@pytest.mark.parametrize(
    ("part", "content", "words"),
    [
        ("program", None, "is not a program"),
        ("model", None, "cannot be read (No such file or directory)"),
        ("model", b"PK\x03\x04 a zip file", "is not a GGUF file"),
        ("model", b"", "is not a GGUF file"),
    ],
)
def test_a_file_that_is_missing_or_wrong_is_named(core_of, model, part, content, words):
    path = getattr(model, part)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    text = failed(core_of(model.config()))
    assert f"cannot be started: {'the model ' if 'read' in words else ''}{path} {words}" in text
    assert f"correct `{part}` under `embedded` in config.yaml" in text


def test_a_program_that_cannot_run_here_is_told(core_of, model):
    model.program.write_bytes(b"\x7fELF for another machine")
    text = failed(core_of(model.config()))
    assert f"its program does not run here: cannot run {model.program}: Exec format error" in text


def test_a_program_that_says_nothing_helpful_is_quoted(core_of, new_model):
    model = new_model(exit_code=3, lines=["0.01 I srv init: hello", "0.02 E srv load: it is Monday"])
    text = failed(core_of(model.config()))
    assert "cannot be started: it ended with code 3: it is Monday" in text
    assert f"see what this says: {model.program} --model {model.model} --port 0" in text


def test_when_no_process_can_be_started_it_says_so(core_of, model, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refuse)
    assert "cannot be started: Resource temporarily unavailable" in failed(core_of(model.config()))


def embedded_backend(model: EmbeddedModel, start_seconds: float | None = None) -> Any:
    from supervisor_mcp.embedded.backend import EmbeddedBackend
    from supervisor_mcp.settings_types import Embedded

    backend = EmbeddedBackend(Embedded(**model.config()["embedded"]), ["local-llama"])
    if start_seconds is not None:
        backend._engine._way.start_seconds = start_seconds
    return backend


def prompt() -> Any:
    from supervisor_mcp.backends import Prompt

    return Prompt(model="small", system="", user="x", max_tokens=5, temperature=None)
