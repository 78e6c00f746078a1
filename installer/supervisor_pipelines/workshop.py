"""What the steps of a pipeline are done with on this machine: its local models, and Claude."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from supervisor_pipelines.batches import Batcher
from supervisor_pipelines.books import NO_BOOKS, Books
from supervisor_pipelines.claude import Claude
from supervisor_pipelines.definition import Pipeline
from supervisor_pipelines.executors import Executors
from supervisor_pipelines.local import LocalModel
from supervisor_pipelines.paying import Payer
from supervisor_pipelines.spool import Spool
from supervisor_pipelines.store import Store
from supervisor_setup.config import Config


@dataclass
class Workshop:
    """Makes each tool when it is first asked for; from several threads at once."""

    store: Store
    config: Config
    executors: Executors
    books: Books = NO_BOOKS
    spool: Spool | None = None
    litellm_url: str | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _models: dict[str, LocalModel] = field(default_factory=dict)
    _payers: dict[str, Payer] = field(default_factory=dict)

    @cached_property
    def claude(self) -> Claude:
        """The paid API.

        Raises:
            UserError: its key is not set, or its address is none.
        """
        return Claude.from_environment(self.environment)

    def local(self, pipeline: Pipeline[Any, Any]) -> LocalModel:
        """The local model that the pipeline or config.yaml names.

        Raises:
            ConfigError: no backend is configured.
        """
        model = pipeline.extract.model or self.config.pipeline.local_model
        with self._lock:
            if model not in self._models:
                self._models[model] = LocalModel.from_config(
                    self.config,
                    url=self.litellm_url,
                    model=model,
                    environment=self.environment,
                    books=self.books,
                )
            return self._models[model]

    def payer(self, run: str) -> Payer:
        """Who asks Claude, out of the budget of that run.

        Raises:
            UserError: as `claude`.
        """
        with self._lock:
            if run not in self._payers:
                self._payers[run] = Payer(
                    self.store,
                    self.claude,
                    run_id=run,
                    executor_id=self.executors.id,
                    books=self.books,
                    spool=self.spool,
                )
            return self._payers[run]

    def batcher(self, run: str) -> Batcher:
        """Who asks Claude in batches, out of the budget of that run.

        Raises:
            UserError: as `claude`.
        """
        return Batcher(self.store, self.claude, run_id=run, books=self.books)

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            for model in self._models.values():
                model.stop()
            if "claude" in vars(self):
                self.claude.close()
