"""The real parts of pipelines: PostgreSQL, uv with a script's wheels, a validator for Kubernetes."""

import os
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from real_part import Log, Part, PartError

if TYPE_CHECKING:
    from real_parts import RealParts

_UV = "0.13.9"
# Kubernetes' own schemas of 14 versions, 72 MB: too much for each of the environments that the tests run in.
_KUBERNETES_VALIDATE = "1.37.0"
_PYTHON = ".".join(map(str, sys.version_info[:2]))
_DEBIANS = Path("/usr/lib/postgresql")


def postgresql_programs() -> Path:
    """The folder of PostgreSQL's programs, the newest of Debian's, whether or not there is one."""
    versions = sorted(
        (folder for folder in _DEBIANS.glob("*/bin") if (folder / "postgres").exists()),
        key=lambda folder: [int(part) for part in folder.parent.name.split(".") if part.isdigit()],
    )
    return versions[-1] if versions else _DEBIANS / "none" / "bin"


def _postgresql_needs() -> str | None:
    if (postgresql_programs() / "postgres").exists():
        return None
    if os.geteuid() == 0 and shutil.which("apt-get"):
        return None
    return f"no PostgreSQL found below {_DEBIANS}: install it, for example Debian's package postgresql"


def _build_postgresql(_parts: "RealParts", log: Log) -> None:
    if (postgresql_programs() / "postgres").exists():
        return
    quietly = {"DEBIAN_FRONTEND": "noninteractive"}
    log.run("apt-get", "update", env=quietly)
    log.run("apt-get", "install", "--yes", "--no-install-recommends", "postgresql", env=quietly)


def _verify_postgresql(_parts: "RealParts", log: Log) -> None:
    for name in ("postgres", "initdb"):
        log.run(postgresql_programs() / name, "--version")


POSTGRESQL = Part(
    name="postgresql",
    pins={"postgresql": "the machine's"},
    needs=_postgresql_needs,
    files=lambda _parts: (postgresql_programs() / "postgres",),
    build=_build_postgresql,
    verify=_verify_postgresql,
    duration="about 20 s",
)


def _requirements() -> list[str]:
    """What a pipeline's environment is made of, and what builds this project for it."""
    path = Path(__file__).resolve().parent.parent / "pyproject.toml"
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    project = data["project"]
    extra = project["optional-dependencies"]["orchestrate"]
    return sorted([*data["build-system"]["requires"], *project["dependencies"], *extra])


def _build_uv(parts: "RealParts", log: Log) -> None:
    log.run(sys.executable, "-m", "venv", parts.root / "uv")
    pip = (parts.root / "uv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    log.run(*pip, "install", f"uv=={_UV}")
    log.run(*pip, "download", "--only-binary", ":all:", "--dest", parts.wheels, *_requirements())


def _verify_uv(parts: "RealParts", log: Log) -> None:
    said = log.run(parts.uv, "--version").strip()
    if not said.startswith(f"uv {_UV}"):
        raise PartError(f"{parts.uv}: says that it is {said!r}, not {_UV}")
    wheels = ("--no-index", "--find-links", parts.wheels)
    with tempfile.TemporaryDirectory() as folder:
        where = ("--python", sys.executable, "--target", folder, "--cache-dir", f"{folder}/cache")
        log.run(parts.uv, "pip", "install", "--dry-run", *where, *wheels, *_requirements())


UV = Part(
    name="uv",
    # Wheels of another version of Python would not do.
    pins={"uv": _UV, "python": _PYTHON, "wheels": "; ".join(_requirements())},
    needs=lambda: None,
    files=lambda parts: (parts.uv, parts.wheels),
    build=_build_uv,
    verify=_verify_uv,
    duration="about 1 minute",
)


def _build_kubernetes(parts: "RealParts", log: Log) -> None:
    log.run(sys.executable, "-m", "venv", parts.root / "kubernetes")
    pip = (parts.root / "kubernetes" / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    log.run(*pip, "install", f"kubernetes-validate=={_KUBERNETES_VALIDATE}")


def _verify_kubernetes(parts: "RealParts", log: Log) -> None:
    said = log.run(parts.kubernetes_validate, "--version")
    if _KUBERNETES_VALIDATE not in said:
        raise PartError(f"{parts.kubernetes_validate}: says that it is {said!r}, not {_KUBERNETES_VALIDATE}")


KUBERNETES = Part(
    name="kubernetes",
    pins={"kubernetes-validate": _KUBERNETES_VALIDATE},
    needs=lambda: None,
    files=lambda parts: (parts.kubernetes_validate,),
    build=_build_kubernetes,
    verify=_verify_kubernetes,
    duration="about 20 s",
)
