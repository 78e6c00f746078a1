"""How values look in YAML that was written by hand: plain where that is safe, quoted where it is not."""

import json
import math
import re

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*(?::[A-Za-z0-9_./@+-]+)*")
_NOT_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})  # in YAML 1.1 and 1.2
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def scalar(value: object, style: str = "") -> str:
    """A single value's text, on one line; a string goes into the quotes that `style` may name."""
    if isinstance(value, str):
        return _string(value, style)
    if isinstance(value, float):
        return _float(value)
    return json.dumps(value)


def flow(value: object) -> str:
    """Any value's text, on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def block(value: object, unit: str) -> list[str]:
    """Any value's text in lines, each level indented by `unit`."""
    if isinstance(value, dict) and value:
        return [line for key, item in value.items() for line in _entry(f"{scalar(key)}:", item, unit)]
    if isinstance(value, list | tuple) and value:
        return [line for item in value for line in _item(item, unit)]
    return [flow(value)]


def is_block(value: object) -> bool:
    """Whether a value takes lines of its own: a mapping or list with something in it."""
    return isinstance(value, dict | list | tuple) and bool(value)


def _entry(key: str, value: object, unit: str) -> list[str]:
    if is_block(value):
        return [key, *(unit + line for line in block(value, unit))]
    return [f"{key} {flow(value)}"]


def _item(value: object, unit: str) -> list[str]:
    first, *others = block(value, unit)
    return [f"- {first}", *(f"  {line}" for line in others)]


def _string(text: str, style: str) -> str:
    if style != '"' and _UNPRINTABLE.search(text) is None and text.isprintable():
        if style == "'":
            return "'" + text.replace("'", "''") + "'"
        if _WORD.fullmatch(text) and text.lower() not in _NOT_WORDS:
            return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _float(number: float) -> str:
    if math.isnan(number):
        return ".nan"
    if math.isinf(number):
        return ".inf" if number > 0 else "-.inf"
    digits, e, exponent = repr(number).partition("e")
    return digits + (".0" if e and "." not in digits else "") + e + exponent  # YAML 1.1 wants the point
