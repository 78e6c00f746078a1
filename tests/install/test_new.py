"""`new`: scripts that are valid and typed, and what starts them by itself."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from supervisor_setup import requirement as requirements
from supervisor_setup import schedules
from supervisor_setup.pipeline_scripts import Kind

KINDS = [kind.value for kind in Kind]
GOLDEN = Path(__file__).parents[1] / "golden" / "pipelines"
UPDATE = os.environ.get("SUPERVISOR_UPDATE_GOLDEN") == "1"
# The expression that the specification of inline metadata (PEP 723) gives.
METADATA = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
# What systemd knows, of what the units say; a name that is mistyped would be ignored with a warning.
KNOWN = {
    "Unit": {"Description"},
    "Service": {
        *("Type", "ExecStart", "EnvironmentFile", "UMask", "Nice", "KillMode", "TimeoutStopSec"),
        *("NoNewPrivileges", "LockPersonality", "RestrictRealtime", "RestrictSUIDSGID"),
        "SystemCallArchitectures",
    },
    "Timer": {"OnCalendar", "Persistent"},
    "Install": {"WantedBy"},
}
ODD = "two words, 100% $HOME 'quoted' \"twice\" \\ ü"
SHOW = """\
import json, os, sys
called = {"argv": sys.argv[1:], "key": os.environ.get("A_KEY"), "umask": os.umask(0)}
json.dump(called, open(os.environ["SHOWN"], "w"))
print("said")
"""


@pytest.fixture
def script(tmp_path):
    """A script that writes down how it was called."""
    path = tmp_path / "work" / "nightly run.py"
    path.write_text(SHOW, encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_script_is_what_was_reviewed(cli, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(
        "supervisor_setup.commands.new.requirement", lambda: "supervisor-setup[orchestrate]~=1.0"
    )
    cli("new", "pipeline", "reports.py", "--kind", kind)
    made = Path("reports.py").read_text(encoding="utf-8")
    golden = GOLDEN / f"{kind}.py.txt"  # no source of this project
    if UPDATE:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(made, encoding="utf-8")
    assert made == golden.read_text(encoding="utf-8")


def test_every_script_is_of_one_style_and_typed_throughout(cli):
    for kind in KINDS:
        cli("new", "pipeline", f"{kind}.py", "--kind", kind)
    style = ("--isolated", "--no-cache", "--line-length", "100")
    checks = (
        ("ruff", "check", *style, "--target-version", "py311", "--select", "E,F,W,I,B,UP,SIM,RUF,PL,D1", "."),
        ("ruff", "format", "--check", *style, "."),
        ("mypy", "--strict", "--cache-dir", os.devnull, *(f"{kind}.py" for kind in KINDS)),
    )
    for check in checks:
        ran = subprocess.run([sys.executable, "-m", *check], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_its_inline_metadata_is_what_the_specification_says(cli, kind):
    cli("new", "pipeline", "x.py", "--kind", kind)
    (found,) = METADATA.finditer(Path("x.py").read_text(encoding="utf-8"))
    content = "".join(
        line[2:] if line.startswith("# ") else line[1:] for line in found["content"].splitlines(True)
    )
    assert found["type"] == "script"
    assert tomllib.loads(content) == {
        "requires-python": ">=3.11",
        "dependencies": [requirements.requirement()],
    }


def test_it_asks_the_model_of_the_config(cli):
    cli("config", "set", "pipeline.model", "claude-opus-5-5")
    cli("new", "pipeline", "x.py")
    assert 'model="claude-opus-5-5"' in Path("x.py").read_text(encoding="utf-8")


def test_a_file_that_is_there_is_not_replaced_but_the_same_one_may_be_made_again(cli):
    cli("new", "pipeline", "x.py")
    cli("new", "pipeline", "x.py")
    ran = cli("new", "pipeline", "x.py", "--kind", "digest", code=1)
    assert "exists and holds something else" in ran.err
    assert "Analyzes documents" in Path("x.py").read_text(encoding="utf-8")


def test_a_name_that_uv_would_not_know_as_a_script_is_refused(cli):
    assert "supervisor-setup new pipeline reports.py" in cli("new", "pipeline", "reports", code=2).err
    assert not Path("reports").exists()


def test_a_folder_in_its_place_is_told(cli):
    Path("x.py").mkdir()
    assert "is a folder" in cli("new", "pipeline", "x.py", code=1).err


@pytest.mark.parametrize("name", ['a"""b.py', "a\\b.py", "a b.py", "ü.py", "_.py"])
def test_any_file_name_gives_a_script_that_compiles(cli, name):
    cli("new", "pipeline", name)
    text = Path(name).read_text(encoding="utf-8")
    compile(text, name, "exec")
    assert re.search(r'name="[A-Za-z0-9-]+"', text)


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [
        (None, "supervisor-setup[orchestrate]~=1.2.3"),
        ({"url": "file:///nowhere/x.whl", "archive_info": {}}, "supervisor-setup[orchestrate]~=1.2.3"),
        ({"url": "https://x/y.whl", "archive_info": {}}, "supervisor-setup[orchestrate] @ https://x/y.whl"),
        (
            {"url": "https://x/y", "vcs_info": {"vcs": "git", "commit_id": "abc"}, "subdirectory": "z"},
            "supervisor-setup[orchestrate] @ git+https://x/y@abc#subdirectory=z",
        ),
        (
            {"url": "file://{here}", "dir_info": {"editable": True}},
            "supervisor-setup[orchestrate] @ file://{here}",
        ),
    ],
)
def test_the_requirement_leads_to_where_this_program_came_from(tmp_path, monkeypatch, origin, wanted):
    here = tmp_path / "a%20b"
    (tmp_path / "a b").mkdir()
    text = None if origin is None else json.dumps(origin).replace("{here}", str(here))

    class Installed:
        version = "1.2.3+local"

        def read_text(self, name):
            assert name == "direct_url.json"
            return text

    monkeypatch.setattr(requirements.metadata, "distribution", lambda _name: Installed())
    assert requirements.requirement() == wanted.replace("{here}", str(here))


def cron_command(text):
    """The command of the last line of a crontab as cron gives it to the shell, and its five fields."""
    *comments, line = text.rstrip("\n").split("\n")
    assert all(comment.startswith("#") for comment in comments)
    *fields, command = line.split(" ", 5)
    assert not re.search(r"(?<!\\)%", command)  # it would end the command
    return " ".join(fields), command.replace("\\%", "%")


def test_the_crontab_line_runs_the_script_with_its_keys_and_keeps_what_it_says(cli, home, script, tmp_path):
    out, shown = tmp_path / "out % put", tmp_path / "shown"
    home.write(home.config.with_name("pipeline.env"), "A_KEY='a b$c'\n").chmod(0o600)
    ran = cli("new", "cron", str(script), "docs", ODD, "*.md", "--out", str(out), "--batch", "--at", "4:05")
    fields, command = cron_command(ran.out)
    assert fields == "5 4 * * *"
    for _ in range(2):
        subprocess.run(
            ["/bin/sh", "-c", command], env={"HOME": str(home.path), "SHOWN": str(shown)}, check=True
        )
    work = tmp_path / "work"
    assert json.loads(shown.read_bytes()) == {
        "argv": [
            *("run", str(work / "docs"), str(work / ODD), str(work / "*.md")),
            *("--out", str(out), "--budget", "5", "--batch"),
        ],
        "key": "a b$c",
        "umask": 0o077,
    }
    assert (out / "cron.log").read_text(encoding="utf-8") == "said\nsaid\n"


def test_cron_is_given_something_to_mail_only_when_a_run_failed(cli, home, script, tmp_path):
    home.write(home.config.with_name("pipeline.env"), "")
    script.write_text("import sys; print('a\\nb\\nc\\nd'); sys.exit(len(sys.argv[-1]) % 2)", encoding="utf-8")
    for budget, mailed in (("10", ""), ("5", "b\nc\nd\n")):
        _, command = cron_command(
            cli("new", "cron", str(script), "x", "--out", "out", "--budget", budget).out
        )
        ran = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
        assert ran.stdout + ran.stderr == mailed
    assert (tmp_path / "work" / "out" / "cron.log").read_text(encoding="utf-8") == "a\nb\nc\nd\n" * 2


@pytest.mark.parametrize(
    ("options", "fields", "calendar"),
    [
        ([], "30 2 * * *", "*-*-* 02:30:00"),
        (["--every", "hour", "--at", "0:07"], "7 * * * *", "*-*-* *:07:00"),
        (["--every", "week", "--at", "23:59"], "59 23 * * 1", "Mon *-*-* 23:59:00"),
    ],
)
def test_a_time_is_the_same_for_cron_and_for_systemd(cli, script, options, fields, calendar):
    run = (str(script), "docs", "--out", "out", *options)
    assert cron_command(cli("new", "cron", *run).out)[0] == fields
    assert f"OnCalendar={calendar}\n" in cli("new", "timer", *run).out
    if analyze := shutil.which("systemd-analyze"):
        subprocess.run([analyze, "calendar", calendar], check=True, capture_output=True)


@pytest.mark.parametrize("options", [["--at", "25:00"], ["--every", "year"], ["--budget", "-1"], []])
def test_options_that_make_no_sense_are_refused(cli, script, options):
    documents = ["docs"] if options else []
    cli("new", "cron", str(script), *documents, "--out", "out", *options, code=2)


def units(folder):
    """The sections of each unit in a folder, a name with its value."""
    return {
        path.suffix: {
            section: dict(
                line.split("=", 1) for line in body.splitlines() if line and not line.startswith("#")
            )
            for section, body in re.findall(
                r"(?ms)^\[(\w+)\]\n(.*?)(?=^\[|\Z)", path.read_text(encoding="utf-8")
            )
        }
        for path in folder.iterdir()
    }


def test_the_timer_and_its_service_are_written_and_hold_only_what_systemd_knows(cli, home, script, tmp_path):
    into = tmp_path / "units"
    ran = cli("new", "timer", str(script), ODD, "--out", "out", "--budget", "0.5", "--into", str(into))
    assert "systemctl --user enable --now nightly-run.timer" in ran.out
    assert sorted(path.name for path in into.iterdir()) == ["nightly-run.service", "nightly-run.timer"]
    found = units(into)
    assert {
        name: set(values) <= KNOWN[name] for unit in found.values() for name, values in unit.items()
    } == dict.fromkeys(KNOWN, True)
    service = found[".service"]["Service"]
    assert service["EnvironmentFile"] == f"-{home.config.with_name('pipeline.env')}"
    assert service["ExecStart"].endswith(" --budget 0.5")
    quoted = ODD.replace("%", "%%").replace("$", "$$").replace("\\", "\\\\").replace('"', '\\"')
    assert f'/{quoted}" ' in service["ExecStart"]
    if analyze := shutil.which("systemd-analyze"):
        checked = subprocess.run(
            [analyze, "verify", into / "nightly-run.service"], capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")


def test_units_of_the_users_own_are_not_replaced(cli, home, script, tmp_path):
    home.write(tmp_path / "units" / "nightly-run.timer", "[Timer]\n")
    ran = cli("new", "timer", str(script), "docs", "--out", "o", "--into", str(tmp_path / "units"), code=1)
    assert "exists and holds something else" in ran.err
    assert not (tmp_path / "units" / "nightly-run.service").exists()


def manifests(text):
    """The manifests by kind."""
    return {one["kind"]: one for one in YAML(typ="safe", pure=True).load_all(text)}


def kubernetes(cli, script, *options):
    return manifests(cli("new", "kubernetes", str(script), "--image", "koala/pipeline:1", *options).out)


def pods(found):
    return {kind: found[kind]["spec"]["template"]["spec"] for kind in ("Job", "Deployment")}


def test_the_manifests_carry_the_script_and_the_part_of_the_config_that_workers_need(cli, home, script):
    home.write(
        home.config,
        "backends:\n  - {name: a, kind: litellm, url: 'http://a', api_key: {env: A_KEY}}\n"
        "  - {name: b, kind: ollama, url: 'http://b', api_key: {env: B_KEY}}\n"
        "pipeline: {local_model: small}\n",
    )
    found = kubernetes(cli, script, ".", "--out", "night")
    data = found["ConfigMap"]["data"]
    assert data["script.py"] == SHOW
    config = YAML(typ="safe", pure=True).load(data["config.yaml"])
    assert [one["name"] for one in config["backends"]] == ["a"]
    assert config["pipeline"]["local_model"] == "small"
    for pod in pods(found).values():
        (container,) = pod["containers"]
        secrets = {
            one["name"]: one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one
        }
        assert secrets == {
            name: {"name": "nightly-run-keys", "key": name}
            for name in ("SUPERVISOR_ANTHROPIC_API_KEY", "A_KEY", "SUPERVISOR_PIPELINE_DB")
        }


def test_the_job_runs_over_its_volumes_and_the_workers_need_none(cli, script):
    found = kubernetes(
        cli, script, "in/*.md", "a$(b)", "--out", "night", "--workers", "7", "--claim", "papers"
    )
    assert found["Deployment"]["spec"]["replicas"] == 7
    job, workers = pods(found).values()
    assert job["containers"][0]["args"] == [
        *("/pipeline/script.py", "run", "/documents/in/*.md", "/documents/a$$(b)"),
        *("--out", "/results/night", "--budget", "5", "--db", "$(SUPERVISOR_PIPELINE_DB)"),
    ]
    assert workers["containers"][0]["args"] == [
        "/pipeline/script.py",
        "work",
        "--db",
        "$(SUPERVISOR_PIPELINE_DB)",
    ]
    claims = {
        one["name"]: one["persistentVolumeClaim"] for one in job["volumes"] if "persistentVolumeClaim" in one
    }
    assert claims == {
        "documents": {"claimName": "papers", "readOnly": True},
        "results": {"claimName": found["PersistentVolumeClaim"]["metadata"]["name"]},
    }
    assert not any("persistentVolumeClaim" in one for one in workers["volumes"])


def test_both_pods_have_no_rights_and_mount_what_they_declare(cli, script):
    found = kubernetes(cli, script, ".", "--out", "o")
    for kind, pod in pods(found).items():
        (container,) = pod["containers"]
        assert container["image"] == "koala/pipeline:1"
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        volumes = {one["name"] for one in pod["volumes"]}
        assert {one["name"] for one in container["volumeMounts"]} == volumes
        template = found[kind]["spec"]["template"]["metadata"]["labels"]
        selector = found[kind]["spec"].get("selector", {"matchLabels": template})["matchLabels"]
        assert selector == template


@pytest.mark.parametrize(
    "options", [["--claim", "A b"], ["--workers", "-1"], ["--image", ""], ["--image", "a\nb: c"]]
)
def test_names_that_kubernetes_does_not_take_are_refused(cli, script, options):
    cli("new", "kubernetes", str(script), ".", "--out", "o", "--image", "x", *options, code=2)


@pytest.mark.parametrize("what", ["cron", "timer", "kubernetes"])
def test_a_script_that_is_not_there_and_a_line_break_are_told(cli, script, what):
    image = ["--image", "x"] if what == "kubernetes" else []
    assert "there is no such script" in cli("new", what, "no.py", ".", "--out", "o", *image, code=1).err
    ran = cli("new", what, str(script), "a\nUser=root", "--out", "o", *image, code=2)
    assert "has a line break" in ran.err


@pytest.mark.parametrize("what", ["cron", "timer"])
def test_without_the_extra_nothing_is_scheduled_that_could_not_start(cli, script, monkeypatch, what):
    monkeypatch.setattr(
        "supervisor_setup.pipeline_skill.find_spec", lambda name: None if name == "dbos" else object()
    )
    ran = cli("new", what, str(script), ".", "--out", "o", code=1)
    assert "lacks the extra `orchestrate` (dbos missing)" in ran.err
    assert "pip install 'supervisor-setup[orchestrate]" in ran.err
    cli("new", "kubernetes", str(script), ".", "--out", "o", "--image", "x")


@pytest.mark.parametrize(
    ("content", "said"), [(b"\xff\xfe", "is not UTF-8"), (b"#" * 1_000_000, "1000000 bytes")]
)
def test_a_script_that_no_config_map_can_hold_is_told(cli, script, content, said):
    script.write_bytes(content)
    assert said in cli("new", "kubernetes", str(script), ".", "--out", "o", "--image", "x", code=1).err


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_back_out_of_its_place_in_a_manifest(text):
    document = f"data:\n  x: {schedules.block(text, 4)}\n  y: 1\n"
    assert YAML(typ="safe", pure=True).load(document) == {"data": {"x": text, "y": 1}}


@pytest.mark.parametrize(("name", "label"), [("My Run", "my-run"), ("___", "pipeline"), ("ü-x" * 40, None)])
def test_a_name_in_the_cluster_is_a_label_with_room_for_a_suffix(name, label):
    found = schedules.cluster_name(name)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", found)
    assert len(found) <= 48
    assert label in (None, found)


@pytest.mark.parametrize("what", ["cron", "timer", "kubernetes", "pipeline"])
def test_as_json_it_is_files_by_name(cli, script, what):
    run = ["other.py"] if what == "pipeline" else [str(script), ".", "--out", "o"]
    image = ["--image", "x"] if what == "kubernetes" else []
    found = cli("--json", "new", what, *run, *image).json
    assert found["made"] == what
    assert found["written"] is (what == "pipeline")
    assert len(found["files"]) == (2 if what == "timer" else 1)
