"""The promise of the edits, kept through the whole command line, on documents of any layout."""

import json
import os
import tempfile
from pathlib import Path
from unittest import mock

from hypothesis import given, settings
from json_documents import a_document, a_list, a_value
from tape import tapes

from supervisor_setup import apply, cli

# A name that the user's documents hold too, so that ours is not always the new one.
ENTRY = ("mcpServers", "local-models")
LIST = ("permissions", "allow")
BOM = b"\xef\xbb\xbf"

MEMORY = Path(os.environ.get("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir()))
few = settings(max_examples=int(os.environ.get("SUPERVISOR_CLI_EXAMPLES", "20")), deadline=None)


# The looks after a write wait for a client that writes beside us, and there is none here.
no_waiting = mock.patch.object(apply, "_VERIFY_DELAYS", (0.0,))


def parsed(path: Path) -> dict:
    return json.loads(path.read_bytes().removeprefix(BOM), parse_int=str, parse_float=str)


@few
@given(
    settings_json=tapes(160).map(lambda tape: a_document(tape, LIST, a_list)),
    client_json=tapes(160).map(lambda tape: a_document(tape, ENTRY, a_value)),
)
def test_install_and_uninstall_leave_every_byte_or_refuse_and_touch_nothing(settings_json, client_json):
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        home = Path(folder)
        with mock.patch.dict(os.environ, {"HOME": folder}), no_waiting:
            state, client = home / ".claude" / "settings.json", home / ".claude.json"
            state.parent.mkdir()
            state.write_bytes(settings_json)
            client.write_bytes(client_json)
            code = cli.run(["install", "--yes"])
            assert code in (0, 1)
            if code == 1:
                assert (state.read_bytes(), client.read_bytes()) == (settings_json, client_json)
                assert not (home / ".claude" / "agents").exists()
                return
            assert "mcp__local-models" in parsed(state)["permissions"]["allow"]
            assert "local-models" in parsed(client)["mcpServers"]
            installed = state.read_bytes(), client.read_bytes()
            assert cli.run(["install", "--yes"]) == 0
            assert (state.read_bytes(), client.read_bytes()) == installed
            assert cli.run(["uninstall", "--yes"]) == 0
            assert (state.read_bytes(), client.read_bytes()) == (settings_json, client_json)


@few
@given(client_json=tapes(160).map(lambda tape: a_document(tape, ENTRY, a_value)))
def test_what_overwrite_replaces_comes_back_to_the_byte(client_json):
    with (
        tempfile.TemporaryDirectory(dir=MEMORY) as folder,
        mock.patch.dict(os.environ, {"HOME": folder}),
        no_waiting,
    ):
        client = Path(folder) / ".claude.json"
        client.write_bytes(client_json)
        if cli.run(["install", "--yes", "--overwrite", "--only", "mcp"]) == 0:
            assert parsed(client)["mcpServers"]["local-models"]["alwaysLoad"] is True
            assert cli.run(["uninstall", "--yes"]) == 0
        assert client.read_bytes() == client_json
