"""The files that one call works on: found, bounded, read; and in a few lines what was passed over and why."""

from collections import Counter
from collections.abc import Sequence

from supervisor_mcp.answers import size
from supervisor_mcp.files.library import Plan, Skipped, Source, TooMuch
from supervisor_mcp.records import Record
from supervisor_mcp.tools import chunks
from supervisor_mcp.tools.chunks import Chunk
from supervisor_mcp.tools.ports import Bench, Refused

_SHOWN_REASONS = 8
_SHOWN_PATHS = 3
_SHOWN_FOLDERS = 4
_MAY_BE_READ = "may be read"  # what the reasons of paths outside have in common
_HINT = "\nFor the user: further folders go under `files: roots:` in config.yaml."


class Material(Record):
    """What was read, each file as one chunk, and what was not."""

    files: tuple[Chunk, ...]
    skipped: tuple[Skipped, ...]


def gathered(bench: Bench, paths: Sequence[str]) -> Material:
    """The files that `paths` mean.

    Raises:
        Refused: There is nothing to work on, or too much.
        CallCancelled: The client cancelled.
    """
    check = bench.call.raise_if_cancelled
    again = f"Call {bench.tool.name} again with fewer: a folder, or a glob such as src/**/*.py."
    try:
        plan = bench.library.plan(paths, check)
    except TooMuch as error:
        raise Refused(f"These paths {error}, more than one call takes. {again}") from error
    if plan.size > bench.tool.max_input_chars:
        raise Refused(
            f"These paths hold {len(plan.files):,} files of {size(plan.size)}; one call of "
            f"{bench.tool.name} takes {size(bench.tool.max_input_chars)}. {again}\n"
            f"The most is in {_largest(bench, plan)}."
        )
    sources: list[Source] = []
    skipped = list(plan.skipped)
    for found in plan.files:
        check()
        one = bench.library.read(found)
        if isinstance(one, Source):
            sources.append(one)
        else:
            skipped.append(one)
    if not sources:
        hint = "" if not any(_MAY_BE_READ in one.reason for one in skipped) else _HINT
        raise Refused(f"No file could be read, so the model was not asked.\n{passed_over(skipped)}{hint}")
    return Material(
        files=tuple(chunks.whole(source.path, source.text) for source in sources),
        skipped=tuple(skipped),
    )


def passed_over(skipped: Sequence[Skipped]) -> str:
    """The files that were not read, by reason, in a few lines; empty where there are none."""
    by_reason: dict[str, list[str]] = {}
    for one in skipped:
        by_reason.setdefault(one.reason, []).append(one.path)
    lines = []
    for reason, paths in list(by_reason.items())[:_SHOWN_REASONS]:
        more = len(paths) - _SHOWN_PATHS
        named = ", ".join(paths[:_SHOWN_PATHS]) + (f" and {more} more" if more > 0 else "")
        lines.append(f"[Not read: {named}: {reason}.]")
    rest = sum(map(len, list(by_reason.values())[_SHOWN_REASONS:]))
    if rest:
        lines.append(f"[Not read for other reasons: {rest} more.]")
    return "\n".join(lines)


def _largest(bench: Bench, plan: Plan) -> str:
    """The folders with the most bytes in them."""
    bytes_in: Counter[str] = Counter()
    for found in plan.files:
        folder = bench.library.shown(found).rpartition("/")[0]
        bytes_in[f"{'/'.join(folder.split('/')[:3])}/" if folder else "the top folder"] += found.size
    return ", ".join(f"{folder} ({size(count)})" for folder, count in bytes_in.most_common(_SHOWN_FOLDERS))
