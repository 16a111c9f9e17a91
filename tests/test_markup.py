r"""Brackets, escape sequences and line breaks in external names are escaped by every command.

The terminal has 80 columns: a long name may continue on the next line, but no part of it is lost,
and rich takes no bracket for markup.
"""

import csv
import io
import json
import re
import sys

import pytest
from rich.console import Console

from cmapss_rul.bench.data import PEER_MISSING
from cmapss_rul.bench.table import result_table
from cmapss_rul.cli import main
from cmapss_rul.cli.output import print_table
from cmapss_rul.experiments import table as comparison_table
from cmapss_rul.experiments.results import Comparison
from cmapss_rul.system.errors import printable
from tests.bench.results import result
from tests.data._own import own_rows, write_own
from tests.evaluation._models import trained
from tests.experiments.inputs import comparison, grid
from tests.reports.inputs import Seen

pytestmark = pytest.mark.usefixtures("unrendered")

FOLDER = "[red]x[bold] [bench] \x1b[31m\nb"
"""A name of files and folders, which cannot hold the slash of a closing tag."""
ENGINE = "[red]x[/] [bench] \x1b[31m7"


def squeezed(text: str) -> str:
    """Text without white space: line breaks of 80 columns and the padding of tables."""
    return re.sub(r"\s", "", text)


def shows(text: str, name: str) -> bool:
    """Whether a name is shown verbatim, with control characters escaped."""
    assert "\x1b" not in text
    return squeezed(printable(name)) in squeezed(text)


def tabulates(text: str, name: str) -> bool:
    """Whether a table shows a name, perhaps on several lines beside other cells."""
    assert "\x1b" not in text
    characters = iter(squeezed(text))
    return all(character in characters for character in squeezed(printable(name)))


@pytest.fixture
def rul(capsys, monkeypatch, tmp_path):
    """Run a command in an empty folder; gives what it printed, as on a terminal if asked for."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object, code: int = 0, terminal: bool = False) -> str:
        with monkeypatch.context() as patch:
            if terminal:
                patch.setattr(sys.stdout, "isatty", lambda: True)
                patch.setenv("NO_COLOR", "1")
                patch.setenv("TERM", "dumb")
            with pytest.raises(SystemExit) as ended:
                main([*map(str, words)])
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == code, err
        if code:  # an error; notes may have more lines
            assert err.count("\n") == 1
        return out + err

    return run


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A run on a fleet of one's own: its folder, file and engines have such names."""
    base = tmp_path_factory.mktemp("markup")
    rows = [row.replace("p-", ENGINE) for row in own_rows()]
    file = write_own(base / f"{FOLDER}.csv", rows)
    return file, trained(file, base / "runs" / FOLDER).path.parent


def test_simulate(rul):
    assert shows(rul("simulate", "--output", FOLDER, "--engines", 8), FOLDER)


def test_evaluate(rul, own):
    _, run = own
    for options in ((), ("--full",)):
        out = rul("evaluate", run, *options)
        assert shows(out, f"{FOLDER} · own files" if options else f"test engines of {FOLDER}")
        assert printable(FOLDER) in out.splitlines()[-1 if options else -2]  # the saved files
    engines = json.loads(rul("evaluate", run, "--json"))["prognostics"]["engines"]
    assert all(entry["engine"].startswith(ENGINE) for entry in engines)


def test_predict(rul, own):
    file, run = own
    out = rul("predict", run, file, terminal=True)
    for number in ("1", "11"):
        assert tabulates(out, ENGINE + number)
    rows = csv.DictReader(io.StringIO(rul("predict", run, file)))
    assert printable(ENGINE + "7") in [row["engine"] for row in rows]


def test_runs_calibrate_and_report(rul, own):
    _, run = own
    listed = rul("runs", "--dir", run.parent)
    assert listed.splitlines()[1].startswith(printable(FOLDER))  # on one line, for grep and awk
    assert shows(rul("calibrate", run, "--level", "0.5"), FOLDER)
    assert shows(rul("report", run), FOLDER)
    page = Seen((run / "report.html").read_text(encoding="utf-8"))
    assert shows(page.text, ENGINE + "1")
    assert page.words.startswith(" ".join(printable(FOLDER).split()))
    assert shows((run / "MODEL_CARD.md").read_text(encoding="utf-8").replace("\\", ""), "[bench]")


def test_config_show_and_new(rul, own, tmp_path):
    file, _ = own
    drafted = rul("config", "new", "--from", file, "--engine", "asset", "--cycle", "hour")
    assert "\x1b" not in drafted
    path = tmp_path / f"{FOLDER}.yaml"
    path.write_text('data: {dir: "[red]x[/] [bench] \\e[31m"}')
    assert r'dir: "[red]x[/] [bench] \e[31m"' in rul("config", "show", path)
    path.write_text("data: {subset: '[red]x[/] [bench]'}")
    refusal = rul("config", "validate", path, code=2)
    assert shows(refusal, FOLDER)
    assert shows(refusal, "found '[red]x[/] [bench]'")


def printed_comparison(capsys, label: str) -> str:
    """The table of a comparison in which a cell has that label."""
    by_hand = comparison(grid("fd001"), {"fixed": [12.0, 13.0], "amnl": [11.0, 11.5]})
    renamed = by_hand.as_json().replace('"amnl"', json.dumps(label)).replace("amnl", "other")
    print_table(comparison_table.render(Comparison.model_validate_json(renamed)))
    return capsys.readouterr().out


def test_a_comparison(capsys):
    label = f"fixed data.columns=[sensor_2] {ENGINE}"
    out = printed_comparison(capsys, label)
    assert tabulates(out, label)
    # the labels' brackets beside those of the notes: all of a label, or none of it
    more = out.count("[") - printed_comparison(capsys, "plain").count("[")
    assert more > 0
    assert more % label.count("[") == 0


def test_the_hint_of_rul_bench(capsys):
    plain = result(peer_missing=PEER_MISSING)
    plain["data"] = {**plain["data"], "peer_peak_memory_mb": None}
    plain["machine"] = {**plain["machine"], "processor": ENGINE}
    print_table(result_table(plain))
    out = capsys.readouterr().out
    assert "pip install 'cmapss_rul[bench]'" in out
    assert shows(out, ENGINE)
    assert "data.peer_peak_memory_mb " in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--config", FOLDER),
        ("train", FOLDER),
        ("train", "--config", "demo", "--set", "train.epochs='[bench]'"),
        ("train", "--config", "demo", f"--epochs={FOLDER}"),
        ("evaluate", FOLDER),
        ("calibrate", FOLDER),
        ("report", FOLDER),
        ("bench", "--subset", FOLDER),
        ("compare", "--config", "demo", "--grid", FOLDER),
        ("runs", "--dir", FOLDER),
    ],
    ids=lambda words: words[0],
)
def test_errors(rul, words):
    code = 1 if words[0] in ("evaluate", "calibrate") else 2
    assert "[bench]" in rul(*words, code=code).lower()  # a subset is shown in capitals


def test_rich_would_interpret_them():
    stream = io.StringIO()
    Console(file=stream, width=80).print(ENGINE)
    assert "[red]" not in stream.getvalue()
