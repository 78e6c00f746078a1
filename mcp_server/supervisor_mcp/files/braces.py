"""`*.{ts,tsx}` as the two patterns that it means: gitignore patterns, which do the rest, know no braces."""

MAX_PATTERNS = 64


def expanded(pattern: str) -> list[str]:
    """The patterns without braces that `pattern` means; itself where its braces mean nothing."""
    done: list[str] = []
    pending = [pattern]
    while pending and len(pending) + len(done) <= MAX_PATTERNS:
        one = pending.pop(0)
        end = one.find("}")
        start = one.rfind("{", 0, end) if end >= 0 else -1
        choices = one[start + 1 : end].split(",")
        if start < 0 or len(choices) < 2:
            done.append(one)
        else:
            pending += [one[:start] + choice + one[end + 1 :] for choice in choices]
    return list(dict.fromkeys([*done, *pending]))
