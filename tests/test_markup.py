r"""Brackets, escape sequences and line breaks in names from outside are shown as they are.

The terminal has 80 columns: a long name may continue on the next line, but no part of it is lost,
and rich takes no bracket for markup.
"""

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
from cmapss_rul.system.text import printable
from tests.bench.results import result
from tests.data._own import own_rows, write_own
from tests.evaluation._models import trained

FOLDER = "[red]x[bold] [bench] \x1b[31m\nb"
"""A name of files and folders, which cannot hold the slash of a closing tag."""
ENGINE = "[red]x[/] [bench] \x1b[31m7"


def squeezed(text: str) -> str:
    """Text without white space: line breaks of 80 columns and the padding of tables."""
    return re.sub(r"\s", "", text)


def shows(text: str, name: str) -> bool:
    """Whether a name is shown as it is, control characters escaped, and nothing is obeyed."""
    assert "\x1b" not in text
    return squeezed(printable(name)) in squeezed(text)


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
        if err:
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
    assert shows(rul("simulate", "--out", FOLDER, "--engines", 8), FOLDER)


def test_evaluate(rul, own):
    _, run = own
    for options in ((), ("--full",)):
        out = rul("evaluate", run, *options)
        assert shows(out, f"{FOLDER} · own files" if options else f"test engines of {FOLDER}")
        assert printable(FOLDER) in out.splitlines()[-1 if options else -2]  # the saved files
    engines = json.loads(rul("evaluate", run, "--json"))["prognostics"]["engines"]
    assert all(entry["engine"].startswith(ENGINE) for entry in engines)


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
        ("train", "--config", "demo", "--set", "train.epochs=[bench]"),
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


def test_rich_would_obey_them():
    stream = io.StringIO()
    Console(file=stream, width=80).print(ENGINE)
    assert "[red]" not in stream.getvalue()
