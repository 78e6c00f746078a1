"""The server's settings: merged, checked, cached, and told apart from what is broken."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from supervisor_mcp import arguments, settings
from supervisor_mcp.records import Record
from supervisor_mcp.settings import SettingsError

ONE_BACKEND = [{"name": "swap", "kind": "openai", "url": "http://gpu:8080"}]
SCHEMA = Path(__file__).parents[2] / "templates" / "config.schema.json"


def load(folder: Path, yaml: str) -> settings.Settings:
    path = folder / "config.yaml"
    path.write_text(yaml, encoding="utf-8")
    return settings.load(str(path), None)


def write_cache(folder: Path, config: Path, user: dict[str, Any]) -> Path:
    stat = config.stat()
    source = {"path": str(config), "mtime_ns": stat.st_mtime_ns, "size": stat.st_size}
    cache = folder / "server.json"
    cache.write_text(json.dumps({"schema_version": 1, "source": source, "settings": settings.merge(user)}))
    return cache


def test_the_defaults_follow_the_schema_and_the_servers_own_checks():
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(settings.defaults())
    found = settings.from_mapping(settings.defaults())
    assert [backend.name for backend in found.backends] == ["litellm", "ollama"]
    assert [tool.name for tool in found.tools] == [
        "ask_local_llama",
        "ask_coding_model",
        "summarize_files",
        "ask_about_files",
        "classify",
        "extract",
        "list_available_local_models",
    ]


def test_a_users_backends_replace_the_defaults_and_a_tools_keys_are_merged_one_by_one():
    user = {
        "backends": ONE_BACKEND,
        "tools": {"ask_local_llama": {"model": "phi"}},
        "server": {"name": "mine"},
    }
    found = settings.from_mapping(settings.merge(user))
    assert [backend.url for backend in found.backends] == ["http://gpu:8080"]
    assert found.tools[0].model == "phi"
    assert found.tools[0].system
    assert (found.server.name, found.server.always_load) == ("mine", True)


def test_merging_leaves_the_users_own_data_alone():
    user = {"tools": {"ask_local_llama": {"model": "phi"}}}
    settings.merge(user)["tools"]["ask_local_llama"]["model"] = "other"
    assert user == {"tools": {"ask_local_llama": {"model": "phi"}}}


def test_a_tool_is_added_with_a_description_and_a_model():
    user = {"tools": {"ask_translator": {"description": "Translates.", "model": "local-llama"}}}
    tool = settings.from_mapping(settings.merge(user)).tools[-1]
    assert (tool.name, tool.kind, list(tool.arguments)) == ("ask_translator", "prompt", ["prompt"])


def test_a_tool_that_reads_files_is_added_likewise_and_words_its_arguments():
    user = {
        "tools": {
            "sum_up_logs": {
                "kind": "summarize",
                "description": "Sums up logs.",
                "model": "local-llama",
                "arguments": {"paths": "Log files."},
            }
        }
    }
    tool = settings.from_mapping(settings.merge(user)).tools[-1]
    assert tool.max_input_chars == 4_000_000
    schema = arguments.schema(tool)
    assert schema["properties"]["paths"] == {
        "type": "array",
        "items": {"type": "string"},
        "description": "Log files.",
    }
    assert list(schema["properties"]) == ["paths", "focus", "words"]
    assert schema["required"] == ["paths"]


@pytest.mark.parametrize("url", ["http://koala:4000/", "http://koala:4000/v1", "http://koala:4000/v1/"])
def test_a_url_with_its_usual_ending_means_the_same_server(url):
    found = settings.from_mapping(settings.merge({"backends": [{**ONE_BACKEND[0], "url": url}]}))
    assert found.backends[0].url == "http://koala:4000"


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"version": 2}, "`version` is 2"),
        ({"server": 5}, "`server` must be a mapping"),
        ({"server": {"nmae": "x"}}, "`server.nmae` is not known"),
        ({"backends": {}}, "`backends` must be a list"),
        ({"backends": [5]}, "`backends[0]` must be a mapping"),
        ({"backends": [{"name": "x", "kind": "litellm"}]}, "`backends[0].url` is missing"),
        ({"backends": [{**ONE_BACKEND[0], "kind": "gpt"}]}, "`backends[0].kind` is 'gpt'"),
        ({"backends": [{**ONE_BACKEND[0], "url": "koala:4000"}]}, "`backends[0].url` must be an http(s) URL"),
        ({"backends": [{**ONE_BACKEND[0], "url": "http://me:pw@koala"}]}, "must not hold a user name"),
        ({"backends": [{**ONE_BACKEND[0], "timeout": "5"}]}, "`backends[0].timeout` must be a number"),
        ({"backends": [{**ONE_BACKEND[0], "timeout": True}]}, "`backends[0].timeout` must be a number"),
        ({"backends": [{**ONE_BACKEND[0], "api_key": "sk-1"}]}, "`backends[0].api_key` must be a mapping"),
        ({"backends": [{**ONE_BACKEND[0], "api_key": {}}]}, "must name either `env` or `file`"),
        ({"backends": [{**ONE_BACKEND[0], "api_key": {"file": "key"}}]}, "must be an absolute path"),
        ({"backends": ONE_BACKEND * 2}, "`backends[1].name` is 'swap'"),
        ({"tools": {"ask_local_llama": 5}}, "`tools.ask_local_llama` must be a mapping"),
        ({"tools": {"Ask": {}}}, "`tools.Ask` is not a tool's name"),
        ({"tools": {"x": {"model": "m"}}}, "`tools.x.description` is missing"),
        ({"tools": {"x": {"description": "d"}}}, "`tools.x.model` is missing"),
        ({"tools": {"x": {"description": "d" * 2049, "model": "m"}}}, "the client cuts it"),
        ({"tools": {"x": {"description": "d", "model": "m", "arguments": {}}}}, "at least one argument"),
        ({"tools": {"ask_coding_model": {"template": "{code}"}}}, "leaves out {question}"),
        (
            {"tools": {"extract": {"arguments": {"path": "x"}}}},
            "`tools.extract.arguments.path` is no argument of",
        ),
        ({"tools": {"ask_local_llama": {"max_output_chars": 10}}}, "must be a whole number from 200"),
        ({"tools": {"ask_local_llama": {"enabled": "no"}}}, "must be true or false"),
        ({"tools": {"ask_local_llama": {"model": " "}}}, "must be a text that is not empty"),
    ],
)
def test_a_wrong_value_is_refused_with_its_key(user, said):
    with pytest.raises(SettingsError) as caught:
        settings.from_mapping(settings.merge(user))
    assert said in str(caught.value)


def test_without_a_config_file_the_defaults_hold(tmp_path):
    found = settings.load(str(tmp_path / "none.yaml"), str(tmp_path / "none.json"))
    assert found == settings.from_mapping(settings.defaults())
    assert settings.load(None, None) == found


@pytest.mark.parametrize("yaml", ["", "# nothing yet\n", "version: 1\n", "﻿version: 1\n"])
def test_an_empty_config_means_the_defaults(tmp_path, yaml):
    assert load(tmp_path, yaml) == settings.from_mapping(settings.defaults())


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        (
            "version: 1\nbackends:\n  - name: a\n    kind: litellm\n    url: koala\n",
            ":5: `backends[0].url` must",
        ),
        ("backends:\n  - name: a\n    kind: litellm\n", ":2: `backends[0].url` is missing"),
        ("tools:\n  ask_local_llama:\n    temperature: 9\n", ":3: `tools.ask_local_llama.temperature` must"),
        ("tools: {x: [1}\n", ":1: is not valid YAML"),
        ("version: 1\nversion: 1\n", "is not valid YAML"),
        ("- a\n- b\n", ":1: must be a mapping of settings"),
    ],
)
def test_what_is_wrong_in_the_yaml_is_named_with_file_and_line(tmp_path, yaml, said):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, yaml)
    assert f"{tmp_path}/config.yaml" in str(caught.value)
    assert said in str(caught.value)


def test_a_config_that_is_not_utf8_or_not_readable_is_named(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"version: \xff\n")
    with pytest.raises(SettingsError, match=r"config\.yaml: is not UTF-8"):
        settings.load(str(path), None)
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsError, match=r"config\.yaml: cannot be read"):
        settings.load(str(path), None)


def test_a_cache_that_matches_the_config_is_believed(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("tools: [broken")
    cache = write_cache(tmp_path, config, {"backends": ONE_BACKEND})
    assert settings.load(str(config), str(cache)).backends[0].name == "swap"


@pytest.mark.parametrize("change", ["size", "mtime", "path", "version", "garbage", "wrong settings", "list"])
def test_a_cache_that_does_not_match_gives_way_to_the_config(tmp_path, change):
    config = tmp_path / "config.yaml"
    config.write_text("backends: []\n")
    cache = write_cache(tmp_path, config, {"backends": ONE_BACKEND})
    data = json.loads(cache.read_text())
    if change == "size":
        config.write_text("backends:  []\n")
        os.utime(config, ns=(data["source"]["mtime_ns"],) * 2)
    elif change == "mtime":
        os.utime(config, ns=(1, 1))
    elif change == "path":
        data["source"]["path"] = "/elsewhere/config.yaml"
    elif change == "version":
        data["schema_version"] = 2
    elif change == "wrong settings":
        data["settings"]["backends"] = 5
    cache.write_text({"garbage": "{", "list": "[]"}.get(change, json.dumps(data)))
    assert settings.load(str(config), str(cache)).backends == ()


class Point(Record):
    x: int
    y: int = 0


def test_a_record_does_not_change_and_refuses_what_it_does_not_know():
    point = Point(x=1)
    assert (point, repr(point)) == (Point(x=1, y=0), "Point(x=1, y=0)")
    assert point != Point(x=2)
    with pytest.raises(AttributeError, match="records do not change"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(TypeError, match="missing"):
        Point(y=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unknown"):
        Point(x=1, z=1)  # type: ignore[call-arg]
