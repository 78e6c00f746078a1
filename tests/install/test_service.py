"""The systemd unit that `service` prints."""

import configparser
import os
import shlex

import pytest

# What systemd knows, of what the unit says; a name that is mistyped would be ignored with a warning.
KNOWN = {
    "Unit": {"Description", "Wants", "After"},
    "Service": {
        *("Type", "ExecStart", "EnvironmentFile", "Environment", "Restart", "RestartSec", "TimeoutStopSec"),
        *("User", "DynamicUser", "LoadCredential", "SetCredential", "UMask"),
        *("StateDirectory", "StateDirectoryMode", "CacheDirectory", "CacheDirectoryMode"),
        *("ReadOnlyPaths", "InaccessiblePaths", "ProtectSystem", "ProtectHome", "NoNewPrivileges"),
        *("CapabilityBoundingSet", "PrivateDevices", "PrivateTmp", "ProtectClock", "ProtectControlGroups"),
        *("ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables"),
        *("ProtectProc", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime"),
        *("RestrictSUIDSGID", "LockPersonality", "MemoryDenyWriteExecute", "RemoveIPC"),
        *("SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber"),
    },
    "Install": {"WantedBy"},
}
HARDENED = {
    "ProtectSystem": "strict",
    "ProtectHome": "read-only",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
}


class Repeated(dict):
    """A section's values; those of a name that stands there several times are joined."""

    def __setitem__(self, key, value):
        super().__setitem__(key, [*self[key], *value] if isinstance(value, list) and key in self else value)


def parsed(text):
    """The unit's sections, each name with its values."""
    parser = configparser.RawConfigParser(
        dict_type=Repeated, strict=False, delimiters=("=",), comment_prefixes=("#",)
    )
    parser.optionxform = str
    parser.read_string(text)
    return {
        section: {name: parser[section][name].split("\n") for name in parser[section]}
        for section in parser.sections()
    }


def command(unit):
    """The words of the command line, as systemd splits them."""
    (line,) = unit["Service"]["ExecStart"]
    return [word.replace("%%", "%").replace("$$", "$") for word in shlex.split(line)]


@pytest.mark.parametrize("user", ["alice", None])
def test_every_line_is_one_that_systemd_knows_and_the_service_is_shut_in(cli, monkeypatch, user):
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    unit = parsed(cli("service", *(["--user", user] if user else [])).out)
    assert {section: set(names) <= KNOWN[section] for section, names in unit.items()} == dict.fromkeys(
        KNOWN, True
    )
    service = unit["Service"]
    assert {name: service[name] for name in HARDENED} == {name: [value] for name, value in HARDENED.items()}
    assert service.get("User", [None]) == [user]
    assert ("DynamicUser" in service) == (user is None)


def test_it_runs_as_whoever_asks_with_their_config(cli, home, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "alice")
    unit = parsed(cli("service").out)
    assert unit["Service"]["User"] == ["alice"]
    words = command(unit)
    assert os.access(words[0], os.X_OK)
    assert words[1:] == [
        *("--http", "127.0.0.1:8765"),
        *("--config", str(home.config)),
        *("--state", "%S/supervisor-mcp"),
    ]
    assert f"-{home.path}/.ssh" in unit["Service"]["InaccessiblePaths"]


def test_for_root_systemd_makes_a_user_and_hands_the_config_over(cli, home, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    unit = parsed(cli("service").out)
    assert unit["Service"]["LoadCredential"] == [f"config.yaml:{home.config}"]
    assert "%d/config.yaml" in command(unit)


def test_a_program_that_such_a_user_cannot_reach_is_refused(cli, home, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    program = home.write(home.path / "bin" / "supervisor-mcp", "#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program.with_name("python")))
    assert "lies in root's own folder" in cli("service", code=1).err
    assert command(parsed(cli("service", "--user", "alice").out))[0] == str(program)


def test_the_options_and_the_config_reach_the_unit(cli, home):
    home.write(
        home.config,
        "files: {roots: [~/notes, '/srv/two words', '/srv/100%']}\n"
        "backends: [{name: a, kind: ollama, url: 'http://a', api_key: {env: A_KEY}}]\n",
    )
    ran = cli(
        "service",
        "--listen",
        "0.0.0.0:9",
        "--allow-host",
        "koala",
        "--allow-host",
        "k.example",
        "--user",
        "a",
    )
    unit = parsed(ran.out)
    assert command(unit)[1:7] == ["--http", "0.0.0.0:9", "--allow-host", "koala", "--allow-host", "k.example"]
    assert unit["Service"]["ReadOnlyPaths"] == [f"-{home.path}/notes", '"-/srv/two words"', "-/srv/100%%"]
    assert "(A_KEY)" in ran.out


@pytest.mark.parametrize("arguments", [["--listen", "koala"], ["--allow-host", "a b"], ["--allow-host", ""]])
def test_options_that_make_no_sense_are_refused(cli, arguments):
    assert arguments[0] in cli("service", *arguments, code=2).err


def test_nothing_of_a_value_becomes_a_line_of_its_own(cli, home):
    home.write(home.config, 'files: {roots: ["/srv/a\\nUser=root"]}\n')
    unit = parsed(cli("service", "--user", "alice").out)
    assert unit["Service"]["User"] == ["alice"]
    assert unit["Service"]["ReadOnlyPaths"] == ['"-/srv/a\\x0aUser=root"']


def test_as_json_it_is_one_text(cli):
    assert "[Service]" in cli("--json", "service", "--user", "alice").json["unit"]
