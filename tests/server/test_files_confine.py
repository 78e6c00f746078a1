"""Nothing outside the project is ever read, whatever a path, a link or a race says."""

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor_mcp import folders
from supervisor_mcp.files import confine
from supervisor_mcp.files.confine import Outside, Root, opened
from supervisor_mcp.files.library import Library
from supervisor_mcp.settings_types import Files

PRIZE = "the-prize-outside"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project beside things that it must not reach, with every kind of trap in it."""
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    for path in (outside / "prize.txt", outside / "deep" / "prize.txt", tmp_path / "prize.txt"):
        path.write_text(f"{PRIZE}\n")
    (tmp_path / "project-sibling").mkdir()
    (tmp_path / "project-sibling" / "prize.txt").write_text(PRIZE)
    project = tmp_path / "project"
    (project / "sub" / "deep").mkdir(parents=True)
    (project / "ok.txt").write_text("fine\n")
    (project / "sub" / "ok.txt").write_text("fine\n")
    links = {
        "abs-file": outside / "prize.txt",
        "abs-folder": outside,
        "rel-file": "../outside/prize.txt",
        "rel-folder": "../outside",
        "parent": "..",
        "dot-parent": "./../outside",
        "root-link": "/",
        "deep-up": "sub/deep/../../../outside/prize.txt",
        "chain-1": "chain-2",
        "chain-2": "sub/../chain-3",
        "chain-3": "../outside/prize.txt",
        "through-parent": "parent/outside/prize.txt",
        "inside-out-inside": "../project/../outside/prize.txt",
        "loop-1": "loop-2",
        "loop-2": "loop-1",
        "self": "self",
        "self-folder": ".",
        "dangling": "nowhere",
        "proc-root": "/proc/self/root",
        "proc-cwd": "/proc/self/cwd",
        "proc-fd": "/proc/self/fd/0",
        "dev-fd": "/dev/fd/0",
        "abs-then-up": f"{project}/../outside/prize.txt",
        "sibling": f"{project}-sibling/prize.txt",
        "slashes": f"//{outside}/prize.txt",
    }
    for name, target in links.items():
        (project / name).symlink_to(target)
    for number in range(45):
        (project / f"long-{number}").symlink_to(f"long-{number + 1}" if number < 44 else "ok.txt")
    (project / "sub" / "up").symlink_to("../..")
    (project / "sub" / "abs-inside").symlink_to(project / "ok.txt")
    (project / "..x").mkdir()
    os.mkfifo(project / "pipe")
    return project


ESCAPES = [
    "../prize.txt",
    "../outside/prize.txt",
    "../../../../../../../../etc/passwd",
    "./../outside/prize.txt",
    "sub/../../outside/prize.txt",
    "sub/deep/../../../outside/prize.txt",
    "sub//..//..//outside//prize.txt",
    "sub/./.././../outside/prize.txt",
    "ok.txt/../../outside/prize.txt",
    "ok.txt/../ok.txt",
    "nowhere/../../outside/prize.txt",
    "..",
    "../",
    "../*",
    "../**/*.txt",
    "sub/../../*/prize.txt",
    "**/../../outside/*.txt",
    "{..,sub}/prize.txt",
    "{TMP}/outside/prize.txt",
    "{TMP}/outside",
    "{TMP}/outside/*.txt",
    "{TMP}/project/../outside/prize.txt",
    "{TMP}/project-sibling/prize.txt",
    "//{TMP}/outside/prize.txt",
    "{TMP}/./outside/prize.txt",
    "/",
    "/etc/passwd",
    "/etc/*",
    "file://{TMP}/outside/prize.txt",
    "~",
    "~/prize.txt",
    "~root/.bashrc",
    "~nobody-of-that-name/prize.txt",
    "abs-file",
    "abs-folder/prize.txt",
    "abs-folder",
    "abs-folder/",
    "abs-folder/*.txt",
    "abs-folder/deep/../prize.txt",
    "rel-file",
    "rel-folder/prize.txt",
    "rel-folder/**/*.txt",
    "parent/outside/prize.txt",
    "parent/prize.txt",
    "parent/*",
    "dot-parent/prize.txt",
    "root-link/etc/passwd",
    "root-link{TMP}/outside/prize.txt",
    "deep-up",
    "chain-1",
    "through-parent",
    "inside-out-inside",
    "abs-then-up",
    "sibling",
    "slashes",
    "sub/up/outside/prize.txt",
    "self-folder/self-folder/parent/prize.txt",
    "loop-1",
    "self",
    "dangling",
    "long-0",
    "/proc/self/root{TMP}/outside/prize.txt",
    "/proc/self/cwd/../outside/prize.txt",
    "/proc/self/environ",
    "proc-root{TMP}/outside/prize.txt",
    "proc-root/etc/passwd",
    "proc-cwd/../prize.txt",
    "proc-fd",
    "dev-fd",
    "/dev/fd/0",
    "/dev/stdin",
    "/dev/zero",
    "pipe",
    "pipe/../ok.txt/x",
    "ok.txt\0/../../outside/prize.txt",
    "\0",
    "ok.txt\0.png",
    "\ud83d\ude00/../../outside/prize.txt",
    "\ud800",
    "\u2024\u2024/outside/prize.txt",
    "\uff0e\uff0e/outside/prize.txt",
    "..\u200b/outside/prize.txt",
    "..\u2215outside\u2215prize.txt",
    "..%2foutside%2fprize.txt",
    "..\\outside\\prize.txt",
    ".. /outside/prize.txt",
    "..x/../../outside/prize.txt",
    "SUB/../../outside/prize.txt",
    "sub/" + "deep/../" * 130 + "../../outside/prize.txt",
    "a" * 5000 + "/../../outside/prize.txt",
    "",
    "   ",
]


def read_all(library: Library, *paths: str) -> tuple[list[str], list[str]]:
    sources, skipped = library.sources(paths)
    return [source.text for source in sources], [one.reason for one in skipped]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out_of_the_project(project, tmp_path, monkeypatch, path):
    monkeypatch.setenv("HOME", str(tmp_path))
    texts, reasons = read_all(Library(Files(), str(project)), path.replace("{TMP}", str(tmp_path)))
    assert [text for text in texts if text != "fine\n"] == []
    assert texts or reasons


def test_there_are_at_least_forty_ways_out_in_the_table():
    assert len(set(ESCAPES)) >= 80


@pytest.mark.parametrize(
    "path",
    [
        "ok.txt",
        "./ok.txt",
        "sub/../ok.txt",
        "sub//deep/../../ok.txt",
        "..x/../ok.txt",
        "self-folder/self-folder/ok.txt",
        "long-5",
        "{TMP}/project/ok.txt",
        "{TMP}/project//sub/../ok.txt",
        "ok.txt/",
        "self-folder/",
        "sub/abs-inside",
        "{TMP}/project",
    ],
)
def test_what_is_inside_is_read_links_that_stay_inside_too(project, tmp_path, path):
    texts, reasons = read_all(Library(Files(), str(project)), path.replace("{TMP}", str(tmp_path)))
    assert set(texts) == {"fine\n"}
    assert reasons == []


def test_a_root_that_is_itself_a_link_is_read_by_both_of_its_names(project, tmp_path):
    (tmp_path / "alias").symlink_to("project")
    library = Library(Files(), str(tmp_path / "alias"))
    (project / "back").symlink_to(tmp_path / "alias" / "ok.txt")
    for path in ("ok.txt", f"{tmp_path}/alias/ok.txt", f"{tmp_path}/project/ok.txt", "back"):
        assert read_all(library, path) == (["fine\n"], [])
    sources, _ = library.sources(["ok.txt", f"{tmp_path}/alias/ok.txt", "back"])
    assert [source.path for source in sources] == ["ok.txt"]
    assert read_all(library, f"{tmp_path}/alias/../outside/prize.txt")[0] == []


def test_a_root_named_with_dots_behind_a_link_is_the_folder_that_the_system_means(project, tmp_path):
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "jump").symlink_to("x/y")
    root = Root.at(f"{tmp_path}/jump/..")
    assert root is not None
    assert (root.named, root.real) == (f"{tmp_path}/x", f"{tmp_path}/x")


def test_the_outer_one_of_nested_roots_counts(project, tmp_path):
    files = Files(roots=(str(project / "sub"), str(tmp_path)))
    sources, skipped = Library(files, str(project)).sources(
        ["../outside/prize.txt", "ok.txt", f"{tmp_path}/project/sub/../ok.txt", f"{tmp_path}/prize.txt"]
    )
    assert [source.path for source in sources] == [
        f"{tmp_path}/outside/prize.txt",
        "ok.txt",
        f"{tmp_path}/prize.txt",
    ]
    assert skipped == []


def test_further_roots_are_read_by_absolute_paths_and_shown_by_them(project, tmp_path):
    library = Library(Files(roots=(str(tmp_path / "outside" / "deep"), "/nonexistent")), str(project))
    path = f"{tmp_path}/outside/deep/prize.txt"
    assert [source.path for source in library.sources([path])[0]] == [path]
    assert read_all(library, f"{tmp_path}/outside/prize.txt")[0] == []


def test_a_library_without_any_folder_says_so():
    assert read_all(Library(Files(), "/nonexistent"), "x") == (
        [],
        ["cannot be read, because no folder may be read"],
    )
    assert Root.at("/dev/null") is None
    assert Root.at("a\0b") is None


def test_a_folder_that_was_put_into_the_roots_place_is_not_read(project, tmp_path):
    library = Library(Files(), str(project))
    project.rename(tmp_path / "elsewhere")
    (tmp_path / "outside").rename(project)
    texts, (reason,) = read_all(library, "prize.txt")
    assert texts == []
    assert "was replaced: restart" in reason
    project.rename(tmp_path / "again")
    project.symlink_to("again")
    assert read_all(library, "prize.txt")[0] == []


def test_the_clients_folder_is_what_it_says_or_where_the_server_was_started(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert folders.of_client() == str(gone)
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", "relative")
    assert folders.of_client() == str(gone)
    monkeypatch.setenv("CLAUDE_PROJECT_DIR", "/work")
    assert folders.of_client() == "/work"
    monkeypatch.delenv("CLAUDE_PROJECT_DIR")
    gone.rmdir()
    assert folders.of_client() is None


def test_pipes_sockets_and_devices_do_not_hold_anything_up(project):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(project / "socket"))
        began = time.monotonic()
        library = Library(Files(roots=("/dev",)), str(project))
        texts, reasons = read_all(library, "pipe", "socket", "/dev/zero", "/dev/null", "*p*e", "sock*")
        assert time.monotonic() - began < 5
    assert texts == []
    assert reasons[:2] == ["is neither a file nor a folder"] * 2


def test_a_pipe_that_takes_the_place_of_a_file_at_the_last_moment_is_not_waited_for(project, monkeypatch):
    real_stat = os.stat
    regular = real_stat(project / "ok.txt")

    def stat_of_a_file(path, **options):
        return regular if path == "pipe" else real_stat(path, **options)

    root = Root.at(str(project))
    assert root is not None
    monkeypatch.setattr(confine.os, "stat", stat_of_a_file)
    with opened(root, ("pipe",)) as (descriptor, _):
        assert stat.S_ISFIFO(os.fstat(descriptor).st_mode)


def test_a_link_that_takes_the_place_of_a_file_at_the_last_moment_is_not_followed(project, monkeypatch):
    real_stat = os.stat
    regular, folder = real_stat(project / "ok.txt"), real_stat(project)
    root = Root.at(str(project))
    assert root is not None
    for name, found in (("abs-file", regular), ("abs-folder", folder)):
        with monkeypatch.context() as patch:
            patch.setattr(confine.os, "stat", lambda *_, found=found, **__: found)
            with pytest.raises(OSError, match=r"symbolic links|Not a directory"), opened(root, (name,)):
                pass


def test_a_hard_link_is_a_file_of_the_project(project, tmp_path):
    """It cannot be told from one; who may make it could as well have copied what it leads to."""
    os.link(tmp_path / "outside" / "prize.txt", project / "hard")
    assert read_all(Library(Files(), str(project)), "hard")[0] == [f"{PRIZE}\n"]


def test_no_descriptor_is_left_open(project, tmp_path):
    library = Library(Files(), str(project))
    before = len(list(Path("/dev/fd").iterdir()))
    for path in ESCAPES:
        library.sources([path.replace("{TMP}", str(tmp_path))])
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_link_without_follow_is_an_error_even_inside(project):
    root = Root.at(str(project))
    assert root is not None
    with pytest.raises(OSError, match="symbolic links"), opened(root, ("long-44",), follow=False):
        pass
    with pytest.raises(Outside, match="leads outside"), opened(root, ("sub", "..", "..")):
        pass


@pytest.fixture
def swapping(project: Path, tmp_path: Path) -> Iterator[list[int]]:
    """A thread that swaps `sub` for a link to the outside and back, and a file likewise, all the time."""
    (tmp_path / "outside" / "ok.txt").write_text(f"{PRIZE}\n")
    (tmp_path / "outside" / "deep" / "ok.txt").write_text(f"{PRIZE}\n")
    (project / "file.txt").write_text("fine\n")
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "file-link").symlink_to(tmp_path / "outside" / "prize.txt")
    swaps = [0]
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for name, link in (("sub", "link"), ("file.txt", "file-link")):
                (project / name).rename(tmp_path / "aside")
                (tmp_path / link).rename(project / name)
                (project / name).rename(tmp_path / link)
                (tmp_path / "aside").rename(project / name)
            swaps[0] += 2

    thread = threading.Thread(target=swap)
    thread.start()
    yield swaps
    done.set()
    thread.join()


def test_a_folder_that_is_swapped_for_a_link_thousands_of_times_lets_nothing_out(project, swapping):
    library = Library(Files(), str(project))
    read = 0
    deadline = time.monotonic() + 60
    while (swapping[0] < 4000 or read < 200) and time.monotonic() < deadline:
        for paths in (["sub/ok.txt", "file.txt"], ["sub"], ["**/*.txt"]):
            texts, _ = read_all(library, *paths)
            assert set(texts) <= {"fine\n"}
            read += len(texts)
    assert swapping[0] >= 4000
    assert read >= 200
