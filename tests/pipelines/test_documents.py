"""Which files a run means, always in the same order, and why some of them are not read."""

import os
import socket
import tracemalloc
from io import FileIO
from pathlib import Path

import pytest

from supervisor_pipelines import documents
from supervisor_pipelines.documents import Found, Limits, Skip, Skipped

LIMITS = Limits()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The working directory."""
    return tmp_path / "work"


def write(path: Path, content: str | bytes = "text\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def found(*paths: str | Path, limits: Limits = LIMITS, without: tuple[str | Path, ...] = ()) -> list[str]:
    """The files that were found, relative to the working directory; and what was skipped, with its reason."""
    here = f"{Path.cwd()}/"
    return [
        one.path.removeprefix(here) + (f": {one.reason}" if isinstance(one, Skipped) else "")
        for one in documents.discover(list(map(str, paths)), limits, without=list(map(str, without)))
    ]


def test_a_folder_means_all_files_below_it_in_one_order(work: Path) -> None:
    for name in ("b/2.md", "b/10.md", "a/c/x.txt", "a/y.txt", "z.md", ".hidden.md"):
        write(work / name)
    expected = [".hidden.md", "z.md", "a/y.txt", "a/c/x.txt", "b/10.md", "b/2.md"]
    assert found(".") == expected == found(work)


def test_files_folders_and_globs_come_in_the_order_in_which_they_were_named(work: Path) -> None:
    for name in ("notes/a.md", "notes/b.txt", "notes/deep/c.md", "one.md"):
        write(work / name)
    assert found("one.md", "notes/**/*.md", "notes/*.{txt,rst}") == [
        "one.md",
        "notes/a.md",
        "notes/deep/c.md",
        "notes/b.txt",
    ]


def test_a_name_with_a_wildcard_in_it_is_meant_as_it_stands_where_it_exists(work: Path) -> None:
    write(work / "what [draft]?.md")
    write(work / "what d.md")
    assert found("what [draft]?.md") == ["what [draft]?.md"]


def test_what_is_not_there_is_said_to_be_so(work: Path) -> None:
    (work / "empty").mkdir()
    write(work / "file.md")
    assert found("gone.md", "empty", "*.rst", "none/*.md", "file.md/*.md", "nul\0.md") == [
        "gone.md: cannot be read (No such file or directory)",
        "empty: holds no file",
        "*.rst: matches no file",
        "none/*.md: matches no file",
        "file.md/*.md: matches no file",
        "nul\ufffd.md: is not a path",
    ]


def test_a_folders_own_gitignore_holds_below_it_but_not_for_what_is_named(work: Path) -> None:
    write(work / ".gitignore", "data/\n")
    write(work / "data" / ".gitignore", "*.log\nbuild/\n")
    for name in ("a.md", "a.log", "build/b.md", ".git/config"):
        write(work / "data" / name)
    assert found("data") == ["data/a.md"]
    assert found("data/a.log", "data/build") == ["data/a.log", "data/build/b.md"]
    assert found(".") == [f"{work}: holds no file"]


def test_the_results_of_a_run_are_none_of_its_documents_whatever_links_lead_to_them(work: Path) -> None:
    write(work / "a.md")
    write(work / "out" / "results.jsonl")
    (work.parent / "link").symlink_to(work / "out")
    assert found(".", without=("out",)) == ["a.md"]
    assert found(".", without=(work.parent / "link",)) == ["a.md"]
    assert found(".", without=("not yet",)) == ["a.md", "out/results.jsonl"]


def test_links_are_followed_where_they_are_named_and_nowhere_else(work: Path) -> None:
    write(work.parent / "elsewhere" / "far.md")
    (work / "folder").symlink_to(work.parent / "elsewhere")
    (work / "file.md").symlink_to(work.parent / "elsewhere" / "far.md")
    (work / "loop").symlink_to(work)
    assert found(".") == [
        f"{name}: is a link; name what it leads to" for name in ("file.md", "folder", "loop")
    ]
    assert found("folder", "file.md") == ["folder/far.md", "file.md"]


def test_what_is_too_large_empty_or_named_like_a_secret_is_not_even_opened(work: Path) -> None:
    write(work / "large.md", "x" * 11)
    write(work / "empty.md", "")
    write(work / ".env", "KEY=1")
    write(work / "id_rsa", "x")
    assert found(".", limits=Limits(max_bytes=10)) == [
        ".env: is named like a file of secrets",
        "empty.md: is empty",
        "id_rsa: is named like a file of secrets",
        "large.md: has 11 bytes, more than the limit of 10",
    ]


def test_what_is_neither_file_nor_folder_is_skipped_without_waiting(work: Path) -> None:
    os.mkfifo(work / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(work / "socket"))
        assert found(".", "pipe", "/dev/null") == [
            "pipe: is not a file",
            "socket: is not a file",
            "pipe: is neither a file nor a folder",
            "/dev/null: is neither a file nor a folder",
        ]
    with pytest.raises(Skip, match="is not a file"):
        documents.read(str(work / "pipe"))


def test_a_name_that_is_not_utf_8_is_told_in_a_form_that_can_be_shown(work: Path) -> None:
    write(Path(os.fsdecode(os.fsencode(work) + b"/caf\xe9\n.md")))
    assert found(".") == ["caf\ufffd\ufffd.md: has a name that is not UTF-8"]


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_goes_on(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(work / "closed" / "a.md")
    write(work / "later" / "b.md")
    scandir = os.scandir

    def refused(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(documents.os, "scandir", refused)
    assert found(".") == ["closed/: cannot be read (Permission denied)", "later/b.md"]


def test_a_file_that_goes_while_its_folder_is_read_is_told(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(work / "a.md")
    write(work / "b.md")
    lstat = os.lstat

    def removed(name: str) -> os.stat_result:
        if name == str(path):
            path.unlink()
        return lstat(name)

    monkeypatch.setattr(documents.os, "lstat", removed)
    assert found(".") == ["a.md: cannot be read (No such file or directory)", "b.md"]


def test_a_disk_that_fails_while_a_document_is_read_is_told(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(FileIO):
        def read(self, _size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    path = write(work / "a.md")
    monkeypatch.setattr(documents.os, "fdopen", lambda descriptor, _mode: Failing(descriptor))
    with pytest.raises(Skip, match="Input/output error"):
        documents.read(str(path))


def test_a_pattern_that_could_take_for_ever_is_refused(work: Path) -> None:
    write(work / "a.md")
    assert found("*a*a*a*a*a.md") == ["*a*a*a*a*a.md: is too intricate a pattern"]


def test_documents_are_found_lazily_a_folder_at_a_time(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        write(work / f"{number:02}" / "a.md")
    looked: list[object] = []
    scandir = os.scandir
    monkeypatch.setattr(documents.os, "scandir", lambda path: looked.append(path) or scandir(path))
    finding = documents.discover(["."])
    assert next(finding) == Found(f"{work}/00/a.md", 5)
    assert looked == [str(work), f"{work}/00"]
    assert len(list(finding)) == 29


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"one\r\ntwo\n", "one\ntwo\n"),
        ("\ufeffmarked\n".encode(), "marked\n"),
        ("sechzehn ä\n".encode("utf-16"), "sechzehn ä\n"),
        ("Grüße, déjà vu, naïve\n".encode("cp1252"), "Grüße, déjà vu, naïve\n"),
        (f"{'Jürg ' * 50}\0!\n".encode("utf-16"), f"{'Jürg ' * 50}!\n"),  # not every database holds a NUL
        (b"\xef\xbb\xbf" + b"Jack " * 50 + b"\0!\n", f"{'Jack ' * 50}!\n"),
    ],
)
def test_texts_are_read_in_the_encodings_that_people_have(work: Path, content: bytes, text: str) -> None:
    path = write(work / "text.md", content)
    assert documents.read(str(path)).text == text


def test_a_document_is_named_by_its_bytes(work: Path) -> None:
    one, other = write(work / "a.md", "same"), write(work / "b.md", "same")
    assert documents.read(str(one)).sha256 == documents.read(str(other)).sha256
    assert documents.read(str(write(work / "c.md", "same\r\n"))).sha256 != documents.read(str(one)).sha256


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\t\n", "is empty"),
        (b"\xff\xfe", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\2\3", "is binary"),
        (bytes(range(1, 32)) * 3, "is binary"),
        (b"x" * 101, "has 101 bytes, more than the limit of 100"),
    ],
)
def test_what_cannot_be_read_says_why(work: Path, content: bytes, reason: str) -> None:
    path = write(work / "odd.md", content)
    with pytest.raises(Skip) as told:
        documents.read(str(path), Limits(max_bytes=100))
    assert told.value.reason == reason


def test_a_file_that_is_gone_or_a_secret_says_so(work: Path) -> None:
    with pytest.raises(Skip, match="No such file"):
        documents.read(str(work / "gone.md"))
    with pytest.raises(Skip, match="named like a file of secrets"):
        documents.read(str(write(work / "secrets.json", "{}")))


def test_a_document_of_a_gigabyte_costs_nothing(work: Path) -> None:
    with (work / "huge.md").open("wb") as file:
        file.truncate(1_000_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(Skip, match="1,000,000,000 bytes"):
            documents.read(str(work / "huge.md"))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_file_that_grows_while_it_is_read_is_bounded(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(work / "grows.md", "x" * 500)
    true = os.fstat

    def before_it_grew(descriptor: int) -> os.stat_result:
        found = true(descriptor)
        return os.stat_result((*found[:6], 50, *found[7:10]))

    with monkeypatch.context() as patched:
        patched.setattr(documents.os, "fstat", before_it_grew)
        with pytest.raises(Skip, match="more than the limit of 100"):
            documents.read(str(path), Limits(max_bytes=100))
