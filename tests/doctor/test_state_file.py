"""The client's state file is read in two ways, by its size, which give the same."""

import json

import pytest

from supervisor_setup.checks import documents

WHOLE = {
    "numStartups": 1,
    "mcpServers": {"one": {"command": "é"}},
    "primaryApiKey": None,
    "projects": {"/here": {"mcpServers": {}}, "/there": {"history": ["x"]}},
}
TEXTS = {
    "an ordinary one": json.dumps(WHOLE).encode(),
    "with a byte-order mark": b"\xef\xbb\xbf" + json.dumps(WHOLE).encode(),
    "with a byte that is not UTF-8": b'{"mcpServers": {"a": "\xff"}, "other": "\xff"}',
    "without projects": b'{"oauthAccount": {}}',
    "an empty object": b"{}",
    "a list": b"[1]",
    "projects that are none": b'{"projects": [], "mcpServers": {}}',
    "a trailing comma": b'{"mcpServers": {},\n}',
    "a constant that is not JSON": b'{"other": NaN}',
    "nothing": b"",
    "too deep": b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("data", TEXTS.values(), ids=TEXTS)
def test_a_small_file_gives_the_same_as_a_large_one(data, tmp_path, monkeypatch):
    path = tmp_path / ".claude.json"
    path.write_bytes(data)
    found = []
    for limit in (-1, len(data)):
        monkeypatch.setattr(documents, "_LARGE_BYTES", limit)
        found.append(documents.read_state(path, ("/here",)))
    assert found[0] == found[1]


def test_only_what_the_checks_need_is_kept(tmp_path):
    path = tmp_path / ".claude.json"
    path.write_bytes(TEXTS["an ordinary one"])
    assert documents.read_state(path, ("/here",)).value == {
        "mcpServers": {"one": {"command": "é"}},
        "primaryApiKey": None,
        "projects": {"/here": {"mcpServers": {}}},
    }
