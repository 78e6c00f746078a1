"""The real local side: llama.cpp's server with a small model, and the LiteLLM proxy in front of it."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from real_parts import RealParts

from .tied import TIED

MODELS = ("local-llama", "local-coder")
MASTER_KEY = "sk-master-key-of-the-tests"
CONTEXT_TOKENS = 8192
# The model has 135M parameters: asked without the last sentence it answers in French verse about as often.
CAPITAL_QUESTION = "What is the capital of France? Answer in one sentence."

_START_TRIES = 3
_START_S = 120.0
_POLL_S = 0.1
_LOG_TAIL_CHARS = 4000

_Started = TypeVar("_Started")


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack; `litellm_url` asks for `key`, `llama_url` is llama.cpp itself. Urls have no path."""

    litellm_url: str
    llama_url: str
    key: str
    logs: tuple[Path, ...]

    def complete(self, prompt: str, *, model: str = MODELS[0]) -> str:
        """What `model` answers to `prompt` through LiteLLM, asked over plain HTTP without the product."""
        return complete(self.litellm_url, self.key, prompt, model=model)

    def log_tails(self) -> dict[str, str]:
        """The last words of each server, for a failed test's report."""
        return {log.name: tail(log) for log in self.logs}


class StackError(Exception):
    """The stack did not come up; the message holds the end of the log that says why."""


def complete(litellm_url: str, key: str, prompt: str, *, model: str) -> str:
    """What `model` answers to `prompt` through a LiteLLM, asked over plain HTTP."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}]}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{litellm_url}/v1/chat/completions", body, headers)
    with _direct().open(request, timeout=60) as answer:
        reply: Any = json.load(answer)
    return str(reply["choices"][0]["message"]["content"])


@contextmanager
def running_stack(parts: RealParts, folder: Path) -> Iterator[Stack]:
    """Start both servers on free loopback ports, with logs and a HOME in `folder`; stop them at the end."""
    with ExitStack() as servers:
        yield with_retries(lambda attempt, started: _start(parts, attempt, started), folder, servers)


@contextmanager
def running_litellm(
    parts: RealParts, config: Path, folder: Path, *, env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Start a LiteLLM of its own on `config`, with `env` in its environment; gives its url."""

    def start(attempt: Path, servers: ExitStack) -> str:
        _, port = free_ports()
        log = attempt / "litellm.log"
        command = _litellm_command(parts, config, port)
        process = servers.enter_context(
            running_server(command, log, {**_environment(attempt), **(env or {})})
        )
        _wait_until_ready(f"http://127.0.0.1:{port}/health/readiness", process, log)
        return f"http://127.0.0.1:{port}"

    with ExitStack() as servers:
        yield with_retries(start, folder, servers)


@contextmanager
def running_llama(parts: RealParts, folder: Path, *, context_tokens: int) -> Iterator[str]:
    """Start a llama.cpp of its own with a context of that size; gives its url."""

    def start(attempt: Path, servers: ExitStack) -> str:
        port, _ = free_ports()
        log = attempt / "llama-server.log"
        # One thread: two wait for each other at every step, for seconds where the machine does other work.
        small = ("--ctx-size", str(context_tokens), "--parallel", "1", "--threads", "1")
        options = (*_llama_options(port), *small)
        command = [str(parts.llama_server), "--model", str(_quick_model(parts, attempt)), *options]
        process = servers.enter_context(running_server(command, log, _environment(attempt)))
        _wait_until_ready(f"http://127.0.0.1:{port}/health", process, log)
        return f"http://127.0.0.1:{port}"

    with ExitStack() as servers:
        yield with_retries(start, folder, servers)


def with_retries(start: Callable[[Path, ExitStack], _Started], folder: Path, servers: ExitStack) -> _Started:
    """A free port can be taken before its server binds it, so a failed start is tried again on others."""
    for attempt in range(1, _START_TRIES + 1):
        attempt_folder = folder / f"attempt-{attempt}"
        attempt_folder.mkdir(parents=True)
        with ExitStack() as started:
            try:
                running = start(attempt_folder, started)
            except StackError:
                if attempt == _START_TRIES:
                    raise
                continue
            servers.push(started.pop_all())
            return running
    raise AssertionError("unreachable: the last attempt returns or raises")


def _start(parts: RealParts, folder: Path, servers: ExitStack) -> Stack:
    llama_port, litellm_port = free_ports()
    stack = Stack(
        litellm_url=f"http://127.0.0.1:{litellm_port}",
        llama_url=f"http://127.0.0.1:{llama_port}",
        key=MASTER_KEY,
        logs=(folder / "llama-server.log", folder / "litellm.log"),
    )
    config = folder / "litellm.yaml"
    config.write_text(json.dumps(_litellm_config(stack)), encoding="utf-8")  # JSON is YAML
    env = _environment(folder)
    model = str(_quick_model(parts, folder))
    llama = [str(parts.llama_server), "--model", model, *_llama_options(llama_port)]
    litellm = _litellm_command(parts, config, litellm_port)
    processes = [
        servers.enter_context(running_server(command, log, env))
        for command, log in zip((llama, litellm), stack.logs, strict=True)
    ]
    _wait_until_ready(f"{stack.llama_url}/health", processes[0], stack.logs[0])
    _wait_until_ready(f"{stack.litellm_url}/health/readiness", processes[1], stack.logs[1])
    return stack


def _quick_model(parts: RealParts, folder: Path) -> Path:
    """The same model in a form in which llama.cpp reads prompts twice as fast; takes two seconds."""
    model = folder / "model-q8_0.gguf"
    quantize = parts.llama_server.with_name("llama-quantize")
    command = [quantize, "--allow-requantize", parts.model, model, "Q8_0", "2"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise StackError(f"{quantize.name}: exited {done.returncode}\n{done.stderr[-_LOG_TAIL_CHARS:]}")
    return model


def _environment(folder: Path) -> dict[str, str]:
    home = folder / "home"
    home.mkdir()
    return {
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        # llama.cpp's threads wait for each other at every step. Where the machine has other work, such as the
        # other worker's llama.cpp, they do so for a second a token, unless they sleep meanwhile.
        "OMP_WAIT_POLICY": "passive",
        # Without this the proxy asks the internet for a price list, and waits.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }


def _litellm_command(parts: RealParts, config: Path, port: int) -> list[str]:
    return [str(parts.litellm), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]


def _llama_options(port: int) -> tuple[str, ...]:
    return (
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--ctx-size", str(2 * CONTEXT_TOKENS), "--parallel", "2", "--threads", "2"),
        # The same prompt gives the same answer, and a model that repeats itself comes to an end.
        *("--temp", "0", "--no-cache-prompt", "--n-predict", "256"),
    )


def _litellm_config(stack: Stack) -> Mapping[str, Any]:
    backend = {"model": "openai/smollm2", "api_base": f"{stack.llama_url}/v1", "api_key": "none"}
    return {
        "model_list": [{"model_name": name, "litellm_params": backend} for name in MODELS],
        "litellm_settings": {"num_retries": 0, "request_timeout": 60},
        "general_settings": {"master_key": stack.key},
    }


@contextmanager
def running_server(
    command: list[str], log: Path, env: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server that ends with this block, or with this process if that is killed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            (sys.executable, "-IS", str(TIED), *command),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=log.parent,
            start_new_session=True,
        )
    lifeline = process.stdin
    assert lifeline is not None
    try:
        yield process
    finally:
        _let_go(process, lifeline)


def _let_go(process: "subprocess.Popen[bytes]", lifeline: IO[bytes]) -> None:
    lifeline.close()
    process.wait(30)


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StackError(f"{log.name}: the server exited {process.returncode}\n{tail(log)}")
        try:
            with _direct().open(url, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(_POLL_S)
    raise StackError(f"{log.name}: not ready after {_START_S:.0f} s\n{tail(log)}")


def _direct() -> urllib.request.OpenerDirector:
    """An opener that ignores proxy variables: everything here is on loopback."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_ports() -> tuple[int, int]:
    """Two ports of the loopback on which nothing listened a moment ago."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def tail(log: Path) -> str:
    """The end of a log."""
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL_CHARS:]
