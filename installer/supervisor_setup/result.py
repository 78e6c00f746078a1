"""What a command returns: plain data, of which text and JSON are two renderings."""

from collections.abc import Mapping, Sequence
from typing import Any

from supervisor_setup.artefacts import Absent
from supervisor_setup.errors import Exit
from supervisor_setup.plan import Operation
from supervisor_setup.values import dataclass

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Result:
    """`data` is what `--json` prints, without its envelope; templates/output.schema.json has its shapes."""

    command: str
    data: Mapping[str, Any]
    exit_code: Exit = Exit.OK

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {"schema_version": SCHEMA_VERSION, "command": self.command, **self.data}


def operation_to_json(operation: Operation) -> dict[str, Any]:
    """One step of a plan, for a program to read."""
    address = operation.address
    return {
        "decision": operation.decision,
        "kind": address.kind,
        "path": str(address.path),
        "pointer": list(address.place),
        "item": address.item,
        "group": _group(operation),
        "reason": operation.reason,
    }


def operations_to_json(plan: Sequence[Operation]) -> list[dict[str, Any]]:
    """A plan, for a program to read."""
    return [operation_to_json(operation) for operation in plan]


def _group(operation: Operation) -> str:
    if not isinstance(operation.wanted, Absent):
        return operation.wanted.group
    assert operation.record is not None
    return operation.record.group
