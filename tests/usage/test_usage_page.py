"""`usage --html`: the page, its prices and its numbers."""

import datetime
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from recorded_calls import DAY, NOON, call, record

from supervisor_setup import assets, figures, prices


class Page(HTMLParser):
    """What a page is made of."""

    VOID = frozenset({"meta", "line", "rect", "br", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.unbalanced: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.seen)


def test_the_page_is_well_formed_needs_no_network_and_has_a_table_beside_each_chart(cli, recorded, tmp_path):
    cli("usage", "--html", str(tmp_path / "u.html"))
    text = (tmp_path / "u.html").read_text(encoding="utf-8")
    page = Page(text)
    assert (page.open, page.unbalanced) == ([], [])
    assert page.count("script") == page.count("link") == page.count("img") == 0
    assert not any("src" in attributes for _, attributes in page.seen)
    assert [a["href"] for tag, a in page.seen if tag == "a"] == [prices.estimate(0)["prices_source"]]
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text
    assert (page.count("section"), page.count("table"), page.count("svg")) == (4, 4, 2)
    assert all(a.get("role") == "img" and a.get("aria-label") for tag, a in page.seen if tag == "svg")
    assert all(a.get("scope") in ("col", "row") for tag, a in page.seen if tag == "th")
    assert "prefers-color-scheme: dark" in text
    assert "an estimate" in text
    for number in ("5.0 MB", "1,250,000", "3,000", "2026-11-16", "llama3.1:8b on ollama"):
        assert number in text


def test_days_without_a_call_leave_their_room_in_the_chart_unless_there_are_too_many(cli, home, at_noon):
    record(home.state, call(at=NOON - 9 * DAY), call())
    cli("usage", "--html", "u.html")
    widths = {a["width"] for tag, a in Page(Path("u.html").read_text(encoding="utf-8")).seen if tag == "rect"}
    assert widths == {"8.0"}
    record(home.state, call(at=NOON - 300 * DAY))
    cli("usage", "--html", "u.html")
    widths = {a["width"] for tag, a in Page(Path("u.html").read_text(encoding="utf-8")).seen if tag == "rect"}
    assert widths == {"26.667"}


def test_a_page_of_ours_is_replaced_and_the_same_one_is_left_alone(cli, recorded, home):
    cli("usage", "--html", "u.html")
    first = Path("u.html").stat()
    cli("usage", "--html", "u.html")
    assert Path("u.html").stat().st_ino == first.st_ino
    record(home.state, call())
    assert "The page is" in cli("usage", "--html", "u.html").out
    assert Path("u.html").stat().st_ino != first.st_ino


def test_a_file_that_is_not_a_page_of_ours_is_never_replaced(cli, recorded):
    Path("mine.html").write_text("<html>my own page</html>", encoding="utf-8")
    err = cli("usage", "--html", "mine.html", code=1).err
    assert "exists and is not a page of this command; nothing was written" in err
    assert "hint: " in err
    assert Path("mine.html").read_text(encoding="utf-8") == "<html>my own page</html>"


def test_an_empty_file_and_a_missing_folder_are_filled(cli, recorded):
    Path("empty.html").touch()
    cli("usage", "--html", "empty.html")
    cli("usage", "--html", "new/folder/u.html")
    assert Path("empty.html").stat().st_size > 1000
    assert Path("new/folder/u.html").stat().st_size > 1000


def test_a_page_that_somebody_else_changes_meanwhile_is_left_to_them(cli, recorded, monkeypatch):
    monkeypatch.setattr("supervisor_setup.files.replace", lambda *_, **__: False)
    assert "was changed by somebody else" in cli("usage", "--html", "u.html", code=1).err


def test_a_link_is_followed_to_our_page(cli, recorded):
    cli("usage", "--html", "real.html")
    Path("link.html").symlink_to("real.html")
    cli("usage", "--since", "1d", "--html", "link.html")
    assert Path("link.html").is_symlink()
    assert "From 2026-11-24" in Path("real.html").read_text(encoding="utf-8")


def test_the_prices_are_complete_dated_and_consistent():
    data = json.loads((assets.templates() / "prices.json").read_bytes())
    datetime.date.fromisoformat(data["date"])
    assert data["source"].startswith("https://")
    ids = {model["id"] for model in data["models"]}
    assert ids >= {
        *("claude-haiku-4-5", "claude-haiku-5-5", "claude-sonnet-5"),
        *("claude-sonnet-5-5", "claude-opus-4-8", "claude-opus-5-5"),
    }
    for model in data["models"]:
        assert 0 < model["cache_read"] < model["input"] < model["cache_write"] < model["output"]
        assert model["family"] in model["id"]
    datetime.date.fromisoformat(data["batch"]["date"])
    assert data["batch"]["source"].startswith("https://")
    assert 0 < data["batch"]["factor"] < 1


def test_the_estimate_is_bytes_by_the_stated_factor_times_the_stated_price():
    found = prices.estimate(4_000_000)
    assert (found["bytes_per_token"], found["tokens"]) == (4, 1_000_000)
    opus = next(model for model in found["models"] if model["id"] == "claude-opus-5-5")
    assert (opus["input_price"], opus["read_once"], opus["each_later_turn"]) == (4, 4.0, 0.2)
    assert found["basis"].startswith("An estimate")


@pytest.mark.parametrize(
    ("number", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (12_345, "12 kB"), (999_600, "1.0 MB"),
     (5_000_000_000, "5.0 GB"), (3 * 10**12, "3.0 TB")],
)  # fmt: skip
def test_sizes_are_short(number, shown):
    assert figures.size(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (119, "119 s"), (120, "2 min"), (7200, "2.0 h"),
     (3.6e7, "10,000.0 h")],
)  # fmt: skip
def test_durations_are_short(seconds, shown):
    assert figures.duration(seconds) == shown


@pytest.mark.parametrize(
    ("amount", "shown"), [(0, "$0.00"), (0.004, "< $0.01"), (0.005, "$0.01"), (1234.5, "$1,234.50")]
)
def test_money_is_no_finer_than_an_estimate_can_be(amount, shown):
    assert figures.money(amount) == shown


@pytest.mark.parametrize(("number", "shown"), [(0, "0"), (950, "950"), (12_345, "12k"), (3_400_000, "3.4M")])
def test_rough_counts_are_short(number, shown):
    assert figures.rough(number) == shown
