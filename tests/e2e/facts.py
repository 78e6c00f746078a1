"""How the clients behave, as data: what differs between versions, and what is the same in all of them.

Every row is held against the real client by test_client_facts.py; docs/client-facts.md says what follows.
"""

import json
from collections.abc import Mapping

from supervisor_setup.client_facts import ClientFacts, measured

__all__ = ["ClientFacts"]

FACTS: Mapping[str, ClientFacts] = measured()

EXPLORER_BYTES = 12_000
ALL_TOOLS_FACTOR = 2.5

_BODY = "You look things up.\n"


def agent_file(*fields: str, body: str = _BODY) -> str:
    """An agent file with these frontmatter lines."""
    return "\n".join(("---", *fields, "---", body))


BOM = b"\xef\xbb\xbf"
AGENT_WITH_BOM = BOM + agent_file("name: has-bom", "description: x").encode()

# Files that every version drops without a word; the key is the reason.
DROPPED_AGENT_FILES: Mapping[str, bytes] = {
    "no-name": agent_file("description: no-name").encode(),
    "no-description": agent_file("name: no-description").encode(),
    "numeric-name": agent_file("name: 4711", "description: x").encode(),
    "no-frontmatter": b"no-frontmatter\n",
    "unclosed-quote": agent_file("name: unclosed-quote", 'description: "x').encode(),
}

# Files that every version loads under the name that is the key; it is also the file's path.
LOADED_AGENT_FILES: Mapping[str, bytes] = {
    "crlf": agent_file("name: crlf", "description: x").replace("\n", "\r\n").encode(),
    "folder/nested": agent_file("name: folder/nested", "description: x").replace("folder/", "").encode(),
    "colon": agent_file("name: colon", "description: Use this: always").encode(),
    "folded": agent_file("name: folded", "description: >", "  Use this", "  always").encode(),
    "empty-body": agent_file("name: empty-body", "description: x", body="").encode(),
    "unknown-field": agent_file("name: unknown-field", "description: x", "noSuchField: 1").encode(),
    "bad-values": agent_file(
        "name: bad-values", "description: x", "permissionMode: nonsense", "maxTurns: nonsense"
    ).encode(),
}

SECRET = "secret.txt"
_RULES = {"permissions": {"deny": [f"Read(./{SECRET})"]}}
_SETTINGS = json.dumps(_RULES)

# settings.json files whose deny rule still holds.
SETTINGS_HONOURED: Mapping[str, bytes] = {
    "valid": _SETTINGS.encode(),
    "unknown key": json.dumps({**_RULES, "noSuchKey": 1}).encode(),
    "BOM": BOM + _SETTINGS.encode(),
    "a rule that is no string": json.dumps(
        {"permissions": {"deny": [*_RULES["permissions"]["deny"], 5]}}
    ).encode(),
    "an env value that is no string": json.dumps({**_RULES, "env": {"A": 1}}).encode(),
}

# settings.json files that are ignored whole, without a word: their deny rule no longer holds.
SETTINGS_IGNORED: Mapping[str, bytes] = {
    "comment": f"// a comment\n{_SETTINGS}".encode(),
    "trailing comma": f"{_SETTINGS[:-1]},}}".encode(),
    "truncated": _SETTINGS[:-1].encode(),
    "permissions.allow is a string": json.dumps(
        {"permissions": {**_RULES["permissions"], "allow": "x"}}
    ).encode(),
    "model is a number": json.dumps({**_RULES, "model": 5}).encode(),
}
