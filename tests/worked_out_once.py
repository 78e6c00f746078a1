"""What config.yaml leads to is the same in every home, and takes YAML and Jinja2 to find out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from supervisor_setup import compiled
from supervisor_setup.config import Config


@contextmanager
def worked_out_once() -> Iterator[None]:
    """While inside, no config is parsed or rendered twice."""
    parse, parsed = compiled.parse, dict[bytes, Config]()
    render, rendered = compiled.rendered, dict[str, tuple[Mapping[str, bytes], bytes]]()

    def parse_once(path: Path, data: bytes) -> Config:
        if data not in parsed:
            parsed[data] = parse(path, data)
        return replace(parsed[data], path=path)

    def render_once(config: Config) -> tuple[Mapping[str, bytes], bytes]:
        key = repr(replace(config, path=Path()))
        if key not in rendered:
            rendered[key] = render(config)
        return rendered[key]

    with mock.patch.multiple(compiled, parse=parse_once, rendered=render_once):
        yield
