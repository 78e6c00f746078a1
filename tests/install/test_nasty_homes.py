"""Valid but unusual files, each installed into and uninstalled from: every byte of the user's comes back.

The first ten are the homes in which every other tool that edits the client's configuration lost or
reformatted something.
"""

import json

import pytest

BOM = b"\xef\xbb\xbf"
BIG = "12345678901234567890"

HOMES: dict[str, bytes] = {
    "four spaces": f'{{\n    "a": 1.0,\n    "b": 1e3,\n    "big": {BIG},\n    "é": "\\u00e9"\n}}\n'.encode(),
    "tabs": f'{{\n\t"a": 1.0,\n\t"b": {{\n\t\t"big": {BIG}\n\t}}\n}}\n'.encode(),
    "crlf": b'{\r\n  "a": 1,\r\n  "b": [\r\n    1\r\n  ]\r\n}\r\n',
    "byte-order mark": BOM + b'{\n  "a": 1\n}\n',
    "unknown keys": b'{"$schema": "x", "madeUp": {"deep": [null, true, {"x": []}]}}',
    "one line": b'{"a":1,"b":{"c":[1,2,3]}}',
    "one line, spaced": b'{ "a" : 1 , "b" : { "c" : [ 1, 2 ] } }',
    "no final newline": b'{\n  "a": 1\n}',
    "many final newlines": b'{\n  "a": 1\n}\n\n\n',
    "leading white space": b' \t\r\n {"a": 1}',
    "lone carriage returns": b'{\r  "a": 1\r}\r',
    "mixed newlines": b'{\r\n  "a": 1,\n  "b": 2\r}\n',
    "mixed indents": b'{\n  "a": 1,\n\t"b": 2,\n        "c": 3\n}',
    "empty object": b"{}",
    "empty object with a gap": b"{ \n\t }",
    "empty object over lines": b"{\r\n}\r\n",
    "duplicate keys elsewhere": b'{"a": 1, "a": 2, "b": {"x": 1, "x": 2}}',
    "key of ours, escaped, elsewhere": b'{"x": {"mcpServers": 5}, "y": "\\"mcpServers\\""}',
    "escaped spelling of our key": b'{"mcp\\u0053ervers": {"mine": {"command": "x"}}}',
    "escapes of all kinds": b'{"a": "\\b\\f\\n\\r\\t\\/\\\\\\"\\u0000\\ud83d\\ude00"}',
    "lone surrogate": b'{"a": "\\ud800"}',
    "raw unicode": '{"ключ": "значение 😀 \u2028 \u00a0"}'.encode(),
    "delete and replacement characters": '{"a": "\x7f\ufffd"}'.encode(),
    "long numbers": b'{"a": 0.1000000000000000055511151231257827, "b": -0, "c": 1E+400, "d": 1e-400}',
    "very long integer": b'{"a": ' + b"9" * 5000 + b"}",
    "deep nesting": b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}",
    "long line": b'{"a": "' + b"x" * 1_000_000 + b'"}',
    "many keys": ("{" + ",".join(f'\n "k{number}": {number}' for number in range(5000)) + "\n}").encode(),
    "servers, empty": b'{\n  "mcpServers": {}\n}\n',
    "servers, empty with a gap": b'{\n  "mcpServers": {\n\n  }\n}\n',
    "servers and tabs": b'{\n\t"mcpServers": {\n\t\t"mine": {\n\t\t\t"c": "x"\n\t\t}\n\t},\n\t"z": 1\n}',
    "servers on one line": b'{"mcpServers":{"mine":{"command":"x"},"yours":{"url":"http://x"}},"z":1}',
    "servers in the middle": b'{"a": 1, "mcpServers": {"mine": {}}, "z": {"mcpServers": {}}}',
    "rules, empty": b'{"permissions": {"allow": []}}',
    "rules with a gap": b'{"permissions": {"allow": [ ], "deny": ["Bash"]}}',
    "rules over lines": b'{\n  "permissions": {\n    "allow": [\n      "Read",\n      "Ls"\n    ]\n  }\n}\n',
    "rules of other types": b'{"permissions": {"allow": ["Read", "mcp__local", "mcp__local-models__x"]}}',
    "permissions without rules": b'{"permissions": {"defaultMode": "plan"}}',
    "commas first": b'{\n  "a": 1\n, "b": 2\n, "mcpServers": {\n    "mine": 1\n  }\n}',
    "a prototype key": b'{"__proto__": {"x": 1}, "constructor": 1}',
}


def parsed(path):
    # Python refuses to convert the longest of the integers; how they are spelt is all that matters here.
    return json.loads(path.read_bytes().removeprefix(BOM), parse_int=str)


@pytest.mark.parametrize("name", HOMES)
def test_install_adds_our_values_and_uninstall_gives_every_byte_back(cli, home, name):
    original = HOMES[name]
    home.write(home.settings, original)
    home.write(home.client, original).chmod(0o600)
    cli("install", "--yes")
    for path in (home.settings, home.client):
        assert "local-models" in parsed(path)["mcpServers"]
        assert path.stat().st_mode & 0o777 == (0o600 if path == home.client else 0o644)
    rules = parsed(home.settings)["permissions"]["allow"]
    assert rules.count("mcp__local-models") == 1
    installed = home.files()
    cli("install", "--yes")
    assert home.files() == installed
    cli("uninstall", "--yes")
    assert home.settings.read_bytes() == original
    assert home.client.read_bytes() == original


@pytest.mark.parametrize("name", HOMES)
def test_only_bytes_between_the_users_own_are_added(cli, home, name):
    """What the user had is still there in one piece before our bytes and one piece behind them, per edit."""
    original = home.write(home.client, HOMES[name]).read_bytes()
    cli("install", "--yes", "--only", "mcp", "--mcp-target", "client")
    edited = home.client.read_bytes()
    common = next(
        (at for at, (a, b) in enumerate(zip(original, edited, strict=False)) if a != b), len(original)
    )
    tail = len(original) - common
    # White space inside an empty container is the one thing that may move aside.
    kept = edited.endswith((original[common:], original[common:].lstrip()))
    assert kept, (original[common : common + 40], edited[-min(tail, 80) :])


@pytest.mark.parametrize("name", ["crlf", "tabs", "one line"])
def test_our_bytes_look_like_their_neighbours(cli, home, name):
    home.write(home.client, HOMES[name])
    cli("install", "--yes")
    edited = home.client.read_bytes()
    if name == "crlf":
        assert edited.count(b"\n") == edited.count(b"\r\n")
    elif name == "tabs":
        assert b'\n\t"mcpServers": {\n\t\t"local-models": {\n\t\t\t"type"' in edited
    else:
        assert b"\n" not in edited


def test_what_the_client_adds_beside_us_stays_when_we_go(cli, home):
    home.write(home.client, '{\n  "a": 1\n}\n')
    cli("install", "--yes")
    document = home.json(home.client)
    document["mcpServers"]["later"] = {"command": "y"}
    document["b"] = 2
    home.write(home.client, json.dumps(document, indent=2))
    cli("uninstall", "--yes")
    assert home.json(home.client) == {"a": 1, "mcpServers": {"later": {"command": "y"}}, "b": 2}


def test_an_entry_that_the_client_rewrote_with_other_spacing_is_still_ours(cli, home):
    home.write(home.client, '{"a": 1}')
    cli("install", "--yes")
    reordered = dict(reversed(home.json(home.client)["mcpServers"]["local-models"].items()))
    home.write(home.client, json.dumps({"a": 1, "mcpServers": {"local-models": reordered}}, indent=8))
    assert not cli("--json", "install", "--yes").json["changed"]
    cli("uninstall", "--yes")
    assert home.json(home.client) == {"a": 1}
