"""How work can fail: one document, or the whole run."""

from supervisor_setup.errors import UserError


class StepFailure(Exception):
    """A document's step came to nothing; `reason` is half a sentence for the report. The others go on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RunStopped(UserError):
    """No further document would fare better, so the run ends here, resumable."""
