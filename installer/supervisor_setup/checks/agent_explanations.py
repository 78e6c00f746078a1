"""What each check of agent files is for: the one text for `doctor`, its documentation and code scanning."""

from collections.abc import Mapping

from supervisor_setup.checks.check import Explanation

EXPLANATIONS: Mapping[str, Explanation] = {
    "agents.parse": Explanation(
        catches="The frontmatter of an agent file is missing or cannot be read, or a `---` in a value "
        "ends it early.",
        why="The client drops such a file without a word, or loses the keys below that place, so that "
        "the agent runs on the main model with every tool. A value that is not valid YAML, and to "
        "which the client adds quotes by itself, is only pointed out.",
        mend="Start the file with a line `---`, end the keys with another, and put values with special "
        "characters into double quotes.",
    ),
    "agents.required": Explanation(
        catches="An agent file has no name or description that the client accepts, or begins with a byte- "
        "order mark.",
        why="The client drops it without a word: Claude never learns that the agent exists. A number "
        "is no name; newer clients refuse a colon too, and older ones a byte-order mark.",
        mend="Add `name:` and `description:`, as text; in double quotes where YAML would read a number.",
    ),
    "agents.unknown-key": Explanation(
        catches="An agent's frontmatter has a key that the client does not know, such as `modle`.",
        why="The client ignores it without a word: a misspelt `model` runs the agent on the main "
        "model, a misspelt `tools` gives it every tool.",
        mend="Write the key as the hint says; keys are case-sensitive. Keys for other programs do no harm.",
    ),
    "agents.model": Explanation(
        catches="An agent names a model that does not exist, is retired, or will be retired on a known day.",
        why="The client passes what it does not know on as it is, and the API answers 404: every "
        "delegation fails. For Opus 4 and 4.1 the client sends its newest Opus instead, which "
        "costs what that costs.",
        mend="Name an alias (haiku, sonnet, opus), which follows the newest model, or a full current id.",
    ),
    "agents.ignored-value": Explanation(
        catches="An agent's frontmatter has a value that the client does not take, such as "
        "`permissionMode: yolo`.",
        why="The client runs the agent as if the key were not there. For hooks that cannot be loaded, "
        "newer clients drop the agent.",
        mend="Write one of the values that the hint lists.",
    ),
    "agents.duplicate": Explanation(
        catches="Two agents have one name: in one folder, in two of the client's folders, or with one of "
        "its own.",
        why="The client loads only one of them. Within a folder that is the last by path for newer "
        "clients and a matter of chance for older ones; across folders a project's agent goes "
        "before the user's, an inner folder's before an outer one's, and an administrator's "
        "before all.",
        mend="Rename or remove one of them. An agent that is meant to replace another one is fine.",
    ),
    "agents.unbounded-tools": Explanation(
        catches="An agent names no tools, and so has all of them.",
        why="It can start further agents and change files, and each delegation to it begins with 27 "
        "to 62 kB of tool descriptions, which cost tokens, instead of about 10.",
        mend="List in `tools:` what it needs, or name in `disallowedTools:` what it must not have.",
    ),
    "agents.unknown-tool": Explanation(
        catches="An agent lists a tool that does not exist, or one of an MCP server that is not configured.",
        why="The agent goes without it; with no other tool, newer clients refuse to start the agent, "
        "and older ones start it with none. In `disallowedTools` such a name takes nothing away. "
        "Names are case-sensitive.",
        mend="Write the tool as the hint says, add the MCP server with `claude mcp add`, or take the "
        "name out.",
    ),
    "agents.description": Explanation(
        catches="An agent's description does not say when to delegate, or is longer than 1,024 characters.",
        why="Claude decides by the description alone. All descriptions go out in full with every "
        "request of the main conversation, so a long one costs in each of them.",
        mend="Say `Use when …` or `Use proactively after …`, and move examples into the prompt.",
    ),
    "agents.empty-prompt": Explanation(
        catches="Nothing follows an agent's frontmatter.",
        why="The agent starts without instructions.",
        mend="Write the prompt below the second `---`.",
    ),
}

IDS: Mapping[str, str] = {check: explanation.catches for check, explanation in EXPLANATIONS.items()}
"""What each check catches, by its id."""
