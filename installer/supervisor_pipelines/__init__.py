"""Pipelines over many documents: a local model reads, Claude synthesises, nothing is paid for twice."""

from supervisor_pipelines.definition import Ask, Digest, Document, Extract, Pipeline

__all__ = ["Ask", "Digest", "Document", "Extract", "Pipeline"]
