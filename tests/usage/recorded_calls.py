"""Calls as a server records them."""

from pathlib import Path
from typing import Any

from supervisor_mcp.ledger import Entry, Ledger

DAY = 86_400
NOON = 1_795_521_600  # 2026-11-24 12:00 UTC


def call(**fields: Any) -> Entry:
    usual = {"tool": "ask_local_llama", "outcome": "ok", "at": NOON, "seconds": 2.0, "model": "llama3.1:8b"}
    usual |= {"backend": "ollama", "prompts": 1, "prompt_tokens": 1000, "answer_tokens": 100}
    return Entry(**{**usual, **fields})


def record(state: Path, *entries: Entry) -> None:
    book = Ledger(str(state))
    for entry in entries:
        book.record(entry)
    book.close(30)


MIXED = (
    call(at=NOON - 8 * DAY, tool="classify", kept_out_bytes=1_000_000),
    call(at=NOON - DAY, tool="summarize_files", kept_out_bytes=4_000_000, prompts=9, cache_hits=3),
    call(at=NOON - DAY, tool="summarize_files", kept_out_bytes=0, outcome="timeout", prompts=0),
    call(prompt_tokens=None, answer_tokens=None, model="phi", backend="swap"),
    call(outcome="cancelled", prompts=0, prompt_tokens=None, answer_tokens=None),
    call(tool="list_available_local_models", model="", backend="", prompts=0, prompt_tokens=None),
)
