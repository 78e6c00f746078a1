"""Numbers for a person to read; the text and the page write them alike."""


def count(number: float) -> str:
    """A whole number, its thousands set apart."""
    return f"{number:,.0f}"


def calls(number: int) -> str:
    """So many calls."""
    return f"{count(number)} call" + ("" if number == 1 else "s")


def rough(number: int) -> str:
    """A count in few letters: 950, 12k, 3.4M."""
    return size(number).replace(" ", "").replace("kB", "k").removesuffix("B") if number else "0"


def size(number: int) -> str:
    """Bytes, in decimal units: 0, 950 B, 12 kB, 3.4 MB."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 9.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 119.5 * 60 else f"{seconds / 3600:,.1f} h"


def money(amount: float) -> str:
    """Dollars; what is less than a cent is said to be so, since an estimate is no finer."""
    if 0 < amount < 0.005:
        return "< $0.01"
    return f"${amount:,.2f}"


def printable(name: str) -> str:
    """A name from the config without what could move a terminal's cursor; a dash for none."""
    return "".join(letter if letter.isprintable() else "?" for letter in name) or "-"
