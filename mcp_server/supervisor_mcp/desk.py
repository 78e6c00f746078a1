"""Serves calls: checks what is asked, has it answered, and puts the outcome into words for Claude."""

from collections.abc import Mapping
from typing import Any

from supervisor_mcp import accounting, arguments, embedded, overview, pages
from supervisor_mcp.accounting import Account
from supervisor_mcp.backends.failures import Kind
from supervisor_mcp.cache import AnswerCache
from supervisor_mcp.calls import Call, CallCancelled
from supervisor_mcp.delegation import AllFailed, Attempt, Delegated, Delegation, Task
from supervisor_mcp.files.library import Library
from supervisor_mcp.folders import Folders
from supervisor_mcp.ledger import Ledger
from supervisor_mcp.settings_checks import FILE_KINDS
from supervisor_mcp.settings_types import Settings, Tool

_NEXT_STEP = {
    Kind.CONTEXT: "Split the material over several calls, or do the task yourself.",
    Kind.EMPTY: "Do the task yourself, or ask once more for something simpler.",
    Kind.REPEATS: "Do the task yourself, or ask once more for something shorter.",
    Kind.BUSY: "Do the task yourself, or ask once more in a minute.",
}
_DO_IT_YOURSELF = "Do the task yourself; calling again now will fail the same way."
_NO_BACKEND = (
    "No local model can be asked: config.yaml has no enabled backend. Do the task yourself.\n"
    "For the user: add one under `backends` in config.yaml; `supervisor-setup doctor` checks it"
)


class Desk:
    """Serves calls of the tools; from several threads at once."""

    def __init__(
        self, settings: Settings, folders: Folders | None = None, project: str | None = None
    ) -> None:
        """Serve what `settings` say; without `folders` nothing is recorded and no answer is kept.

        `project` is the folder whose files may be read, beside those that the settings name.
        """
        self._ledger = None if folders is None else Ledger(folders.state)
        cached = folders is not None and settings.cache.enabled
        self.cache = AnswerCache(folders.cache, settings.cache.max_bytes) if folders and cached else None
        self._settings = settings
        self._tools = settings.tools
        self._embedded = embedded.make(settings)
        self._delegation = Delegation(settings.backends, settings.files, self._embedded)
        self._library = Library(settings.files, project)
        self._pages = pages.Pages()

    def serve(self, tool: Tool, given: Mapping[str, Any], call: Call) -> tuple[str, bool]:
        """The text that answers a call of `tool`, and whether it is an error; the ledger learns of it.

        Raises:
            CallCancelled: The client cancelled.
        """
        token = pages.requested(given)
        if token is not None:
            return self._next_page(tool, token)
        account = Account(tool.name)
        text = ""
        try:
            text, is_error = self._answer(tool, given, call, account)
        except CallCancelled:
            account.failed(accounting.CANCELLED)
            raise
        except Exception:
            account.failed(accounting.BUG)
            raise
        finally:
            if self._ledger is not None:
                self._ledger.record(account.entry(shown_bytes=len(text.encode("utf-8", "replace"))))
        return text, is_error

    def close(self) -> None:
        """End the embedded model, and write what the ledger still has to; waits a second at the most."""
        if self._embedded is not None:
            self._embedded.close()
        if self._ledger is not None:
            self._ledger.close()

    def _answer(self, tool: Tool, given: Mapping[str, Any], call: Call, account: Account) -> tuple[str, bool]:
        wrong = arguments.problem(tool, given)
        if wrong is not None:
            account.failed(accounting.ARGUMENTS)
            return wrong, True
        if not self._delegation.backends:
            account.failed(accounting.NO_BACKEND)
            hint = embedded.install_hint(self._settings)
            return f"{_NO_BACKEND}{'; or ' if hint else ''}{hint}.", True
        if tool.kind == "models":
            text, is_error = self._overview(tool, call)
            if is_error:
                account.failed(Kind.UNREACHABLE)
            return text, is_error
        try:
            if tool.kind in FILE_KINDS:
                return self._read_files(tool, given, call, account)
            delegated = self._delegation.ask(Task.of(tool, arguments.message(tool, given)), call)
        except AllFailed as failure:
            last = failure.attempts[-1]
            account.failed(last.failure.kind, model=tool.model, backend=last.backend.name)
            return _failure_text(failure.attempts), True
        account.answered(delegated.answer, model=delegated.model, backend=delegated.backend.name)
        return self._pages.first(tool, _answer_text(delegated, tool)), False

    def _read_files(
        self, tool: Tool, given: Mapping[str, Any], call: Call, account: Account
    ) -> tuple[str, bool]:
        """What a tool answers that reads files on this side."""
        from supervisor_mcp.tools import serving
        from supervisor_mcp.tools.ports import Bench, NoMemory

        bench = Bench(
            tool=tool,
            library=self._library,
            delegation=self._delegation,
            call=call,
            memory=NoMemory() if self.cache is None else self.cache,
            accounts=account,
        )
        outcome = serving.serve(bench, given)
        if outcome.is_error:
            account.failed(outcome.cause)
        return self._pages.first(tool, outcome.text), outcome.is_error

    def _next_page(self, tool: Tool, token: str) -> tuple[str, bool]:
        page = self._pages.next(tool, token)
        if page is None:
            return f"{token} is no longer kept. Ask again, for a shorter answer.", True
        return page, False

    def _overview(self, tool: Tool, call: Call) -> tuple[str, bool]:
        probes = overview.probe_all(self._delegation, call)
        text = overview.text(probes, self._tools, self._delegation.speeds)
        if overview.answering(probes):
            return self._pages.first(tool, text), False
        hints = _hints([probe.failure.hint for probe in probes if probe.failure is not None])
        return f"No local model is available now. Do the work yourself.\n{text}{hints}", True


def _answer_text(delegated: Delegated, tool: Tool) -> str:
    notes = []
    if delegated.answer.cut_off:
        notes.append(
            f"[Cut off at {tool.max_output_tokens} tokens, so incomplete: ask for less, or in parts.]"
        )
    if delegated.answer.runaway:
        notes.append("[The model began to repeat itself and was stopped there, so this may be incomplete.]")
    if delegated.failed:
        reasons = "; ".join(f"{attempt.backend.name} {attempt.failure.text}" for attempt in delegated.failed)
        notes.append(f"[Answered by {delegated.model} on {delegated.backend.name}, because {reasons}.]")
    return "\n\n".join([delegated.answer.text, "\n".join([*notes, delegated.footer()])])


def _failure_text(attempts: tuple[Attempt, ...]) -> str:
    reasons = "".join(
        f"\n- {attempt.backend.name} ({attempt.backend.url}) {attempt.failure.text}" for attempt in attempts
    )
    hints = _hints([attempt.failure.hint for attempt in attempts])
    next_step = _NEXT_STEP.get(attempts[-1].failure.kind, _DO_IT_YOURSELF)
    return f"No local model answered. {next_step}{reasons}{hints}"


def _hints(hints: list[str]) -> str:
    known = [hint for hint in dict.fromkeys(hints) if hint]
    return f"\nFor the user: {'; '.join(known)}." if known else ""
