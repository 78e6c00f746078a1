"""A tool that takes paths keeps files out of Claude's context: weighed on the wire, with the real client."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .claude import Claude
from .desk import Desk, desk_at
from .economy import Cost, cost_of, handing_over, library_beginnings, library_files, reading
from .quick_model import quick_model

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(sys.executable).with_name("supervisor-setup"))
LABELS = ["networking", "text processing", "data structures"]
FACTOR_OF_8_SUMMARIES = 30
"""The text about all of them weighs more beside few files; with 40 it is 50 times less and better."""
FACTOR_OF_40_LABELS = 30


@pytest.fixture(scope="module")
def desk(client: Claude, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A home into which the product was installed; its model answers at once, and at length."""
    with quick_model() as backend, desk_at(client, tmp_path_factory.mktemp("economy")) as opened:
        opened.home.env["LITELLM_API_KEY"] = "sk-any"
        installed = opened.command(PROGRAM, "install", "--yes", "--litellm-url", backend.url)
        assert installed.code == 0, installed.output
        yield opened


def read_by_claude(desk: Desk, files: list[Path]) -> Cost:
    """The cost of reading the files; all of their text must have arrived."""
    conversation = f"reads {files[0].parent.name}"
    desk.api.script(conversation, reading(files, 10))
    assert desk.ask(conversation).answer == "done"
    results = desk.api.last(conversation).tool_results
    assert len(results) == len(files)
    assert sum(map(len, results)) > sum(path.stat().st_size for path in files)
    return cost_of(desk.api, conversation)


def done_by_paths(desk: Desk, files: list[Path], tool: str, **arguments: object) -> Cost:
    """The cost of handing over the folder of the files; each of them must stand in the answer."""
    desk.api.script(tool, handing_over(tool, paths=[files[0].parent.name], **arguments))
    assert desk.ask(tool).answer == "done"
    (said,) = desk.api.last(tool).tool_results
    assert [path.name for path in files if path.name not in said] == []
    assert "kept out of your context" in said
    assert "[There is no summary" not in said
    return cost_of(desk.api, tool)


def test_summaries_by_paths_add_a_small_part_of_what_reading_adds(desk: Desk) -> None:
    files = library_files(desk.home.project / "sources", 8, 12_000)
    reads = read_by_claude(desk, files)
    by_paths = done_by_paths(desk, files, "summarize_files")
    assert reads.added > FACTOR_OF_8_SUMMARIES * by_paths.added, (reads, by_paths)
    assert by_paths.requests == 2


def test_labels_by_paths_add_a_small_part_of_what_reading_adds(desk: Desk) -> None:
    files = library_beginnings(desk.home.project / "beginnings", 40, 1_000)
    reads = read_by_claude(desk, files)
    by_paths = done_by_paths(desk, files, "classify", labels=LABELS)
    assert reads.added > FACTOR_OF_40_LABELS * by_paths.added, (reads, by_paths)
    assert by_paths.requests == 2
