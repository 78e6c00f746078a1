"""What paths mean: folders and globs without what git ignores, and files that are named all the same."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_mcp.files import braces, confine, walk
from supervisor_mcp.files.library import Library, Skipped, TooMuch
from supervisor_mcp.settings_types import Files


@pytest.fixture
def make(tmp_path: Path):
    """Makes files: `make("a.py", "sub/b.py", ignore="*.log")`."""

    def files(*names: str, **contents: str) -> Library:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"text of {name}\n")
        return Library(Files(), str(tmp_path))

    return files


def ignore(folder: Path, *lines: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("".join(f"{line}\n" for line in lines))


def found(library: Library, *paths: str) -> list[str]:
    return [library.shown(one) for one in library.plan(paths).files]


def skipped(library: Library, *paths: str) -> list[tuple[str, str]]:
    return [(one.path, one.reason) for one in library.plan(paths).skipped]


TREE = (
    "a.py",
    "b.md",
    "src/c.py",
    "src/d.ts",
    "src/e.tsx",
    "src/deep/f.py",
    "src/deep/g[1].py",
    "sub dir/h.py",
)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (".", [*TREE]),
        ("src", ["src/c.py", "src/d.ts", "src/e.tsx", "src/deep/f.py", "src/deep/g[1].py"]),
        ("src/", ["src/c.py", "src/d.ts", "src/e.tsx", "src/deep/f.py", "src/deep/g[1].py"]),
        ("*.py", ["a.py"]),
        ("src/*.py", ["src/c.py"]),
        ("**/*.py", ["a.py", "src/c.py", "src/deep/f.py", "src/deep/g[1].py", "sub dir/h.py"]),
        ("src/**/*.py", ["src/c.py", "src/deep/f.py", "src/deep/g[1].py"]),
        ("src/**", ["src/c.py", "src/d.ts", "src/e.tsx", "src/deep/f.py", "src/deep/g[1].py"]),
        ("src/de*", ["src/deep/f.py", "src/deep/g[1].py"]),
        ("src/*.{ts,tsx}", ["src/d.ts", "src/e.tsx"]),
        ("{a.py,src/{c.py,d.ts}}", ["a.py", "src/c.py", "src/d.ts"]),
        ("src/?.py", ["src/c.py"]),
        ("src/[cd].*", ["src/c.py", "src/d.ts"]),
        ("src/deep/g[1].py", ["src/deep/g[1].py"]),
        ("sub dir/*", ["sub dir/h.py"]),
        ("src/../a.py", ["a.py"]),
        ("src/deep/../*.py", ["src/c.py"]),
    ],
)
def test_files_folders_and_globs_mean_what_a_shell_would_mean(make, path, meant):
    library = make(*TREE)
    assert sorted(found(library, path)) == sorted(meant)
    assert skipped(library, path) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("*.rs", "matches no file"),
        ("a.py/*", "matches no file"),
        ("nowhere", "cannot be read (No such file or directory)"),
        ("nowhere/*", "cannot be read (No such file or directory)"),
        ("empty", "holds no file that git does not ignore"),
        ("*a*a*a*a*a*", "is too intricate a pattern"),
        ("{" + "*," * 99 + "*}/{x,*a*b*c*d*}", "is too intricate a pattern"),
    ],
)
def test_what_is_not_there_is_said(make, tmp_path, path, reason):
    (tmp_path / "empty").mkdir()
    library = make("a.py")
    assert found(library, path) == []
    assert skipped(library, path) == [(path, reason)]


def test_each_file_is_meant_once_in_the_order_of_the_paths(make):
    library = make("a.py", "b.py", "c.py")
    assert found(library, "b.py", "*.py", "./b.py", ".") == ["b.py", "a.py", "c.py"]


def test_links_are_passed_over_in_folders_and_followed_when_named(make, tmp_path):
    library = make("src/a.py")
    (tmp_path / "src" / "again.py").symlink_to("a.py")
    (tmp_path / "more").symlink_to("src")
    assert found(library, ".") == ["src/a.py"]
    assert (
        found(library, "more")
        == found(library, "src/again.py")
        == found(library, "more/*.py")
        == ["src/a.py"]
    )


def test_what_git_ignores_is_left_out_of_folders_and_globs_and_read_when_named(make, tmp_path):
    library = make("a.py", "x.log", "dist/b.js", "dist/sub/c.js", "src/dist/d.js")
    ignore(tmp_path, "*.log", "dist/", "# note", "", "!keep")
    assert found(library, ".") == [".gitignore", "a.py"]
    assert found(library, "**/*.js") == found(library, "*.log") == []
    assert found(library, "x.log", "dist/b.js") == ["x.log", "dist/b.js"]
    assert found(library, "dist") == ["dist/b.js", "dist/sub/c.js"]
    assert found(library, "dist/*.js") == ["dist/b.js"]


def test_rules_of_deeper_folders_win_over_those_above(make, tmp_path):
    library = make("a.log", "keep.log", "sub/b.log", "sub/c.txt", "sub/deep/d.log", "sub/deep/keep.log")
    ignore(tmp_path, "*.log", "!keep.log")
    ignore(tmp_path / "sub", "!b.log", "*.txt")
    ignore(tmp_path / "sub" / "deep", "keep.log", "/d.log", "!/d.log")
    everything = [
        ".gitignore",
        "keep.log",
        "sub/.gitignore",
        "sub/b.log",
        "sub/deep/.gitignore",
        "sub/deep/d.log",
    ]
    assert found(library, ".") == everything
    assert found(library, "sub") == everything[2:]
    assert found(library, "sub/deep") == everything[4:]
    assert found(library, "sub/**/*.log") == ["sub/b.log", "sub/deep/d.log"]


def test_a_pattern_with_a_slash_holds_from_its_own_folder(make, tmp_path):
    library = make("build/a.py", "src/build/b.py", "src/x/gen/c.py", "gen/d.py")
    ignore(tmp_path, "/build", "src/**/gen")
    assert found(library, "**/*.py") == ["gen/d.py", "src/build/b.py"]


def test_what_git_keeps_to_itself_is_neither_walked_nor_read(make, tmp_path):
    library = make("a.py", ".git/config", ".git/info/exclude", "b.tmp", "sub/c.tmp")
    (tmp_path / ".git" / "info" / "exclude").write_text("*.tmp\n")
    assert found(library, ".") == ["a.py"]
    assert found(library, "sub/*") == []
    assert skipped(library, ".git/config") == [(".git/config", "is named like a file of secrets")]


def test_an_ignored_folder_is_not_even_entered(make, tmp_path, monkeypatch):
    make("project/a.py", "project/node_modules/x/index.js", "project/src/node_modules/y/index.js")
    ignore(tmp_path / "project", "node_modules/")
    library = Library(Files(), str(tmp_path / "project"))
    entered = []
    real = os.scandir

    def noted(descriptor):
        entered.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        return real(descriptor)

    monkeypatch.setattr(walk.os, "scandir", noted)
    found(library, ".")
    assert entered == ["project", "src"]


def test_a_gitignore_that_is_a_link_a_folder_or_not_text_ignores_nothing(make, tmp_path):
    library = make("a.py", "one/b.py", "two/c.py", "three/d.py")
    (tmp_path / "rules").write_text("*.py\n")
    (tmp_path / "one" / ".gitignore").symlink_to("../rules")
    (tmp_path / "two" / ".gitignore").mkdir()
    (tmp_path / "three" / ".gitignore").write_bytes(b"\xff\xfe\x00\n" * 10)
    assert found(library, "**/*.py") == ["a.py", "one/b.py", "three/d.py", "two/c.py"]


def test_a_pattern_made_to_take_for_ever_is_dropped(make, tmp_path):
    library = make("a" * 200, "b.py")
    ignore(tmp_path, "*a*a*a*a*a*a*a*a*b", "**/a/**/a/**/a/**/a/b", "b.py")
    began = time.monotonic()
    assert found(library, ".") == [".gitignore", "a" * 200]
    assert time.monotonic() - began < 2


def test_more_files_than_one_call_reads_are_too_much(tmp_path, make):
    make(*(f"{number}.py" for number in range(11)))
    library = Library(Files(max_files=10), str(tmp_path))
    with pytest.raises(TooMuch, match="more than 10 files"):
        library.plan(["."])
    assert len(library.plan(["?.py"]).files) == 10


def test_too_many_entries_and_too_long_a_walk_are_too_much(make, monkeypatch):
    library = make("a/1", "a/2", "b/1")
    monkeypatch.setattr(walk, "MAX_ENTRIES", 4)
    with pytest.raises(TooMuch, match="too many files and folders"):
        library.plan(["."])
    monkeypatch.setattr(walk, "MAX_ENTRIES", 100)
    monkeypatch.setattr(walk, "MAX_SECONDS", -1.0)
    with pytest.raises(TooMuch, match="too many files and folders"):
        library.plan(["."])


def test_a_walk_ends_when_the_check_says_so(make):
    def cancelled() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make("a").plan(["."], cancelled)


def test_ten_thousand_files_are_found_quickly(tmp_path):
    for number in range(100):
        folder = tmp_path / f"d{number // 10}" / f"e{number}"
        folder.mkdir(parents=True)
        for name in range(100):
            (folder / f"f{name}.py").write_text("x")
    ignore(tmp_path, "*.log", "build/", "/dist", "!keep.log", "*.pyc", "__pycache__/", ".venv")
    library = Library(Files(max_files=20_000), str(tmp_path))
    began = time.monotonic()
    assert len(found(library, "**/*.py")) == 10_000
    assert time.monotonic() - began < 10
    with pytest.raises(TooMuch, match="more than 2,000 files"):
        Library(Files(), str(tmp_path)).plan(["."])


def test_a_folder_that_cannot_be_opened_does_not_lose_the_rest(make, tmp_path, monkeypatch):
    library = make("a.py", "locked/b.py", "c/d.py")
    real = os.open

    def locked(path, *arguments, **options):
        if path == "locked":
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    monkeypatch.setattr(confine.os, "open", locked)
    assert found(library, ".") == ["a.py", "c/d.py"]
    assert skipped(library, ".") == [("locked/", "cannot be read (Permission denied)")]
    (tmp_path / "c" / "d.py").unlink()
    (tmp_path / "c").rmdir()
    (tmp_path / "locked").rename(tmp_path / "work" / "locked")
    inner = Library(Files(roots=(str(tmp_path),)), str(tmp_path / "home"))
    assert skipped(inner, str(tmp_path / "work")) == [
        (f"{tmp_path}/work/locked/", "cannot be read (Permission denied)")
    ]


def test_folders_deeper_than_any_projects_are_not_entered(tmp_path, make):
    library = make("d/" * 70 + "x", "d/" * 60 + "y")
    assert found(library, ".") == ["d/" * 60 + "y"]


def test_a_file_that_goes_during_the_walk_is_no_file(make, tmp_path, monkeypatch):
    library = make("a.py", "b.py")

    class Gone:
        name = "gone.py"

        def is_dir(self, **_options):
            return False

        def is_file(self, **_options):
            return True

        def stat(self, **_options):
            raise FileNotFoundError

    class Entries(list):
        def __enter__(self):
            return self

        def __exit__(self, *_exception):
            pass

    real = os.scandir
    monkeypatch.setattr(walk.os, "scandir", lambda at: Entries([*real(at), Gone()]))
    assert found(library, ".") == ["a.py", "b.py"]


@pytest.mark.parametrize(
    "name", [b"caf\xe9.py", "café.py".encode(), "cafe\u0301.py".encode(), b"a\nb\x1b[31m.py"]
)
def test_names_in_any_bytes_are_found_and_shown_in_one_line_of_text(tmp_path, name):
    (tmp_path / os.fsdecode(name)).write_text("x")
    library = Library(Files(), str(tmp_path))
    (source,), _ = library.sources(["."])
    assert source.path.isprintable()
    source.path.encode("utf-8")


def test_a_path_that_is_skipped_is_shown_in_one_line_of_text_too(tmp_path):
    library = Library(Files(), str(tmp_path))
    for path in ("no\nsuch\x1bthing", "\ud83d", "\udcff", "x" * 5000):
        ((shown, _),) = skipped(library, path)
        assert shown.isprintable()
        assert len(shown) <= 301
        shown.encode("utf-8")


@given(st.text(alphabet="ab{},*/", max_size=30))
def test_braces_always_expand_to_a_bounded_list_and_plain_patterns_to_themselves(pattern):
    patterns = braces.expanded(pattern)
    assert 1 <= len(patterns) <= 2 * braces.MAX_PATTERNS + 30
    if "{" not in pattern:
        assert patterns == [pattern]


def test_a_skip_knows_its_path_and_reason():
    assert Skipped(path="a", reason="is empty") == Skipped(path="a", reason="is empty")
