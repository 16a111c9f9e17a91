"""The campaigns find defects: each is given an intentional one."""

import os
import signal

import pytest
import typer

from cmapss_rul.training import checkpoint_file
from tests.processes import fork, wait
from tests.torture import flips
from tests.torture.__main__ import CAMPAIGNS, select
from tests.torture.runs import broken, unlike
from tests.torture.shim import Shim


def test_the_exit_code_of_a_child(tmp_path):
    output = tmp_path / "output"
    assert wait(fork(lambda: 3, output)) == 3
    assert wait(fork(lambda: os.kill(os.getpid(), signal.SIGKILL), output)) == -signal.SIGKILL
    assert wait(fork(lambda: 1 // 0, output)) == 99
    assert "ZeroDivisionError" in output.read_text()


def test_flips_finds_a_checkpoint_whose_digest_is_not_checked(finished_run, monkeypatch):
    class Same:
        def __eq__(self, other):
            return True

        __hash__ = None

    class Blind:
        def hexdigest(self):
            return self

        def encode(self):
            return Same()

    whole = (finished_run / "last.pt").read_bytes()
    monkeypatch.setattr(checkpoint_file.hashlib, "sha256", lambda _: Blind())
    assert len(flips.flip(whole, 300, seed=0).defects) > 20


@pytest.mark.parametrize("mode", ["fail", "kill before", "kill after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_the_shim_disturbs_the_given_call(tmp_path, mode, at):
    """Four calls: open, write, flush, rename."""

    def task():
        Shim(at, mode, os.open(tmp_path / "calls", os.O_WRONLY | os.O_CREAT)).install()
        part = tmp_path / "part"
        with part.open("wb") as file:
            file.write(b"12345678")
            file.flush()
            os.fsync(file.fileno())
        part.replace(tmp_path / "whole")
        return 0

    code = wait(fork(task, tmp_path / "output"))
    assert code == (99 if mode == "fail" else -signal.SIGKILL)
    assert (tmp_path / "calls").read_text().split() == ["open", "write", "fsync", "replace"][:at]
    assert (tmp_path / "whole").exists() is (at == 4 and mode == "kill after")
    if at == 2:
        assert (tmp_path / "part").read_bytes() == b"1234"


def test_broken_run_folders_are_found(run_copy, finished_run):
    assert broken(run_copy) == []
    assert unlike(finished_run, run_copy) == []
    rows = (run_copy / "metrics.csv").read_text()
    (run_copy / "metrics.csv").write_text(rows + rows.splitlines()[-1] + "\n")
    assert broken(run_copy) == [
        "metrics.csv has the epochs [1, 2, 2]",
        "metrics.csv has 3 epochs, last.pt 2",
    ]
    (run_copy / "metrics.csv").write_text(rows.replace("\n2,", "\n2,9", 1))
    assert unlike(finished_run, run_copy) == ["metrics.csv differs"]
    (run_copy / "best.pt").write_bytes(b"half")
    assert "best.pt: this is not a checkpoint" in unlike(finished_run, run_copy)[0]


def test_campaigns_are_named_whole_or_by_their_first_word():
    assert select([]) == select(["all"]) == list(CAMPAIGNS)
    assert select(["flips"]) == ["flips"]
    assert select(["fuzz"]) == [name for name in CAMPAIGNS if name.startswith("fuzz_")]
    with pytest.raises(typer.BadParameter, match="expected one or more of: all, fuzz, kills"):
        select(["flip"])
