"""What every home here has beside it."""

import json
import os

import pytest


@pytest.fixture(autouse=True)
def client(tmp_path, own_home):
    """A client on PATH, without which no home is healthy."""
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.touch(0o755)
    # Not the test's own monkeypatch, which some tests undo half-way.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(program.parent), prepend=os.pathsep)
        yield


@pytest.fixture
def backends(home):
    """Sets the backends of config.yaml, and the tools where they are given."""

    def configure(*backends, **tools):
        home.write(home.config, json.dumps({"backends": backends, "tools": tools}))

    return configure


@pytest.fixture
def two_sources(backends):
    backends(
        {"name": "proxy", "kind": "litellm", "url": "http://koala:4000"},
        {"name": "gpu", "kind": "openai", "url": "http://gpu:8080/v1/", "api_key": {"env": "GPU_KEY"}},
        {
            "name": "attic",
            "kind": "ollama",
            "url": "http://attic:11434",
            "models": {"local-llama": "llama3.2"},
            "context_tokens": 16384,
            "timeout": 0.5,
        },
        {"name": "off", "kind": "openai", "url": "http://off", "enabled": False},
    )


@pytest.fixture
def file(tmp_path):
    return tmp_path / "litellm" / "config.yaml"


@pytest.fixture
def theirs(file):
    """Writes LiteLLM's file as the user has it."""

    def write(data):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(data)
        return data

    return write
