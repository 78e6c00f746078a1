"""A disk that fills up in the midst: said in one line, and with room again the run goes on where it was."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .pipeline_place import Place, notes, place

pytestmark = pytest.mark.e2e

DOCUMENTS = 100
# A mount of its own, seen by nobody else and gone with the processes in it.
_IN_A_SMALL_DISK = """
set -u
mount -t tmpfs -o size="$SMALL" tmpfs "$OUT" || exit 99
"$@" >first.out 2>first.err
echo $? >first.code
mount -o remount,size=100m "$OUT"
"$@" >second.out 2>second.err
echo $? >second.code
cp "$OUT/results.jsonl" "$OUT/report.md" .
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as made:
        made.out.mkdir()
        made.pace("paying", "KEEPING_SECONDS", 3)
        yield made


@pytest.mark.parametrize("size", ["128k", "1500k"])
def test_a_disk_that_fills_up_loses_nothing(pipeline: Place, size: str) -> None:
    pipeline.write(notes(DOCUMENTS))
    script = (
        *pipeline.runner,
        str(pipeline.script),
        "run",
        str(pipeline.documents),
        "--out",
        str(pipeline.out),
    )
    ended = subprocess.run(
        ["unshare", "-rm", "sh", "-c", _IN_A_SMALL_DISK, "sh", *script, *pipeline.options],
        env={**pipeline.env, "SMALL": size, "OUT": str(pipeline.out)},
        cwd=pipeline.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if ended.returncode == 99 or "unshare failed" in ended.stderr:
        pytest.skip(f"nobody may mount a disk here: {ended.stderr.strip()}")
    first, second = (
        {name: (pipeline.folder / f"{run}.{name}").read_text(encoding="utf-8") for name in ("code", "err")}
        for run in ("first", "second")
    )
    assert first["code"] == "1\n", first["err"]
    assert "Traceback" not in first["err"]
    assert "the disk is full" in first["err"]
    assert second["code"] == "0\n", second["err"]
    lines = (pipeline.folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == DOCUMENTS
    assert Counter('"status": "done"' in line or '"status":"done"' in line for line in lines) == {
        True: DOCUMENTS
    }
    assert len(pipeline.api.billed()) == DOCUMENTS
