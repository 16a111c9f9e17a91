"""The tutorial does what it says: shortened in ordinary tests, as printed in the slow one."""

import csv
import importlib.util
import json
import os
import re
import shlex
import socket
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from tests.balancers.battery import BATTERY
from tests.processes import run_rul

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
SHORT = (
    " --set train.epochs=1 --set train.window_share=0.02 --set model.bilstm.hidden=4"
    " --set model.cnn.channels=[4] --set train.threads=1 --set data.window=12"
)
LONG = ("rul report", "rul compare")
"""What makes pictures, or trains many runs."""


@pytest.fixture(scope="module")
def saved(tutorial):
    """The files that the page says to save, by name."""
    return {block.file: block.content for block in tutorial.blocks(PAGE) if block.file}


@pytest.fixture
def place(tutorial, tmp_path):
    """A copy of the clone."""
    tutorial.copy_clone(tmp_path / "clone")
    return tmp_path / "clone"


def at_a_free_port(commands: str) -> str:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return commands.replace("8765", str(asked.getsockname()[1]))


def shortened(commands: str) -> str:
    """The same commands with tiny networks, and without slow steps."""
    lines = [line for line in commands.splitlines() if not line.startswith(LONG)]
    lines = [line + SHORT if line.startswith("rul train") else line for line in lines]
    return at_a_free_port("\n".join(lines))


def in_forks(tutorial):
    """Run `rul` in forks, which have torch already, with the package of the folder."""

    def use(folder):
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == "cmapss_rul"]:
            del sys.modules[name]

    def run(commands, folder):
        if "trap" in commands:  # a job of the shell
            return tutorial.in_bash(commands, folder)
        code, out, err = 0, "", ""
        for line in commands.splitlines():
            if line.startswith("rul "):
                done = run_rul(*shlex.split(line)[1:], prepare=partial(use, folder))
            else:
                done = tutorial.in_bash(line, folder)
            code, out, err = done.returncode, out + done.stdout, err + done.stderr
            if code:
                break
        return subprocess.CompletedProcess(commands, code, out, err)

    return run


def run_steps(steps):
    """Output of each block of commands; none may fail."""
    outputs = []
    for commands, done in steps:
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        outputs.append(done.stdout)
    return outputs


def assert_the_server_predicts_like_the_command(printed: str, predictions: Path):
    """The answers for the engines 1 and 2."""
    with predictions.open(newline="") as file:
        rows = {row["engine"]: row for row in csv.DictReader(file)}
    answers = [json.loads(line) for line in printed.splitlines()]
    assert len(answers) == 2
    for engine, answer in zip("12", answers, strict=True):
        assert answer["rul"] == pytest.approx(float(rows[engine]["rul"]), abs=0.05)
        assert answer["rul_upper"] == pytest.approx(float(rows[engine]["rul_upper"]), abs=0.05)
        assert sum(answer["health"]) == pytest.approx(1, abs=1e-5)


def test_blocks_are_found_with_the_names_to_save_them_under(tutorial):
    page = (
        "Save this as `a.py`:\n\n```python\none\ntwo\n```\n"
        "text\n\n```sh\nls\n```\nand this as `b.py`, which sends:\n\n```python\nthree\n```\n"
    )
    assert list(tutorial.blocks(page)) == [
        ("python", "one\ntwo\n", "a.py"), ("sh", "ls\n", None), ("python", "three\n", "b.py"),
    ]  # fmt: skip


def test_the_page_has_all_its_parts(tutorial, saved):
    assert set(saved) == {
        "cmapss_rul/balancers/root.py", "root.diff", "pumps.py", "server.py", "ask.py",
    }  # fmt: skip
    found = list(tutorial.blocks(PAGE))
    assert len(found) == PAGE.count("```") / 2
    assert {block.language for block in found} == {"sh", "text", "python", "diff"}
    assert [block for block in found if block.language == "python" and not block.file] == []
    commands = "".join(block.content for block in found if block.language == "sh")
    assert {line.split()[1] for line in commands.splitlines() if line.startswith("rul ")} == {
        "train", "config", "evaluate", "report", "predict", "compare", "export",
    }  # fmt: skip


def test_images_are_small_and_have_alternative_texts(tutorial):
    shown = dict(re.findall(r"!\[([^\]]+)\]\(pictures/([^)]+)\)", PAGE))
    assert set(shown.values()) == set(tutorial.PICTURES)
    assert all(len(words) > 20 for words in shown)
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    linked = {
        name
        for page in pages
        for name in re.findall(r"\((?:docs/)?pictures/([^)]+)\)", page.read_text("utf-8"))
    }
    assert {path.name for path in pictures} == linked
    for path in pictures:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size <= 100_000, path.name


@pytest.mark.parametrize("check", BATTERY, ids=lambda check: check.__name__)
def test_the_balancer_passes_the_battery(check, saved, tmp_path):
    check(balancer_of(saved, tmp_path).RootConfig())


def test_the_balancer_is_the_sum_of_the_roots(saved, tmp_path):
    total, weights = balancer_of(saved, tmp_path).RootConfig().build()(torch.tensor([400.0, 0.25]))
    torch.testing.assert_close(total, torch.tensor(20.5))
    torch.testing.assert_close(weights, torch.tensor([0.025, 1.0]))


def balancer_of(saved, folder):
    path = folder / "root.py"
    path.write_text(saved["cmapss_rul/balancers/root.py"], encoding="utf-8")
    spec = importlib.util.spec_from_file_location("root", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_in_short(tutorial, place):
    pytest.importorskip("onnxruntime", reason="needs the extra [export]")
    outputs = run_steps(tutorial.follow(place, shortened, in_forks(tutorial)))
    assert any("Sum of the losses' roots." in text or "name: root" in text for text in outputs)
    assert_the_server_predicts_like_the_command(outputs[-1], place / "rul.csv")
    figures = json.loads((place / "runs/pumps-s0/evaluation.json").read_text())
    assert figures["protocol"]["tested_on"] == "held-out engines of the same file"


@pytest.mark.slow
def test_as_printed(tutorial, place):
    pytest.importorskip("onnxruntime", reason="needs the extra [export]")
    outputs = run_steps(tutorial.follow(place, at_a_free_port))
    assert_the_server_predicts_like_the_command(outputs[-1], place / "rul.csv")
    for name in ("runs/demo-s0", "runs/pumps-s0", "comparisons/root"):
        assert (place / name / "report.html").stat().st_size > 100_000
    for name, made in tutorial.PICTURES.items():
        assert size(place / made) == size(ROOT / "docs" / "pictures" / name)


def size(path: Path) -> tuple[int, int]:
    """Width and height from the header of a PNG."""
    return struct.unpack(">II", path.read_bytes()[16:24])
