"""How fast the models have answered, as far as this process has seen."""

import threading

_LEAST_SECONDS = 0.001  # an answer that came in one piece shows no speed


class Speeds:
    """Tokens per second of each model of each backend."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}

    def saw(self, backend: str, model: str, tokens: int, seconds: float) -> None:
        """Note an answer: its first token comes at its beginning, so the others took the time."""
        if seconds < _LEAST_SECONDS or tokens < 2:
            return
        with self._lock:
            known_tokens, known_seconds = self._seen.get((backend, model), (0, 0.0))
            self._seen[backend, model] = (known_tokens + tokens - 1, known_seconds + seconds)

    def of(self, backend: str, model: str) -> float | None:
        """Tokens per second over all answers; None before the first."""
        with self._lock:
            seen = self._seen.get((backend, model))
        return None if seen is None else seen[0] / seen[1]
