"""How the clients behave, as data: what differs between versions, and what is the same in all of them.

Every row is held against the real client by test_client_facts.py; docs/client-facts.md says what follows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientFacts:
    """What one version of the client does where versions differ.

    `models` gives the id on the wire behind each alias, `main_alias` and `explore_alias` what the main
    conversation and the built-in Explore agent run on; `text_limit` is the number of characters after which a
    tool's description and a server's instructions are cut.
    """

    models: Mapping[str, str]
    main_alias: str
    explore_alias: str
    subagent_variable_overrides_agents: bool
    agent_file_with_bom_loads: bool
    subagents_wait_in_background: bool
    tool_search_by_default: bool
    deferred_tools_are_named: bool
    text_limit: int
    failed_server_says_why: bool


FACTS: Mapping[str, ClientFacts] = {
    "2.1.197": ClientFacts(
        models={
            "haiku": "claude-haiku-4-5-20251001",
            "sonnet": "claude-sonnet-5",
            "opus": "claude-opus-4-8",
        },
        main_alias="opus",
        explore_alias="haiku",
        subagent_variable_overrides_agents=True,
        agent_file_with_bom_loads=False,
        subagents_wait_in_background=False,
        tool_search_by_default=False,
        deferred_tools_are_named=False,
        text_limit=2048,
        failed_server_says_why=False,
    ),
    "2.1.330": ClientFacts(
        models={"haiku": "claude-haiku-5-5", "sonnet": "claude-sonnet-5-5", "opus": "claude-opus-5-5"},
        main_alias="opus",
        explore_alias="opus",
        subagent_variable_overrides_agents=False,
        agent_file_with_bom_loads=True,
        subagents_wait_in_background=True,
        tool_search_by_default=True,
        deferred_tools_are_named=True,
        text_limit=4096,
        failed_server_says_why=True,
    ),
}

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
