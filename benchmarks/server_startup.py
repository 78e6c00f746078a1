"""How long Claude Code waits for supervisor-mcp at its start, and what the server weighs, beside others.

    python benchmarks/server_startup.py [--runs N] [--ollama-mcp PREFIX] [--check]

Every contender is started in turn, N times round, so that other work on the machine hits all alike. Measured
per start: milliseconds from spawn to the `tools/list` answer, the handshake in between; resident memory then
(VmRSS and its peak, VmHWM); the length of the `tools/list` answer in bytes. Bytecode is cached, as it is from
the second start on. supervisor-mcp is started as `install` registers it, with a config.yaml and the cache of
it; once more with a stale cache, when it has to parse the YAML; and once without either.

`--check` fails unless, in this run, by medians, the console script
- answers within 2 times the bare standard-library loop,
- answers within half the time of ollama-mcp, and weighs at most half (when `--ollama-mcp` names the npm
  prefix where it is installed),
- weighs at most 25 MB before its first call.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from supervisor_mcp import settings

MAX_TIMES_BARE_LOOP = 2.0
MAX_TIMES_OLLAMA_MCP = 0.5
MAX_RSS_MB = 25.0

BARE_LOOP = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    if message["method"] == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "bare", "version": "1"}}
    else:
        result = {"tools": [{"name": "hello", "inputSchema": {"type": "object"}}]}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""

SDK_HELLO = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("hello")
@server.tool()
def hello(name: str) -> str:
    return "hello " + name
server.run()
"""

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
TOOLS_LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


@dataclass
class Contender:
    """One server and what its starts measured."""

    name: str
    command: list[str]
    milliseconds: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)
    list_bytes: int = 0

    def start_once(self) -> None:
        """Start the server, ask for its tools, note the figures, end it."""
        began = time.perf_counter()
        with subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        ) as process:
            _ask(process, INITIALIZE)
            _tell(process, INITIALIZED)
            answer = _ask(process, TOOLS_LIST)
            self.milliseconds.append((time.perf_counter() - began) * 1000)
            self.list_bytes = len(answer)
            status = _status(process.pid)
            self.rss_mb.append(status["VmRSS"] / 1024)
            self.peak_mb.append(status["VmHWM"] / 1024)
            process.kill()

    @property
    def median_ms(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def median_rss(self) -> float:
        return statistics.median(self.rss_mb)


def _tell(process: "subprocess.Popen[bytes]", message: object) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def _ask(process: "subprocess.Popen[bytes]", message: dict[str, object]) -> bytes:
    assert process.stdout is not None
    _tell(process, message)
    for line in process.stdout:
        if json.loads(line).get("id") == message["id"]:
            return line.rstrip(b"\n")
    raise SystemExit(f"{process.args} ended without an answer to {message['method']}")


def _status(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {
        key: int(rest.split()[0]) for key, _, rest in (line.partition(":") for line in lines) if "kB" in rest
    }


def _registered_arguments(folder: Path, *, fresh: bool) -> list[str]:
    """The arguments that `install` registers, for a config.yaml and a cache made in `folder`."""
    config, cache = folder / "config.yaml", folder / "server.json"
    config.write_text("version: 1\nbackends: []\n", encoding="utf-8")
    stat = config.stat()
    source = {"path": str(config), "mtime_ns": stat.st_mtime_ns if fresh else 0, "size": stat.st_size}
    data = {"schema_version": 1, "source": source, "settings": settings.merge({"backends": []})}
    cache.write_text(json.dumps(data), encoding="utf-8")
    return ["--config", str(config), "--cache", str(cache), "--state", str(folder)]


def _contenders(ollama_mcp: Path | None, folder: Path) -> list[Contender]:
    script = shutil.which("supervisor-mcp", path=str(Path(sys.executable).parent))
    if script is None:
        raise SystemExit("supervisor-mcp is not installed beside this Python: pip install .")
    found = [
        Contender("bare loop", [sys.executable, "-c", BARE_LOOP]),
        Contender("supervisor-mcp", [script, *_registered_arguments(_new(folder, "fresh"), fresh=True)]),
        Contender("- stale cache", [script, *_registered_arguments(_new(folder, "stale"), fresh=False)]),
        Contender("- no config", [script]),
    ]
    if subprocess.run([sys.executable, "-c", "import mcp"], capture_output=True, check=False).returncode == 0:
        found.append(Contender("SDK hello world", [sys.executable, "-c", SDK_HELLO]))
    if ollama_mcp is not None:
        found.append(Contender("ollama-mcp", [str(ollama_mcp / "node_modules" / ".bin" / "ollama-mcp")]))
    return found


def _new(folder: Path, name: str) -> Path:
    new = folder / name
    new.mkdir()
    return new


def _print_table(contenders: list[Contender]) -> None:
    bare = contenders[0].median_ms
    print(f"{'server':16} {'ms':>7} {'min':>7} {'x bare':>7} {'RSS MB':>7} {'peak':>6} {'list bytes':>10}")
    for one in contenders:
        print(
            f"{one.name:16} {one.median_ms:7.1f} {min(one.milliseconds):7.1f} {one.median_ms / bare:7.2f}"
            f" {one.median_rss:7.1f} {statistics.median(one.peak_mb):6.1f} {one.list_bytes:10}"
        )


def _broken_budgets(contenders: list[Contender]) -> list[str]:
    by_name = {one.name: one for one in contenders}
    ours, bare, peer = by_name["supervisor-mcp"], by_name["bare loop"], by_name.get("ollama-mcp")
    limits = [
        ("ms to tools/list, against the bare loop", ours.median_ms, bare.median_ms * MAX_TIMES_BARE_LOOP),
        ("MB resident", ours.median_rss, MAX_RSS_MB),
    ]
    if peer is not None:
        limits.append(("ms, against ollama-mcp", ours.median_ms, peer.median_ms * MAX_TIMES_OLLAMA_MCP))
        limits.append(("MB, against ollama-mcp", ours.median_rss, peer.median_rss * MAX_TIMES_OLLAMA_MCP))
    return [f"{what}: {value:.1f} > {limit:.1f}" for what, value, limit in limits if value > limit]


def main() -> int:
    parser = argparse.ArgumentParser(description="Start-up of supervisor-mcp beside other MCP servers.")
    parser.add_argument("--runs", type=int, default=21, help="starts of each server (default: 21)")
    parser.add_argument("--ollama-mcp", type=Path, metavar="PREFIX", help="npm prefix with ollama-mcp in it")
    parser.add_argument("--check", action="store_true", help="exit 1 when a budget is exceeded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        contenders = _contenders(options.ollama_mcp, Path(folder))
        for one in contenders:
            one.start_once()  # fills the page cache and writes the bytecode
            one.milliseconds.clear()
        for _ in range(options.runs):
            for one in contenders:
                one.start_once()
    _print_table(contenders)
    broken = _broken_budgets(contenders) if options.check else []
    for line in broken:
        print(f"over budget: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
