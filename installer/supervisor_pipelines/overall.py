"""The paid step over all documents: one answer of all their facts, in parts where they are too many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from supervisor_pipelines import documents
from supervisor_pipelines.claude import PaidRequest
from supervisor_pipelines.definition import Digest, Extract
from supervisor_pipelines.documents import Skip
from supervisor_pipelines.failures import StepFailure
from supervisor_pipelines.flow import scripts
from supervisor_pipelines.paying import Payer
from supervisor_pipelines.results import Results
from supervisor_pipelines.tables import State
from supervisor_pipelines.tariff import Tariff

_OF_PARTS = "Each line is such an answer about one part of the documents. Make one of them, about all.\n\n"


@dataclass(slots=True)
class Overall:
    """Asks for the answer over all documents of a run; `without` are the paths that it could not consider."""

    extract: Extract[Any]
    digest: Digest[Any, Any]
    payer: Payer
    attempt: int = 0
    without: list[str] = field(default_factory=list)

    def answer(self, results: Results) -> BaseModel | None:
        """The answer; None when no document is done. However often this is asked, it is paid for once.

        Raises:
            StepFailure, RunStopped: as `Payer.pay`.
        """
        answers = self._answers(self._lines(results), "")
        while len(answers) > 1:
            fewer = self._answers((one.model_dump_json() for one in answers), _OF_PARTS)
            if len(fewer) >= len(answers):
                raise StepFailure("the answers about the parts do not fit into `prompt_tokens` together")
            answers = fewer
        return answers[0] if answers else None

    def _answers(self, lines: Iterable[str], before: str) -> list[BaseModel]:
        return [self._ask(before + part) for part in _parts(lines, self._most_bytes)]

    def _ask(self, prompt: str) -> BaseModel:
        request = PaidRequest.of(self.digest, prompt)
        answer: BaseModel = self.payer.pay(request, self.digest.answer, attempt=self.attempt).answer
        return answer

    @property
    def _most_bytes(self) -> int:
        return int(self.digest.prompt_tokens * Tariff.load().bytes_per_token)

    def _lines(self, results: Results) -> Iterator[str]:
        for row in results.rows(State.DONE):
            if row.path != row.place:  # another path with the same content
                continue
            try:
                facts = self.extract.answer.model_validate_json(row.facts)
                document = replace(documents.read(row.place), path=row.first)
            except (Skip, ValidationError):  # the facts may be those of an earlier form
                self.without.append(row.path)
                continue
            yield scripts("line", self.digest.line, document, facts)


def _parts(lines: Iterable[str], most_bytes: int) -> Iterator[str]:
    """The lines, joined, in as few parts as hold that many bytes each; a longer line is a part by itself."""
    part: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode("utf-8", "surrogatepass")) + 1
        if part and size + length > most_bytes:
            yield "\n".join(part)
            part, size = [], 0
        part.append(line)
        size += length
    if part:
        yield "\n".join(part)
