"""Where a variable is set: what a shell would surely hand on, once, and at the place where it is mended."""

from collections.abc import Callable
from pathlib import Path

import pytest
from bench import Bench

from supervisor_setup.checks import profiles, variables
from supervisor_setup.checks.variables import Assignment, Source
from supervisor_setup.checks.world import World
from supervisor_setup.layout import Layout

NAME = "CLAUDE_CODE_SUBAGENT_MODEL"


def world(bench: Bench, **environment: str) -> World:
    """The bench as the checks see it, in an environment of its own."""
    return World(Layout.from_environment(), {"HOME": str(bench.home.path), **environment})


def set_in(bench: Bench, **environment: str) -> list[Assignment]:
    return variables.assignments(world(bench, **environment), NAME)


def followed(bench: Bench, **environment: str) -> Assignment | None:
    return variables.effective(world(bench, **environment), NAME)


def values(found: list[Assignment]) -> list[tuple[str, str, int | None]]:
    return [(one.value, one.path.name if one.path else "", one.line) for one in found]


EXPORTED = {
    "plain": "export A=1",
    "two at once": "export B=2 A=1 C=3",
    "quoted": "export A='1'",
    "in double quotes": 'export A="1"',
    "of one letter in quotes": "export A=''1",
    "after a semicolon": "true; export A=1",
    "indented": "   export A=1",
    "exported later": "A=1\nexport A",
    "exported first": "export A\nA=1",
    "declared": "declare -x A=1",
    "typed": "typeset -gx A=1",
    "with all": "set -a\nA=1\nset +a",
    "with all, in words": "set -o allexport\nA=1",
    "set again": "export A=2\nexport A=1",
    "set again after it was taken back": "export A=2\nunset A\nexport A=1",
    "of csh": "setenv A 1",
    "with a comment behind": "export A=1 # the cheap one",
    "with Windows line ends": "export B=2\r\nexport A=1\r\n",
    "over two lines": "export \\\n  A=1",
    "without a line end": "export B=2\nexport A=1",
    "after a block": "if x; then\n  y\nfi\nexport A=1",
    "after a one-line function of zsh": 'mk() { mkdir "$1" && cd "$1" }\nexport A=1',
    "after a function": "function f {\n  local x=1\n}\nexport A=1",
    "after a case": "case $- in\n  *i*) ;;\n  *) return;;\nesac\nexport A=1",
    "after a loop": "for ((i=0; i<3; i++)); do echo $i; done\nexport A=1",
    "after a here-document": "cat <<-'END'\n\tit's\n\tEND\nexport A=1",
    "after a here-string": "read x <<< 'y'\nexport A=1",
    "after an array": "list=(a b\n c)\nexport A=1",
    "after a comment with a quote": "# don't\nexport A=1",
    "after a hash in a word": "echo a#b 'c'; export A=1",
    "after a string over lines": "export B='x\ny'\nexport A=1",
    "after an odd quote": "export B=$'it\\'s'\nexport A=1",
    "after a pipe": "a | b\nexport A=1",
    "after a redirection": "exec 2>/dev/null >>x <y\nexport A=1",
    "after a test": "[[ $a =~ ^(x|y)$ ]]\nexport A=1",
}
NOT_EXPORTED = {
    "commented": "# export A=1",
    "commented behind": "true # export A=1",
    "commented after a semicolon": "true;# export A=1",
    "not exported": "A=1",
    "exported without a value": "export A",
    "another name": "export AA=1 B_A=1",
    "for one command": "A=1 claude",
    "taken back": "export A=1\nunset A",
    "taken back with an option": "export A=1\nunset -v A",
    "not exported any more": "export A=1\nexport -n A",
    "taken back by csh": "setenv A 1\nunsetenv A",
    "in a condition": "if x; then\nexport A=1\nfi",
    "in a condition on one line": "if x; then export A=1; fi",
    "after a test": "[ -n x ] && export A=1",
    "after a failure": "x || export A=1",
    "in a loop": "for x in y; do\n  export A=1\ndone",
    "in a while": "while x; do export A=1; done",
    "in a case": "case x in\n  y) export A=1;;\nesac",
    "in a function": "f() {\n  export A=1\n}",
    "in a function of ksh": "function f {\n  export A=1\n}",
    "in a subshell": "(export A=1)",
    "in a pipe": "export A=1 | x",
    "behind a pipe": "x | export A=1",
    "in the background": "export A=1 &",
    "in a here-document": "cat <<END\nexport A=1\nEND",
    "in two here-documents": "cat <<X <<Y\nexport A=1\nX\nexport A=1\nY",
    "in a string": "echo '\nexport A=1\n'",
    "in a string in double quotes": 'echo "\nexport A=1\n"',
    "in a substitution": "x=$(\nexport A=1\n)",
    "in an argument": "echo export A=1",
    "in an alias": "alias claude='A=1 claude'",
    "after an open quote": "echo 'it\nexport A=1",
    "as a printed declaration": "declare -p A=1",
}


@pytest.mark.parametrize("text", EXPORTED.values(), ids=EXPORTED)
def test_what_a_profile_surely_exports_is_found(text: str):
    assert profiles.shell(text)["A"].value == "1"
    assert profiles.shell(text)["A"].known


@pytest.mark.parametrize("text", NOT_EXPORTED.values(), ids=NOT_EXPORTED)
def test_what_a_profile_may_not_export_is_passed_over(text: str):
    assert "A" not in profiles.shell(text)


@pytest.mark.parametrize(
    "value",
    ["$(cat x)", '"$(cat x)"', "`cat x`", "$B", '"${B}"', "${B:-1}", "pre-$B", "$((1 + 1))"],
)
def test_a_value_that_the_shell_works_out_is_not_known(value: str):
    found = profiles.shell(f"export A={value}\n")["A"]
    assert not found.known
    assert profiles.fish(f"set -gx A {value.replace('`', '(')}\n").get("A", found).known is False


def test_single_quotes_keep_a_dollar_sign():
    assert profiles.shell("export A='$B'")["A"] == profiles.Setting("$B", 1)


def test_the_line_is_where_the_assignment_starts():
    text = "# one\n\nexport B='x\ny' \\\n  C=3\nexport A=1\n"
    assert {name: one.line for name, one in profiles.shell(text).items()} == {"B": 3, "C": 3, "A": 6}


FISH_EXPORTED = {
    "plain": "set -gx A 1",
    "with flags apart": "set -g -x A 1",
    "universal": "set -Ux A 1",
    "in words": "set --global --export A 1",
    "quoted": "set -gx A '1'",
    "after a block": "if x\n  set -gx B 2\nend\nset -gx A 1",
    "after a function": "function f; echo 'it'; end\nset -gx A 1",
    "as in sh": "export A=1",
    "with Windows line ends": "set -gx A 1\r\n",
    "erased and set again": "set -e A\nset -gx A 1",
    "after a test": "set -q B; or echo x\nset -gx A 1",
}
FISH_NOT_EXPORTED = {
    "commented": "# set -gx A 1",
    "not exported": "set -g A 1",
    "erased": "set -gx A 1\nset -e A",
    "erased in words": "set -gx A 1\nset --erase A",
    "asked for": "set -q -x A",
    "unexported": "set -gx A 1\nset -u A 1",
    "in a block": "if x\n  set -gx A 1\nend",
    "in a function": "function f; set -gx A 1; end",
    "after a test": "x; and set -gx A 1",
    "after a failure": "set -q A; or set -gx A 1",
    "behind signs": "x && set -gx A 1",
    "in a string": "echo '\nset -gx A 1\n'",
    "without a name": "set -gx",
}


@pytest.mark.parametrize("text", FISH_EXPORTED.values(), ids=FISH_EXPORTED)
def test_what_fish_surely_exports_is_found(text: str):
    assert profiles.fish(text)["A"].value == "1"


@pytest.mark.parametrize("text", FISH_NOT_EXPORTED.values(), ids=FISH_NOT_EXPORTED)
def test_what_fish_may_not_export_is_passed_over(text: str):
    assert "A" not in profiles.fish(text)


def test_a_list_of_fish_is_one_value():
    assert profiles.fish("set -gx A x 'y z'")["A"].value == "x y z"


def test_fishs_universal_variables_are_read_from_its_own_file():
    text = "# VERSION: 3.0\nSETUVAR B:1\nSETUVAR --export A:claude\\x2dopus\n"
    assert profiles.fish_variables(text) == {"A": profiles.Setting("claude-opus", 3)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", "1"),
        ("export A=1", "1"),
        ("A='1 2'", "1 2"),
        ('B=x\r\nA="1"\r\n', "1"),
        ("A=1 # why", "1"),
        ("A=x#y", "x#y"),
        ("A=2\nA=1", "1"),
    ],
)
def test_a_dotenv_file_is_read_line_by_line(text: str, value: str):
    assert profiles.dotenv(text)["A"].value == value


@pytest.mark.parametrize("text", ["#A=1", "# A=1", "A", "A:1", "BA=1"])
def test_other_lines_of_a_dotenv_file_set_nothing(text: str):
    assert "A" not in profiles.dotenv(text)


def test_a_long_profile_is_read_in_no_time():
    import time

    text = "# a comment\nexport A=1\nif x; then\n  y 'z' \"$(w)\"\nfi\n" * 1000 + "(" * 3000 + "'" * 3001
    started = time.process_time()
    profiles.shell(text)
    profiles.fish(text)
    assert time.process_time() - started < 2


PLACES: dict[str, tuple[str, str]] = {
    "bash": (".bashrc", f"export {NAME}=opus\n"),
    "a login shell": (".bash_profile", f"export {NAME}=opus\n"),
    "zsh": (".zshrc", f"export {NAME}=opus\n"),
    "csh": (".cshrc", f"setenv {NAME} opus\n"),
    "fish": (".config/fish/config.fish", f"set -gx {NAME} opus\n"),
    "a part of fish's": (".config/fish/conf.d/claude.fish", f"set -gx {NAME} opus\n"),
    "fish's universal": (".config/fish/fish_variables", f"SETUVAR --export {NAME}:opus\n"),
    "systemd": (".config/environment.d/10-claude.conf", f"{NAME}=opus\n"),
    "PAM": (".pam_environment", f"{NAME}=opus\n"),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_kind_of_profile_is_looked_at(bench: Bench, place: str):
    name, text = PLACES[place]
    path = bench.write(bench.home.path / name, text)
    assert set_in(bench) == [Assignment(NAME, "opus", Source.PROFILE, path, 1)]
    assert followed(bench) is None


@pytest.mark.parametrize("name", [".env", ".env.local", ".envrc"])
def test_the_projects_env_files_are_looked_at(bench: Bench, name: str):
    path = bench.write(bench.project / name, f"export {NAME}=opus\n")
    assert set_in(bench) == [Assignment(NAME, "opus", Source.DOTENV, path, 1)]
    assert followed(bench) is None


def test_profiles_are_looked_for_where_zsh_and_the_desktop_have_them(bench: Bench):
    elsewhere = bench.home.path / "elsewhere"
    bench.write(elsewhere / ".zshrc", f"export {NAME}=opus\n")
    bench.write(elsewhere / "fish" / "config.fish", f"set -gx {NAME} haiku\n")
    found = set_in(bench, ZDOTDIR=str(elsewhere), XDG_CONFIG_HOME=str(elsewhere))
    assert values(found) == [("opus", ".zshrc", 1), ("haiku", "config.fish", 1)]
    assert set_in(bench, ZDOTDIR="elsewhere") == []


def test_the_environment_is_a_place_without_a_file(bench: Bench):
    (found,) = set_in(bench, **{NAME: "opus"})
    assert found == Assignment(NAME, "opus", Source.ENVIRONMENT, live=True)
    assert found == followed(bench, **{NAME: "opus"})
    assert found.removal == f"unset {NAME}"


def test_an_empty_variable_is_none(bench: Bench):
    bench.write(bench.home.path / ".bashrc", f"export {NAME}=\n")
    bench.edit(bench.home.settings, env={NAME: ""})
    assert set_in(bench, **{NAME: ""}) == []
    assert followed(bench, **{NAME: ""}) is None


@pytest.mark.parametrize("name", [".bashrc", ".envrc"])
def test_a_value_that_comes_from_a_profile_is_told_once_and_there(bench: Bench, name: str):
    folder = bench.project if name == ".envrc" else bench.home.path
    path = bench.write(folder / name, f"\nexport {NAME}=opus\n")
    (found,) = set_in(bench, **{NAME: "opus"})
    assert (found.path, found.line, found.live) == (path, 2, True)
    assert followed(bench, **{NAME: "opus"}) == found


def test_a_value_that_a_profile_works_out_is_known_by_the_environment(bench: Bench):
    path = bench.write(bench.home.path / ".bashrc", f"export {NAME}=$(cat model)\n")
    (found,) = set_in(bench)
    assert (found.known, found.live) == (False, False)
    assert found.shown == f"{NAME} (worked out there)"
    (found,) = set_in(bench, **{NAME: "opus"})
    assert (found.path, found.value, found.known, found.live) == (path, "opus", True, True)


def test_another_value_in_a_profile_is_a_place_of_its_own(bench: Bench):
    bench.write(bench.home.path / ".bashrc", f"export {NAME}=haiku\n")
    found = set_in(bench, **{NAME: "opus"})
    assert values(found) == [("haiku", ".bashrc", 1), ("opus", "", None)]
    assert [one.live for one in found] == [False, True]


def test_a_dotenv_file_does_not_explain_the_environment(bench: Bench):
    bench.write(bench.project / ".env", f"{NAME}=opus\n")
    assert [one.source for one in set_in(bench, **{NAME: "opus"})] == [Source.DOTENV, Source.ENVIRONMENT]


def test_what_the_client_hands_on_from_its_settings_is_told_once(bench: Bench):
    bench.edit(bench.home.settings, env={NAME: "opus"})
    (found,) = set_in(bench, **{NAME: "opus"})
    assert found.source is Source.SETTINGS
    assert found.path == bench.home.settings
    assert found.line == 3


def test_settings_overrule_the_environment_and_the_stronger_file_the_weaker(bench: Bench):
    project = bench.project / ".claude"
    bench.edit(bench.home.settings, env={NAME: "haiku"})
    bench.edit(project / "settings.json", env={NAME: "sonnet"})
    bench.edit(project / "settings.local.json", env={NAME: "fable"})
    assert [one.value for one in set_in(bench, **{NAME: "opus"})] == ["opus", "haiku", "sonnet", "fable"]
    found = followed(bench, **{NAME: "opus"})
    assert found is not None
    assert found.value == "fable"
    assert found.removal == f"remove {NAME} from `env` there"


def test_an_empty_value_in_settings_takes_the_variable_away(bench: Bench):
    bench.edit(bench.home.settings, env={NAME: ""})
    assert followed(bench, **{NAME: "opus"}) is None
    assert [one.value for one in set_in(bench, **{NAME: "opus"})] == ["opus"]


def test_local_settings_beside_the_users_own_are_not_read_from_a_project(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    bench.edit(bench.home.path / ".claude" / "settings.local.json", env={NAME: "opus"})
    assert set_in(bench) == []
    monkeypatch.chdir(bench.home.path)
    assert [one.value for one in set_in(bench)] == ["opus"]


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5"), (True, "true"), (None, "null"), (1.5, "1.5"), ("x", "x")]
)
def test_a_value_in_settings_that_is_no_text_becomes_one(bench: Bench, value: object, text: str):
    bench.edit(bench.home.settings, env={NAME: value})
    assert [one.value for one in set_in(bench)] == [text]


@pytest.mark.parametrize("env", [[], "x", 5, {NAME: ["opus"]}, {NAME: {"a": "b"}}, None])
def test_strange_settings_set_nothing(bench: Bench, env: object):
    bench.edit(bench.home.settings, env=env)
    assert set_in(bench) == []


def test_settings_that_do_not_parse_set_nothing(bench: Bench):
    bench.write(bench.home.settings, f'{{"env": {{"{NAME}": "opus"}},}}')
    assert set_in(bench) == []


def unreadable(path: Path) -> None:
    path.mkdir()


def huge(path: Path) -> None:
    path.write_text(f"export {NAME}=opus\n" + "# x\n" * 100_000, encoding="utf-8")


def binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00'" + f"\nexport {NAME}=opus\n".encode("utf-16"))


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [unreadable, huge, binary, a_link_to_nothing])
def test_a_profile_that_is_no_readable_text_sets_nothing(bench: Bench, make: Callable[[Path], None]):
    make(bench.home.path / ".bashrc")
    assert set_in(bench) == []


def test_how_to_take_a_variable_back_depends_on_the_place(bench: Bench):
    bench.write(bench.home.path / ".bashrc", f"export {NAME}=opus\n")
    bench.write(bench.home.path / ".config/fish/fish_variables", f"SETUVAR --export {NAME}:opus\n")
    assert [one.removal for one in set_in(bench)] == [
        f"remove {NAME} there, and start a new shell",
        f"set -Ue {NAME}, in fish, and start a new shell",
    ]
