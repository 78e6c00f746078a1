"""One run of llama.cpp's server: started under the keeper, listened to, ended."""

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from supervisor_mcp.records import Record

_KEEPER = Path(__file__).with_name("keeper.py")
_KEPT_LINES = 200
_LINE_BYTES = 2000
# The kernel chose the port, so nothing else can have it; where the server listens it says once it is ready.
_LISTENING = re.compile(rb"listening on https?://[^\s:/]+:(\d+)")
_ENDING_SECONDS = 5.0  # more than the keeper's patience
# What the process gets of the environment: nothing secret, and no settings meant for another llama.cpp.
_PASSED = frozenset(
    ("HOME", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "TMPDIR", "XDG_RUNTIME_DIR")
)
_PASSED_PREFIXES = ("CUDA_", "GGML_", "HIP_", "HSA_", "LC_", "NVIDIA_", "OMP_", "ROCR_", "VK_", "ZE_")


class Plan(Record):
    """What to start: llama.cpp's server, a model, and the tokens of its context."""

    program: str
    model: str
    context_tokens: int
    parallel: int

    def command(self) -> list[str]:
        """The command line; only options that llama.cpp has had for long."""
        return [
            *(self.program, "--model", self.model, "--host", "127.0.0.1", "--port", "0"),
            # Each place has a context of its own, so that long prompts do not push each other out.
            *("--ctx-size", str(self.context_tokens * self.parallel), "--parallel", str(self.parallel)),
        ]


class Process:
    """A server that runs, or did."""

    def __init__(self, plan: Plan, environment: Mapping[str, str]) -> None:
        """Start it.

        Raises:
            OSError: Not even the keeper can be started.
        """
        self.plan = plan
        self.key = secrets.token_urlsafe(32)
        self.port: int | None = None
        self.exit_code: int | None = None
        self.ended = threading.Event()
        self.told = threading.Event()
        """Set once it listens or has ended."""
        self._lines: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self._popen = subprocess.Popen(  # noqa: S603 - the program that the user named or installed
            [sys.executable, "-IS", str(_KEEPER), *plan.command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(environment, self.key),
            cwd="/",
            start_new_session=True,  # a Ctrl-C is not for it
        )
        self.pid = self._popen.pid
        threading.Thread(target=self._listen, daemon=True).start()

    def lines(self) -> list[str]:
        """The last lines that it wrote; they hold no prompts."""
        return [line.decode("utf-8", errors="replace").strip() for line in self._lines.copy()]

    def let_go(self) -> None:
        """Have it end, which takes the keeper two seconds at the most; does not wait. Again is no harm."""
        lifeline = self._popen.stdin
        assert lifeline is not None
        with suppress(OSError):
            lifeline.close()

    def end(self) -> None:
        """Have it end, and wait until it has."""
        self.let_go()
        if not self.ended.wait(_ENDING_SECONDS):
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)  # somebody has killed or stopped the keeper
            self.ended.wait(_ENDING_SECONDS)

    def _listen(self) -> None:
        """Read what it writes until it and the keeper have closed their ends."""
        output = self._popen.stdout
        assert output is not None
        while line := output.readline(_LINE_BYTES):
            self._lines.append(line)
            if self.port is None and (found := _LISTENING.search(line)):
                self.port = int(found[1])
                self.told.set()
        output.close()
        self.exit_code = self._popen.wait()
        self.let_go()
        self.ended.set()
        self.told.set()


def _environment(given: Mapping[str, str], key: str) -> dict[str, str]:
    passed = {
        name: value for name, value in given.items() if name in _PASSED or name.startswith(_PASSED_PREFIXES)
    }
    # Threads that wait for each other sleep and do not spin: on a machine that has other work too, a small
    # model answers ten times as fast so. What the user has set counts.
    polite = {"OMP_WAIT_POLICY": "passive"}
    # By the environment, which other users cannot see, and which older servers pass over where they do not
    # know a setting: no cache of prompts beside the context (8 GiB by default), no downloads, no web page.
    own = {"LLAMA_API_KEY": key, "LLAMA_ARG_CACHE_RAM": "0", "LLAMA_ARG_OFFLINE": "1", "LLAMA_ARG_UI": "0"}
    return {**polite, **passed, **own}
