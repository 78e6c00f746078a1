"""`new kubernetes`: what a second `kubectl apply` does."""

from ruamel.yaml import YAML


def test_a_change_of_the_script_or_the_config_makes_new_workers(cli, home, tmp_path):
    script = tmp_path / "work" / "nightly.py"

    def annotations():
        made = cli("new", "kubernetes", str(script), ".", "--out", "o", "--image", "x").out
        found = {one["kind"]: one for one in YAML(typ="safe", pure=True).load_all(made)}
        return found["Deployment"]["spec"]["template"]["metadata"]["annotations"]

    script.write_text("print(1)\n", encoding="utf-8")
    first = annotations()
    assert annotations() == first
    script.write_text("print(2)\n", encoding="utf-8")
    second = annotations()
    home.write(home.config, "pipeline: {local_model: small}\n")
    assert len({tuple(one.items()) for one in (first, second, annotations())}) == 3
