"""What a failed start of the embedded model is called, and who ends its process."""

import signal
import subprocess
import sys
import time

import pytest
from embedded_model import wait_until

from supervisor_mcp.embedded import keeper, words
from supervisor_mcp.embedded.process import Plan

PLAN = Plan(program="/opt/llama-server", model="/models/m.gguf", context_tokens=8192, parallel=1)


# In words: the lines are llama.cpp's own


CUT_OFF = (
    "error loading model: tensor 'blk.16.ffn_down.weight' data is not within the file bounds, "
    "model is corrupted or incomplete"
)
TOO_NEW = "this GGUF file is version 28 but this software only supports up to version 3"
UNKNOWN = "error loading model: unknown model architecture: 'qwen9'"
NO_LIBRARY = (
    "llama-server: error while loading shared libraries: libllama.so.0: cannot open shared object file"
)


@pytest.mark.parametrize(
    ("lines", "exit_code", "said", "hint"),
    [
        (
            [
                "0.00.035.838 I srv    load_model: loading model 'trunc.gguf'",
                f"0.00.061.381 E llama_model_load: {CUT_OFF}",
                "0.00.111.211 E srv  llama_server: exiting due to model loading error",
            ],
            1,
            f"/models/m.gguf is damaged or incomplete: {CUT_OFF}",
            "install the model again",
        ),
        (
            ["0.00.027.233 E gguf_init_from_reader: failed to read key-value pairs"],
            1,
            "/models/m.gguf is damaged or incomplete: failed to read key-value pairs",
            "install the model again",
        ),
        (
            [
                f"0.00.031.700 E gguf_init_from_reader: {TOO_NEW}",
                "0.00.031.902 E llama_model_load: error loading model: failed to load model from rand.gguf",
            ],
            1,
            f"its llama.cpp cannot read /models/m.gguf: {TOO_NEW}",
            "install a newer llama.cpp",
        ),
        (
            [f"0.00.061.381 E llama_model_load: {UNKNOWN}"],
            1,
            f"its llama.cpp cannot read /models/m.gguf: {UNKNOWN}",
            "install a newer llama.cpp",
        ),
        (
            [
                "0.01.002.167 E ggml_aligned_malloc: insufficient memory (attempted to allocate 2199.38 MB)",
                "0.01.007.146 E srv  llama_server: exiting due to model loading error",
            ],
            1,
            "there is not enough memory for it",
            "fewer `context_tokens`",
        ),
        (["terminate called after throwing an instance of 'std::bad_alloc'"], 134, "not enough", "smaller"),
        (
            ["0.00.034.404 E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1"],
            1,
            "it found no free port on this machine",
            "ss -lt",
        ),
        ([NO_LIBRARY], 127, f"its program does not run here: {NO_LIBRARY}", "install llama.cpp again"),
        (
            ["error: invalid argument: --port"],
            1,
            "does not know an option: error: invalid",
            "newer llama.cpp",
        ),
        ([], 137, "it was killed by signal 9, as when the memory runs out", "smaller"),
        ([], 1, "it ended with code 1", "this says: /opt/llama-server --model /models/m.gguf --port 0"),
        (["hello", "", "bye."], 0, "it ended with code 0: bye", "see what this says"),
        (["x" * 500], 2, "it ended with code 2: " + "x" * 200 + "…", "see what this says"),
    ],
)
def test_a_start_that_fails_is_put_into_words(lines, exit_code, said, hint):
    text, shown_hint = words.at_start(PLAN, exit_code, lines)
    assert said in text
    assert hint in shown_hint


def test_a_crash_for_want_of_memory_is_told_as_that():
    text, hint = words.in_the_middle(PLAN, 134, ["ggml_backend_cuda_buffer_type_alloc_buffer: out of memory"])
    assert text == "was killed by signal 6, as when the memory runs out"
    assert "fewer `context_tokens`" in hint


# The keeper


def kept(*command: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", keeper.__name__, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def end(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(10)
    finally:
        process.kill()
        process.stdout.close()
        process.stdin.close()


@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("exit 0", 0), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_the_keeper_ends_as_its_command_does(script, code):
    assert end(kept("/bin/sh", "-c", script)) == code


def test_the_keeper_tells_what_it_cannot_run():
    process = kept("/nowhere/llama-server")
    said = process.stdout.read()
    assert end(process) == keeper.CANNOT_RUN
    assert said == b"cannot run /nowhere/llama-server: No such file or directory\n"


@pytest.mark.parametrize("way", ["lifeline", "signal"])
def test_the_keeper_asks_its_command_to_end_first(way):
    process = kept(
        "/bin/sh", "-c", "trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    )
    assert process.stdout.readline() == b"ready\n"
    if way == "lifeline":
        process.stdin.close()
    else:
        process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == b"asked\n"
    assert end(process) == 5


def test_the_keeper_kills_a_command_that_does_not_end_when_asked():
    process = kept("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    process.stdout.readline()
    began = time.monotonic()
    process.stdin.close()
    assert end(process) == 137
    assert time.monotonic() - began >= keeper.PATIENCE_SECONDS - 0.1


def test_the_command_gets_no_input_and_what_is_written_to_the_keeper_is_ignored():
    process = kept("/bin/sh", "-c", "cat; echo end; sleep 30")
    process.stdin.write(b"hello\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"end\n"
    assert not wait_until(lambda: process.poll() is not None, 0.2)
    process.stdin.close()
    assert end(process) == 143
