"""The embedded model when its start is slow, when it crashes, and when something is missing."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from embedded_model import Background, asked, embedded_backend, failed, is_alive, prompt, wait_until
from server_process import said

from supervisor_mcp.calls import Call, CallCancelled

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc"
)


@pytest.fixture
def model(new_model):
    """A model that does as it should."""
    return new_model()


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


def test_a_bug_at_the_start_reaches_every_call_and_leaves_the_next_start_possible(
    core_of, model, monkeypatch
):
    core = core_of(model.config())
    with monkeypatch.context() as patched:
        patched.setattr("supervisor_mcp.embedded.process._environment", None)
        with pytest.raises(TypeError):
            asked(core)
    assert said(asked(core)) == "It is Paris."


def test_a_start_that_is_given_up_before_its_process_exists_ends_it_at_once(model):
    backend = embedded_backend(model)
    plan = backend._engine._way.plan
    asked_for, go_on = threading.Event(), threading.Event()

    def slow_plan() -> Any:
        asked_for.set()
        go_on.wait(10)
        return plan()

    backend._engine._way.plan = slow_plan
    call = Call()

    def ask() -> None:
        with pytest.raises(CallCancelled):
            backend.ask(prompt(), call)

    thread = threading.Thread(target=ask)
    thread.start()
    asked_for.wait(10)
    call.cancel()
    thread.join(10)
    go_on.set()
    backend._engine._run.end()
    assert not model.processes()


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


def test_what_the_model_refuses_is_no_crash(core_of, new_model):
    model = new_model(refuse="the request exceeds the available context size (2048 tokens)")
    core = core_of(model.config())
    assert "the prompt exceeds the model's context of 2048 tokens" in failed(core)
    assert len(model.log("start")) == 1


def test_one_that_died_between_two_calls_is_started_again(core_of, model):
    core = core_of(model.config())
    asked(core)
    os.kill(model.log("start")[0]["pid"], signal.SIGKILL)
    assert model.is_gone()
    assert said(asked(core)) == "It is Paris."


def test_one_that_crashes_again_and_again_is_told(core_of, new_model, monkeypatch):
    model = new_model()
    core = core_of(model.config())
    asked(core)
    client = core._desk._embedded._client_of

    def dead_client(process: Any) -> Any:
        if core._desk._embedded._engine.current() is process:  # and not while it starts
            os.kill(model.log("start")[-1]["pid"], signal.SIGKILL)
            assert process.ended.wait(10)
        return client(process)

    monkeypatch.setattr(core._desk._embedded, "_client_of", dead_client)
    assert "crashed in the middle of its work: it was killed by signal 9" in failed(core)
    assert len(model.log("start")) == 2


def test_what_is_known_of_it_stays_known_when_it_dies_meanwhile(model):
    backend = embedded_backend(model)
    backend.ask(prompt(), Call())
    client = backend._client_of

    def dead_client(process: Any) -> Any:
        os.kill(model.log("start")[0]["pid"], signal.SIGKILL)
        assert process.ended.wait(10)
        return client(process)

    backend._client_of = dead_client
    info = backend.model_info("small", Call())
    assert (info.local, info.loaded, info.context_tokens) == (True, False, 8192)


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
