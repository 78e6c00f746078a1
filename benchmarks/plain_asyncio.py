"""The two calls of a pipeline in plain asyncio, for `orchestration.py` to measure against.

    python benchmarks/plain_asyncio.py FOLDER RESULTS LITELLM_URL

What somebody would write in an hour: eight documents at a time, nothing survives a kill, nothing is counted.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import anthropic
import httpx2
from pydantic import BaseModel, Field

CONCURRENCY = 8


class Facts(BaseModel):
    """As the script that it is measured against has them."""

    subject: str = Field(max_length=300)
    statements: list[str] = Field(max_length=5)
    doubts: list[str] = Field(max_length=5)


class Analysis(BaseModel):
    """Likewise."""

    summary: str
    findings: list[str]
    risk: str
    next_step: str


async def document(
    path: Path, local: httpx2.AsyncClient, claude: anthropic.AsyncAnthropic, url: str
) -> dict[str, Any]:
    """One document: the local model's facts, then Claude's answer."""
    text = path.read_text(encoding="utf-8")
    form = {"name": "facts", "schema": Facts.model_json_schema(), "strict": True}
    body = {
        "model": "local-llama",
        "messages": [{"role": "user", "content": f"Note what this document says.\n\n{text}"}],
        "response_format": {"type": "json_schema", "json_schema": form},
    }
    said = await local.post(f"{url}/v1/chat/completions", json=body)
    said.raise_for_status()
    facts = Facts.model_validate_json(said.json()["choices"][0]["message"]["content"])
    answer = await claude.messages.parse(
        model="claude-sonnet-5-5",
        max_tokens=2048,
        system="You analyze documents, one at a time.",
        messages=[{"role": "user", "content": f"{facts.model_dump_json()}\n{text}"}],
        output_format=Analysis,
    )
    assert answer.parsed_output is not None
    return {
        "path": str(path),
        "facts": facts.model_dump(),
        "answer": answer.parsed_output.model_dump(),
    }


async def main(folder: Path, results: Path, url: str) -> None:
    """All documents, some at a time; a line for each as it ends."""
    paths = iter(sorted(folder.iterdir()))
    headers = {"Authorization": f"Bearer {os.environ['LITELLM_API_KEY']}"}
    claude = anthropic.AsyncAnthropic(
        api_key=os.environ["SUPERVISOR_ANTHROPIC_API_KEY"],
        base_url=os.environ["SUPERVISOR_ANTHROPIC_BASE_URL"],
    )
    async with httpx2.AsyncClient(headers=headers, timeout=60) as local, claude:
        with results.open("w", encoding="utf-8") as lines:

            async def work() -> None:
                for path in paths:
                    line = await document(path, local, claude, url)
                    lines.write(json.dumps(line) + "\n")

            await asyncio.gather(*(work() for _ in range(CONCURRENCY)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
