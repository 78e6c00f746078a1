"""What it costs to find our entry in a large `.claude.json`, by parser.

    python benchmarks/json_parsers.py [--megabytes 30] [--runs 3]

Each measurement is a process of its own: the time from opening the file to knowing the span (or holding the
data), imports left out, and the peak resident memory of the process, each the best of the runs. To compare
all: `pip install tree-sitter tree-sitter-json json-five`.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from supervisor_setup.edit.json_spans import set_entry
from supervisor_setup.edit.json_text import JsonText

ENTRY = ("mcpServers", "local-models")
WORDS = ["please", "fix", "the", "failing", "test", "in", "src/app,", "“coverage”", "says", "naïve", "🙂"]
JSON_FIVE_MEGABYTES = 0.5  # it would take a minute for 30


def find_with_ours(path: Path) -> object:
    member = JsonText.of(path.read_bytes()).walk(ENTRY).members[-1]
    return member.value, member.end


def edit_with_ours(path: Path) -> object:
    return set_entry(path.read_bytes(), ENTRY, {"command": "new"})


def load_with_json(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def edit_with_json(path: Path) -> object:
    data = json.loads(path.read_text(encoding="utf-8"))
    data[ENTRY[0]][ENTRY[1]] = {"command": "new"}
    return json.dumps(data, indent=2, ensure_ascii=False).encode()


def find_with_tree_sitter(path: Path) -> object:
    tree_sitter = import_module("tree_sitter")
    language = tree_sitter.Language(import_module("tree_sitter_json").language())
    node = tree_sitter.Parser(language).parse(path.read_bytes()).root_node.named_children[0]
    for key in ENTRY:
        pairs = [child for child in node.named_children if child.type == "pair"]
        keys = [json.loads(pair.child_by_field_name("key").text) for pair in pairs]
        node = pairs[keys.index(key)].child_by_field_name("value")
    return node.start_byte, node.end_byte


def find_with_json_five(path: Path) -> object:
    loader = import_module("json5.loader")
    node = loader.loads(path.read_text(encoding="utf-8"), loader=loader.ModelLoader()).value
    for key in ENTRY:
        node = next(pair.value for pair in node.key_value_pairs if pair.key.characters == key)
    return node.lineno, node.col_offset, node.end_lineno, node.end_col_offset


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row of the table; `modules` are what it needs beyond our own dependencies."""

    run: Callable[[Path], object]
    modules: tuple[str, ...] = ()
    small_file: bool = False


CANDIDATES = {
    "json.load": Candidate(load_with_json),
    "ours: find the span": Candidate(find_with_ours),
    "tree-sitter-json: find the span": Candidate(find_with_tree_sitter, ("tree_sitter", "tree_sitter_json")),
    "json: load, change, dump": Candidate(edit_with_json),
    "ours: set_entry": Candidate(edit_with_ours),
    "json.load, small file": Candidate(load_with_json, small_file=True),
    "ours: find the span, small file": Candidate(find_with_ours, small_file=True),
    "json-five: find the span, small file": Candidate(
        find_with_json_five, ("json5.loader",), small_file=True
    ),
}


def write_client_state(path: Path, megabytes: float) -> None:
    """A file like the client's own: many projects with their histories, and our entry at the end."""
    pick = random.Random(0)
    with path.open("w", encoding="utf-8") as out:
        out.write('{\n  "numStartups": 12,\n  "projects": {')
        number = 0
        while out.tell() < megabytes * 1e6:
            said = [" ".join(pick.choices(WORDS, k=30)) for _ in range(100)]
            project = {
                "allowedTools": [],
                "history": [{"display": line, "pastedContents": {}} for line in said],
                "lastCost": pick.random(),
                "hasTrustDialogAccepted": True,
            }
            text = json.dumps({f"/home/me/project {number}": project}, indent=2, ensure_ascii=False)
            out.write(("," if number else "") + text[1:-2].replace("\n", "\n  "))
            number += 1
        servers = {ENTRY[0]: {"other": {"command": "x"}, ENTRY[1]: {"command": "y"}}}
        out.write("\n  }," + json.dumps(servers, indent=2)[1:] + "\n")


def measure_here(candidate: Candidate, path: Path) -> None:
    """Prints the seconds that one run takes and this process's peak memory in MiB."""
    for module in candidate.modules:
        import_module(module)
    started = time.perf_counter()
    candidate.run(path)
    seconds = time.perf_counter() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(name: str, path: Path, runs: int) -> tuple[float, float]:
    """Seconds and MiB of a candidate, each the least of the runs."""
    command = [sys.executable, __file__, "--candidate", name, str(path)]
    outputs = [
        subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(runs)
    ]
    seconds, mebibytes = zip(*(map(float, output.split()) for output in outputs), strict=True)
    return min(seconds), min(mebibytes)


def compare(large: Path, small: Path, runs: int) -> None:
    """Prints the table; the ratios are to `json.load` of the same file."""
    print(f"{'':38}{'time':>10}{'ratio':>9}{'peak':>11}{'ratio':>9}")
    base: dict[Path, tuple[float, float]] = {}
    for name, candidate in CANDIDATES.items():
        if any(find_spec(module.partition(".")[0]) is None for module in candidate.modules):
            print(f"{name:38}not installed")
            continue
        path = small if candidate.small_file else large
        seconds, mebibytes = measure(name, path, runs)
        base_seconds, base_mebibytes = base.setdefault(path, (seconds, mebibytes))
        print(
            f"{name:38}{seconds * 1000:7.0f} ms{seconds / base_seconds:8.2f}x"
            f"{mebibytes:7.0f} MiB{mebibytes / base_mebibytes:8.2f}x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="What it costs to find our entry in a large .claude.json.")
    parser.add_argument("--megabytes", type=float, default=30)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--candidate", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.candidate:
        measure_here(CANDIDATES[options.candidate[0]], Path(options.candidate[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder, "large.json"), Path(folder, "small.json")
        write_client_state(large, options.megabytes)
        write_client_state(small, JSON_FIVE_MEGABYTES)
        print(f"Python {sys.version.split()[0]}; {options.megabytes} MB, small {JSON_FIVE_MEGABYTES} MB")
        compare(large, small, options.runs)


if __name__ == "__main__":
    main()
