"""The real LiteLLM starts on a config.yaml that was merged, and answers through what was added."""

import json
from pathlib import Path

import pytest

from real_parts import RealParts

from .stack import CAPITAL_QUESTION, Stack, complete, running_litellm

pytestmark = pytest.mark.e2e

THEIRS = """\
# LiteLLM of the whole house
model_list:
  - model_name: paid   # never asked here
    litellm_params: &defaults {model: openai/gpt-4o, api_key: os.environ/NOT_SET, timeout: 5}
  - model_name: paid-twin
    litellm_params: {<<: *defaults, model: openai/gpt-4o-mini}

litellm_settings:
  num_retries: 0

general_settings:
  master_key: os.environ/HOUSE_KEY   # not in this file
"""
KEY = "sk-key-of-the-house"
DEAD = "http://127.0.0.1:9"  # the discard port: nothing listens there


@pytest.fixture
def merged(cli, own_home, tmp_path):
    """Merges what config.yaml's backends lead to into LiteLLM's file."""

    def merge(*backends):
        config = own_home / ".config" / "supervisor-setup" / "config.yaml"
        config.parent.mkdir(parents=True)
        config.write_text(json.dumps({"backends": backends}), encoding="utf-8")
        file = tmp_path / "litellm.yaml"
        file.write_text(THEIRS, encoding="utf-8")
        cli("litellm", str(file), "--write", "--yes")
        return file

    return merge


def served(parts: RealParts, config: Path, folder: Path) -> str:
    """What LiteLLM, started on `config`, answers for the tools' model."""
    with running_litellm(parts, config, folder, env={"HOUSE_KEY": KEY, "GPU_KEY": "none"}) as url:
        return complete(url, KEY, CAPITAL_QUESTION, model="local-llama")


def test_a_question_is_answered_through_the_merged_file(parts: RealParts, stack: Stack, merged, tmp_path):
    gpu = {"name": "gpu", "kind": "openai", "url": stack.llama_url, "api_key": {"env": "GPU_KEY"}}
    assert "Paris" in served(parts, merged(gpu), tmp_path / "run")


def test_the_second_source_answers_while_the_first_is_dead(parts: RealParts, stack: Stack, merged, tmp_path):
    attic = {"name": "attic", "kind": "ollama", "url": DEAD, "models": {"local-llama": "llama3.2"}}
    gpu = {"name": "gpu", "kind": "openai", "url": stack.llama_url}
    assert "Paris" in served(parts, merged(attic, gpu), tmp_path / "run")


def test_the_printed_additions_are_a_whole_config_but_for_the_key(
    parts: RealParts, stack: Stack, cli, merged, tmp_path
):
    merged({"name": "gpu", "kind": "openai", "url": stack.llama_url})
    config = tmp_path / "printed.yaml"
    config.write_text(cli("litellm").out + f"general_settings:\n  master_key: {KEY}\n", encoding="utf-8")
    assert "Paris" in served(parts, config, tmp_path / "run")
