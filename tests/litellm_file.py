"""Configs of LiteLLM as users have them, and what is added to them."""

import json

from ruamel.yaml import YAML

from supervisor_mcp import settings

MODELS = {"local-llama": "llama3.1:8b", "local-coder": "qwen2.5-coder:7b"}

COMMENTED = b"""\
# The proxy of the whole house; ask before you change it.
model_list:
    # paid
    - model_name: gpt   # by the hour
      litellm_params: &paid
        model: openai/gpt-4o
        api_key: 'os.environ/OPENAI_API_KEY'

    - model_name: gpt-twin
      litellm_params: {<<: *paid, timeout: 0x1E}

general_settings:
    master_key: os.environ/LITELLM_MASTER_KEY   # never here
"""
FLOW = b'{"model_list": [{"model_name": "gpt", "litellm_params": {"model": "openai/gpt-4o"}}], "x": {}}\n'
DOCUMENTS = {
    "comments and anchors": COMMENTED,
    "CRLF": COMMENTED.replace(b"\n", b"\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + COMMENTED,
    "flow style": FLOW,
    "empty flow list": b"model_list: [ ]  # none yet\n",
    "no final newline": b"model_list:\n- model_name: a\n  litellm_params: {model: openai/a}",
    "no model_list": b"# mine\ngeneral_settings:\n  master_key: x\n",
    "list without a value": b"model_list:\ngeneral_settings: {master_key: x}\n",
    "comments alone": b"# nothing yet\n",
    "empty": b"",
    "settings of its own": b"litellm_settings:\n  drop_params: true\nmodel_list: []\n",
    "fallbacks of its own": b"litellm_settings:\n  fallbacks:\n  - gpt: [other]\n",
}


def entry(model="local-llama", **changed):
    params = {
        "model": f"ollama_chat/{MODELS[model]}",
        "api_base": "http://koala:11434",
        "num_ctx": 8192,
        "timeout": 300,
        **changed,
    }
    return {"model_name": model, "litellm_params": params}


def yaml(data):
    return YAML(typ="safe", pure=True).load(data)


def by_name(data):
    return {item["model_name"]: item["litellm_params"] for item in yaml(data)["model_list"]}


def tools_of(model):
    """The bundled tools that ask a model."""
    return [name for name, tool in settings.defaults()["tools"].items() if tool.get("model") == model]


def decisions(ran):
    return {one["item"]: one["decision"] for one in ran.json["operations"]}


def with_first(item, rest=b""):
    return b"model_list:\n- " + json.dumps(item).encode() + b"\n" + rest
