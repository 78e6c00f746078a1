"""The manifests that `new kubernetes` prints, held against Kubernetes' own schemas."""

from collections.abc import Callable
from pathlib import Path

import pytest

from real_parts import HINT, RealParts

from .claude import run_tied

pytestmark = pytest.mark.e2e

VERSIONS = ("1.31", "1.37")


@pytest.fixture
def validated(parts: RealParts, tmp_path: Path) -> Callable[[str], tuple[int, str]]:
    """The validator's exit code and words for some manifests, with no field that the schemas do not know."""
    if parts.missing("kubernetes"):
        pytest.fail(f"{parts.kubernetes_validate}: is missing\n{HINT}", pytrace=False)

    def validate(text: str) -> tuple[int, str]:
        path = tmp_path / "manifests.yaml"
        path.write_text(text, encoding="utf-8")
        said, code = "", 0
        for version in VERSIONS:
            words = (str(parts.kubernetes_validate), "--strict", "--kubernetes-version", version, str(path))
            ran = run_tied(words, env={"HOME": str(tmp_path)}, cwd=tmp_path, timeout=60)
            said, code = said + ran.output, code or ran.code
        return code, said

    return validate


def test_the_manifests_are_what_kubernetes_knows_and_nothing_else(cli, validated) -> None:
    cli("new", "pipeline", "papers.py", "--kind", "digest")
    run = ("papers.py", "in/*.md", "it's: {x}", "--out", "night", "--batch")
    made = cli("new", "kubernetes", *run, "--image", "koala:5000/pipeline:1", "--claim", "papers").out
    code, said = validated(made)
    assert code == 0, said
    for kind in ("configmap", "persistentvolumeclaim", "job", "deployment"):
        assert said.count(f"passed for resource {kind}/") == len(VERSIONS)


def test_a_field_that_kubernetes_does_not_know_would_be_found(cli, validated) -> None:
    cli("new", "pipeline", "papers.py")
    made = cli("new", "kubernetes", "papers.py", ".", "--out", "o", "--image", "x").out
    code, said = validated(made.replace("readOnlyRootFilesystem", "readOnlyRootFileSystem", 1))
    assert code != 0
    assert "readOnlyRootFileSystem" in said
