r"""Names from files never reach a terminal unescaped, in any command.

Columns, engines, paths, subsets and run names hold ESC, a C1 control, a line break and a mark
that turns the writing direction. What comes out holds none of them.
"""

import csv
import io
import json
import subprocess

import pytest
import torch
from rich.console import Console

from cmapss_rul.cli import main
from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.simulate import simulate
from cmapss_rul.display.table import to_terminal
from cmapss_rul.display.text import json_text, shell_word
from cmapss_rul.experiments import table as grid_table
from cmapss_rul.experiments.summaries import CellSummary
from cmapss_rul.training import checkpoint_file
from tests.training.inputs import tiny_config, train_and_record

EVIL = "a\x1b[31m\x9b2J\u202eb"
LINE = "a\nrul: all is well"


def harmless(text: str) -> bool:
    """Assert that every line is printable, without control sequences."""
    return all(line.isprintable() for line in text.split("\n"))


@pytest.fixture
def rul(capsys, monkeypatch, tmp_path):
    """Run a verb in an empty folder; gives exit code, stdout and stderr, which are harmless."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        assert harmless(out), repr(out)
        assert harmless(err), repr(err)
        if ended.value.code:
            assert err.count("\n") == 1
        return int(ended.value.code or 0), out, err

    return run


@pytest.mark.parametrize("name", [EVIL, LINE, "\udc80"])
@pytest.mark.parametrize(
    "words",
    [
        ("{}",),
        ("train", "--config", "{}"),
        ("train", "--config", "demo", "--set", "{}"),
        ("train", "--config", "demo", "--set", "{}=1"),
        ("train", "--config", "demo", "--set", 'data.subset="{}"'),
        ("train", "--config", "demo", "--set", "balancer.name='{}'"),
        ("train", "--config", "demo", "--device", "{}"),
        ("train", "--config", "demo", "--resume", "{}"),
        ("evaluate", "{}"),
        ("evaluate", "{}/best.pt", "--device", "cpu"),
        ("predict", "{}", "x.csv"),
        ("calibrate", "{}"),
        ("calibrate", ".", "--level", "{}"),
        ("config", "show", "{}"),
        ("config", "validate", "{}.yaml"),
        ("config", "new", "--from", "{}"),
        ("config", "new", "--from", "x.csv", "--output", "{}"),
        ("download-data", "--subset", "{}"),
        ("download-data", "--source", "{}"),
        ("download-data", "--source", "http://127.0.0.1:9/{}"),
        ("download-data", "--source", "none.zip", "--data", "{}"),
        ("compare", "--config", "{}"),
        ("compare", "--config", "demo", "--grid", "{}=1,2"),
        ("compare", "--config", "demo", "--balancers", "{}"),
        ("simulate", "--output", "x", "--engines", "{}"),
        ("compare", "--config", "demo", "--output", "{}"),
        ("compare", "--config", "demo", "--ledger", "{}"),
        ("export", "{}"),
        ("export", "{}/best.pt", "--format", "{}"),
        ("report", "{}"),
        ("bench", "--subset", "{}"),
        ("bench", "--output", "{}"),
        ("runs", "--dir", "{}"),
    ],
    ids=" ".join,
)
def test_words_of_the_command_line(rul, tmp_path, words, name):
    if {"--output", "--ledger"} & {*words}:  # else they would be made
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("mine")
    code, _, err = rul(*(word.replace("{}", name) for word in words))
    assert code in (1, 2)
    assert err.startswith("rul: error: ")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny run in a folder with a malicious name."""
    base = tmp_path_factory.mktemp("terminal")
    simulate(base / EVIL, engines=20)
    run = base / f"run {EVIL}"
    train_and_record(tiny_config(base / EVIL), run)
    return run


def test_simulate_and_train_into_such_a_folder(rul):
    assert rul("simulate", "--output", EVIL, "--engines", "20")[0] == 0
    sets = ["data.window=6", "data.auxiliary=[]", "data.columns=[sensor_2, sensor_4]"]
    sets += ["model.bilstm.hidden=3"]
    sets += ["train.epochs=1", "train.window_share=0.05", "train.threads=1"]
    sets = [word for text in sets for word in ("--set", text)]
    code, out, _ = rul("train", "--config", "fd001", "--data", EVIL, "--output", LINE, *sets)
    assert code == 0
    command = out.splitlines()[-1]
    assert command == r"rul evaluate $'a\x0arul: all is well/best.pt'"
    shown = subprocess.run(
        ["bash", "-c", command.replace("rul evaluate", "printf %s", 1)],
        capture_output=True,
        check=True,
    )
    assert shown.stdout.decode() == f"{LINE}/best.pt"  # a shell reads it back
    code, out, _ = rul("train", "--resume", LINE)
    assert code == 0
    assert "is finished" in out


def test_evaluate_and_list_such_a_run(rul, trained):
    assert rul("evaluate", str(trained))[0] == 0
    code, out, _ = rul("evaluate", str(trained), "--json")
    assert code == 0
    json.loads(out)
    assert "run a" in rul("runs", "--dir", str(trained.parent))[1]
    code, out, _ = rul("runs", "--dir", str(trained.parent), "--json")
    assert json.loads(out)[0]["state"] == "finished"


def test_calibrate_and_export_such_a_run(rul, trained):
    assert rul("calibrate", str(trained), "--level", "0.5")[0] == 0
    assert rul("calibrate", str(trained), "--level", "0.99")[0] == 2
    code, out, _ = rul("export", str(trained), "--format", "torch-export")
    assert code == 0
    assert r"a\x1b[31m\x9b2J\u202eb/model.pt2" in out
    code, out, _ = rul("export", str(trained), "--format", "torch-export", "--json")
    assert json.loads(out)["file"] == str(trained / "model.pt2")


def test_a_malicious_checkpoint_with_such_texts(rul, trained, tmp_path):
    content = checkpoint_file.read(trained / "best.pt")
    content["versions"] = dict.fromkeys(content["versions"], EVIL)
    content["data"] |= {"sha256": EVIL, "name": EVIL, "canonical_sha256": LINE}
    checkpoint_file.write(tmp_path / "best.pt", content)
    rul("evaluate", str(tmp_path / "best.pt"))
    content["config"]["model"][EVIL] = 1
    content["config"]["data"]["subset"] = LINE
    checkpoint_file.write(tmp_path / "best.pt", content)
    code, _, err = rul("evaluate", str(tmp_path / "best.pt"))
    assert code == 1
    assert r"\x1b[31m" in err
    torch.save({EVIL: 1}, tmp_path / "other.pt")
    assert rul("evaluate", str(tmp_path / "other.pt"))[0] == 1


def write_csv(path, header, engine=EVIL, cycles=9, cell="1.5"):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        rows.writerows([engine, cycle, *[cell] * (len(header) - 2)] for cycle in range(1, cycles))
    return str(path)


def test_predict_shows_such_engines_and_columns(rul, trained, tmp_path):
    whole = ["unit", "cycle", *COLUMNS]
    file = write_csv(tmp_path / f"{EVIL}.csv", whole)
    code, out, _ = rul("predict", str(trained), file)
    assert code == 0
    assert next(csv.DictReader(io.StringIO(out)))["engine"] == r"a\x1b[31m\x9b2J\u202eb"
    code, out, _ = rul("predict", str(trained), file, "--json")
    assert json.loads(out)["predictions"][0]["engine"] == r"a\x1b[31m\x9b2J\u202eb"
    assert rul("predict", str(trained), file, "-o", f"{EVIL}.out")[0] == 0
    kept = (tmp_path / f"{EVIL}.out").read_text()
    assert next(csv.DictReader(io.StringIO(kept)))["engine"] == EVIL  # a file is no terminal
    for header in (
        ["unit", "cycle", EVIL, LINE],
        ["unit", "cycle", *[f"sensor_2{EVIL}"] * 2],
        [EVIL, *whole[1:]],
        [*whole[:-20], "sensor 2", "sensor\x1b2", *whole[-19:]],
    ):
        code, _, err = rul("predict", str(trained), write_csv(tmp_path / "x.csv", header))
        assert code == 1, header
    code, _, err = rul("predict", str(trained), write_csv(tmp_path / "x.csv", whole, cell=EVIL))
    assert r"\x1b" in err


def test_a_yaml_file_with_such_keys_and_values(rul, tmp_path):
    path = tmp_path / f"{EVIL}.yaml"
    for content in (
        '"\\e[31m": 1',
        'data: {subset: "\\e[31m"}',
        'seed: "\\e]0;title\\a"',
        'balancer: {name: "\\x9b2J"}',
        'data: {columns: ["\\u202e"]}',
        '"\\e[1m": 1\n"\\e[1m": 2',
        "a: *\x85x",
    ):
        path.write_text(content)
        code, _, err = rul("config", "validate", str(path))
        assert code == 2
        assert r"a\x1b[31m\x9b2J\u202eb.yaml" in err
    path.write_text('data: {dir: "\\e[31m\\x9b"}')
    code, out, _ = rul("config", "show", str(path))
    assert code == 0
    assert r'dir: "\e[31m\x9B"' in out


def test_labels_of_a_grid_are_no_markup():
    label = f"fixed data.columns=[sensor_2] [red]x[/] {EVIL}"
    cell = CellSummary.model_construct(config=EVIL, label=label, leak="a leak")
    table = grid_table.grouped_table([cell], {"seeds": lambda _: "1"})
    (drawn,) = to_terminal(table).renderables
    texts = list(drawn.columns[0].cells)
    assert [text.spans for text in texts] == [[], []]
    text = io.StringIO()
    Console(width=100, file=text, force_terminal=True, color_system="truecolor").print(
        to_terminal(table)
    )
    shown = r"fixed data.columns=[sensor_2] [red]x[/] a\x1b[31m\x9b2J\u202eb (leak)"
    assert texts[1].plain == shown
    assert shown in text.getvalue()


@pytest.mark.parametrize("text", ["plain", "two words", "it's", EVIL, LINE, "\udc80é\t", ""])
def test_a_shell_reads_a_word_back(text):
    word = shell_word(text)
    assert word.isprintable()
    shown = subprocess.run(
        ["bash", "-c", f"printf %s {word}"], capture_output=True, check=True
    ).stdout
    assert shown == text.encode("utf-8", "surrogateescape")


@pytest.mark.parametrize("text", ["plain", "é", EVIL, LINE, "\x7f", "\U000e0001", '"\\'])
def test_json_is_read_back(text):
    shown = json_text({text: [text]})
    assert harmless(shown)
    assert json.loads(shown) == {text: [text]}


def test_ordinary_json_is_as_json_writes_it():
    value = {"a": ["é", 1.5, None]}
    assert json_text(value) == json.dumps(value, indent=2, ensure_ascii=False)
    with pytest.raises(ValueError):
        json_text(float("nan"))


def test_nothing_is_left_over():
    assert not harmless(EVIL)
    assert harmless(LINE)  # a line break is judged by the number of lines
