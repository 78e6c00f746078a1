"""What the file tools remember of their answers, and what they tell the ledger."""

from contextlib import suppress
from pathlib import Path

import pytest
from fake_backend import closed_port
from scripted_model import FILE_TOOLS, entry, good, prompts, scripted, serve, three_files

from supervisor_mcp.accounting import Account
from supervisor_mcp.delegation import AllFailed
from supervisor_mcp.tools.ports import NoAccounts, NoMemory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three small files."""
    return three_files(tmp_path)


class Remembering:
    """A memory that counts."""

    def __init__(self):
        self.answers = {}
        self.hits = 0

    def recall(self, key):
        self.hits += key in self.answers
        return self.answers.get(key)

    def remember(self, key, answer):
        self.answers[key] = answer


@pytest.mark.parametrize("tool", FILE_TOOLS)
def test_asking_again_about_unchanged_files_asks_the_model_nothing(project, backend, tool):
    scripted(backend, good)
    memory = Remembering()
    first = serve(project, backend, tool, memory=memory, **FILE_TOOLS[tool])
    asked = len(prompts(backend))
    assert asked
    second = serve(project, backend, tool, memory=memory, **FILE_TOOLS[tool])
    assert len(prompts(backend)) == asked
    assert second.text.rpartition("\n")[0] == first.text.rpartition("\n")[0]
    assert f"{asked} of {asked} answers from the cache" in second.text
    (project / "a.py").write_text("changed\n")
    serve(project, backend, tool, memory=memory, **FILE_TOOLS[tool])
    assert asked < len(prompts(backend)) <= asked + 2


def test_an_answer_that_a_later_backend_gave_is_recalled_too(project, backend):
    scripted(backend, good)
    memory = Remembering()
    dead = {"name": "dead", "kind": "openai", "url": f"http://127.0.0.1:{closed_port()}"}
    config = {"backends": [dead, entry(backend)]}
    for _ in range(2):
        serve(project, backend, "classify", memory=memory, config=config, **FILE_TOOLS["classify"])
    assert len(prompts(backend)) == 3


def test_what_was_asked_and_how_is_part_of_what_is_remembered(project, backend):
    scripted(backend, good)
    memory = Remembering()
    serve(project, backend, "classify", memory=memory, paths=["a.py"], labels=["code", "text"])
    serve(project, backend, "classify", memory=memory, paths=["a.py"], labels=["text", "code"])
    serve(project, backend, "classify", memory=memory, paths=["a.py"], labels=["code", "text"], criteria="x")
    config = {"tools": {"classify": {"temperature": 1}}}
    serve(project, backend, "classify", memory=memory, config=config, paths=["a.py"], labels=["code", "text"])
    assert len(memory.answers) == 4
    assert memory.hits == 0


@pytest.mark.parametrize("said", [("Too long a sen", "length"), "", '{"label": "neither"}'])
def test_an_answer_that_is_cut_off_or_no_good_is_not_remembered(project, backend, said):
    scripted(backend, lambda _asked: said)
    memory = Remembering()
    tool = "classify" if "label" in said else "summarize_files"
    with suppress(AllFailed):
        serve(project, backend, tool, memory=memory, **{**FILE_TOOLS[tool], "paths": ["a.py"]})
    assert memory.answers == {}


def test_the_account_tells_models_tokens_hits_and_bytes_kept_out(project, backend):
    scripted(backend, good)
    memory = Remembering()
    for hits in (0, 3):
        account = Account("classify")
        serve(project, backend, "classify", memory=memory, account=account, **FILE_TOOLS["classify"])
        found = account.entry(shown_bytes=30)
        assert (found.model, found.backend, found.cache_hits) == ("local-llama", "llama", hits)
        assert found.kept_out_bytes == sum(len(path.read_bytes()) - 1 for path in project.iterdir()) - 30
        assert found.prompt_tokens == (None if hits else 300)


def test_texts_that_claude_sent_itself_are_not_counted_as_kept_out(project, backend):
    scripted(backend, good)
    account = Account("classify")
    outcome = serve(project, backend, "classify", account=account, items=["x" * 5000] * 3, labels=["a", "b"])
    assert account.entry().kept_out_bytes == 0
    assert "kept out" not in outcome.text


def test_the_default_memory_and_accounts_do_nothing():
    memory, accounts = NoMemory(), NoAccounts()
    memory.remember(b"x", "y")
    assert memory.recall(b"x") is None
    assert accounts.recalled(model="m", backend="b") is None
    assert accounts.kept_out(5) is None
    assert accounts.answered(None, model="m", backend="b") is None
