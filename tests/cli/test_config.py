import json

import pytest
import yaml

from cmapss_rul.config.load import load
from cmapss_rul.config.shipped import shipped_configs
from cmapss_rul.training.config import RunConfig
from tests.data._own import write_own

SMALL = "# A small one for tests\nseed: 3\nbalancer: {name: fixed, weights: [2, 1e-3]}\n"


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


def test_the_output_of_show_is_a_valid_configuration(rul, small, tmp_path):
    code, out, err = rul("config", "show", small, "--set", "train.epochs=2")
    assert (code, err) == (0, "")
    again = tmp_path / "again.yaml"
    again.write_text(out)
    assert load(RunConfig, again) == load(RunConfig, small, ["train.epochs=2"])
    assert rul("config", "show", again)[1] == out


def test_show_explains_each_key(rul, small):
    out = rul("config", "show", small)[1]
    assert "  # Cap of the RUL label, in `unit`.\n  cap: 125\n" in out
    keys = yaml.safe_load(out)
    assert keys["balancer"]["weights"] == [2.0, 0.001]
    lines = out.splitlines()
    for number, line in enumerate(lines):
        assert len(line) <= 100
        if line.endswith(":"):
            assert lines[number - 1].lstrip().startswith("#"), line


def test_sets_apply_in_order(rul, small):
    sets = ["--set", "balancer.name=gradnorm", "--set", "balancer.alpha=1", "--set", "seed=4"]
    shown = yaml.safe_load(rul("config", "show", small, *sets)[1])
    assert shown["seed"] == 4
    assert shown["balancer"]["name"] == "gradnorm"
    assert shown["balancer"]["alpha"] == 1.0
    assert "weights" not in shown["balancer"]


def test_validate_accepts_a_valid_configuration(rul, small):
    assert rul("config", "validate", small) == (0, "valid\n", "")


def test_validate_names_all_errors_at_once(rul, small):
    sets = ["data.subset=FD005", "train.batch_size=0", "model.cn=1", "balancer.name=gradnrom"]
    code, out, err = rul("config", "validate", small, *[w for s in sets for w in ("--set", s)])
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith(f"rul: error: {small} with --set: ")
    assert "data.subset: expected one of FD00" in err
    assert "; train.batch_size: expected at least 1, found 0" in err
    assert "; model.cn: unknown key; did you mean model.cnn?" in err
    assert "; balancer.name: expected one of gradnorm, " in err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "--set train.epochs: expected KEY=VALUE, such as --set train.epochs=1"),
        ("train.epoch=1", "train.epoch: unknown key; did you mean train.epochs?"),
        ("epochs=1", "epochs: unknown key; did you mean train.epochs?"),
        ("train.epochs=many", "train.epochs: expected a whole number, found 'many'"),
        ("train.epochs=true", "train.epochs: expected a whole number, found true"),
        ("train.epochs=2020-01-01", "train.epochs: expected a whole number, found 2020-01-01"),
        ("train.batch_size=0", "train.batch_size: expected at least 1, found 0"),
        ("train.batch_size=-4", "train.batch_size: expected at least 1, found -4"),
        ("train.batch_size=1e30", "train.batch_size: expected at most 1000000000, found 1000"),
        ("train.learning_rate=.inf", "train.learning_rate: expected a finite number, found inf"),
        ("train.learning_rate=.nan", "train.learning_rate: expected a finite number, found nan"),
        ("train.learning_rate=1e400", "train.learning_rate: expected a finite number"),
        ("seed=" + "9" * 400, "seed: expected less than 9223372036854775808, found 999"),
        ("seed=" + "9" * 5000, "--set seed, line 1: "),
        (
            "balancer=gradnorm",
            "balancer: expected a mapping with balancer.name, one of gradnorm",
        ),
        ("balancer.name=gradnrom", "balancer.name: expected one of gradnorm"),
        ("balancer.alpha=1", "balancer.alpha: unknown key; it belongs to balancer.name=gradnorm"),
        ("data.subset=FD1", "data.subset: expected one of FD001"),
        ("data=[]", "data: expected a mapping with keys such as data.subset, found []"),
        ("loss.health.boundaries=[50, 125]", "loss.health"),
        ("data.cap=60", "125"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(rul, small, override, message):
    code, out, err = rul("config", "validate", small, "--set", override)
    assert (code, out) == (2, "")
    assert err.startswith("rul: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert ": :" not in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- a\n", "expected keys with values"),
        (b"", "found nothing"),
        (b"a: [1\n", "line 2: "),
        (b"a: \xff\n", "line 1: not UTF-8"),
        (b"a: !!python/object/apply:os.system [ls]\n", "line 1: the tag"),
        (b"seed: 1\nseed: 2\n", "line 2: duplicate key 'seed'"),
    ],
)
def test_files_other_than_configurations_are_refused(rul, tmp_path, content, message):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    code, out, err = rul("config", "show", path)
    assert (code, out) == (2, "")
    assert err.startswith(f"rul: error: {path}")
    assert message in err
    assert err.count("\n") == 1


def test_a_missing_configuration_lists_the_shipped_ones(rul):
    code, out, err = rul("config", "show", "fd01")
    assert (code, out) == (2, "")
    assert "configuration 'fd01' is neither a YAML file nor a shipped name; shipped: fd0" in err


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_every_shipped_configuration_is_valid(rul, name):
    assert rul("config", "validate", name) == (0, "valid\n", "")


def test_list_names_the_choices(rul):
    code, out, err = rul("config", "list")
    assert (code, err) == (0, "")
    for title in ("configurations (", "models (", "losses (", "balancers ("):
        assert f"\n{title}" in f"\n{out}"
    for name in (*shipped_configs(), "last_state", "weighted_mse", "amnl_ema", "gradnorm"):
        assert f"\n  {name} " in out
    assert "\x1b" not in out


def test_the_list_as_json_has_the_same_content(rul):
    code, out, err = rul("config", "list", "--json")
    assert (code, err) == (0, "")
    listed = json.loads(out)
    assert [row["name"] for row in listed["configurations"]] == list(shipped_configs())
    assert all(row["description"] for row in listed["configurations"])
    balancers = [row["name"] for row in listed["choices"]["balancer.name"]]
    assert balancers == sorted(balancers)
    assert [name for name in balancers if "torchjd:" not in name] == [
        "amnl", "amnl_ema", "dtp", "dwa", "fixed", "gaba", "geometric_mean", "gradnorm", "random",
        "uncertainty",
    ]  # fmt: skip
    assert "torchjd:stch" in balancers
    assert all(row["description"] for rows in listed["choices"].values() for row in rows)


def test_a_choice_can_be_set_by_the_key_it_is_listed_under(rul, small):
    listed = json.loads(rul("config", "list", "--json")[1])
    for key, rows in listed["choices"].items():
        for row in rows:
            sets = ["--set", f"{key}={row['name']}"]
            if sets[1] == "data.conditions.name=column":  # which column has no default
                sets += ["--set", "data.conditions.column=setting_3"]
            answer = rul("config", "validate", small, *sets)
            assert answer == (0, "valid\n", ""), key


def test_new_prints_a_configuration_for_a_file(rul, tmp_path):
    file = write_own(tmp_path / "my.csv")
    names = ["--engine", "asset", "--cycle", "hour"]
    code, out, err = rul("config", "new", "--from", file, *names)
    assert (code, err) == (0, "left out: site, which has values other than numbers\n")
    assert out.startswith(f"# {file}: 8 engines.\n# The guesses below are based on the 6 outside")
    path = tmp_path / "my.yaml"
    code, notice, err = rul("config", "new", "--from", file, *names, "--output", path)
    assert (code, err) == (0, "left out: site, which has values other than numbers\n")
    assert notice == f"saved {path}; review it, then run: rul train --config {path}\n"
    assert path.read_text() == out
    data = load(RunConfig, path).data
    assert (data.settings, data.columns) == (("load %",), ("temp", "vib"))


def test_new_never_overwrites_a_file(rul, tmp_path):
    file = write_own(tmp_path / "my.csv")
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 1\n")
    words = ["--from", file, "--engine", "asset", "--cycle", "hour", "-o", path]
    code, out, err = rul("config", "new", *words)
    assert (code, out) == (2, "")
    assert err == f"rul: error: {path}: exists already and is not overwritten; name another file\n"
    assert path.read_text() == "seed: 1\n"


def test_new_names_missing_columns(rul, tmp_path):
    file = write_own(tmp_path / "my.csv")
    code, _, err = rul("config", "new", "--from", file)
    assert code == 2
    assert err.startswith(f"rul: error: {file}: the column unit is missing (as is cycle); found 'a")
    code, _, err = rul("config", "new", "--from", tmp_path / "none.csv")
    assert code == 1
    assert "none.csv: cannot be read: No such file or directory" in err
