"""A desk for pipelines: documents, the stand-ins for both APIs, and the command line beside them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_api import local_api
from paid_api import PaidApi
from runs import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """An empty folder for documents, and both APIs up."""
    with PaidApi() as api, local_api() as local:
        monkeypatch.setenv("SUPERVISOR_ANTHROPIC_API_KEY", api.key)
        monkeypatch.setenv("SUPERVISOR_ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv("LITELLM_API_KEY", local.key)
        yield Desk(tmp_path / "work", api, local)
