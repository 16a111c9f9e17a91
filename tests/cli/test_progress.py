"""Progress: a live line on a terminal, plain lines in a pipe."""

import io
import re
import sys

import pytest

from cmapss_rul.cli.progress import Progress, epoch_line

ROW = {
    "epoch": 3,
    "train_rul_loss": 412.345,
    "train_health_loss": 0.56789,
    "weight_rul": 0.00123,
    "weight_health": 0.88,
    "grad_norm": 12.0,
    "clipped_share": 0.5,
    "learning_rate": 1e-3,
    "val_rmse": 13.4567,
    "val_nasa": 4.2,
    "val_health_accuracy": 0.9,
    "windows_per_second": 1900.4,
    "seconds": 7.5,
}


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def report_run(progress):
    """Report a run of two epochs like the training loop."""
    progress.epoch_start(1, 2, 100, 0)
    for _ in range(4):
        progress.batch_end(25)
    progress.epoch_end({**ROW, "epoch": 1}, True)
    progress.epoch_start(2, 2, 100, 0)
    progress.note("a note")
    progress.detail("for the log alone")
    progress.batch_end(100)
    progress.epoch_end({**ROW, "epoch": 2}, False)
    progress.close()


def test_an_epoch_is_one_line():
    line = epoch_line(ROW, 12, best=True)
    assert line == (
        "epoch  3/12  losses   412.35  0.568  weights 1.23e-03 8.80e-01  clipped  50%  "
        "val RMSE 13.457    1900 windows/s  best"
    )
    assert not epoch_line(ROW, 12, best=False).endswith("best")


@pytest.mark.parametrize(("epochs", "start"), [(9, "epoch 3/9 "), (10, "epoch  3/10 ")])
def test_epoch_numbers_are_aligned(epochs, start):
    assert epoch_line(ROW, epochs, best=False).startswith(start)


def test_lines_have_equal_lengths():
    small = {**ROW, "train_rul_loss": 4.2, "clipped_share": 0.0, "windows_per_second": 7.0}
    assert len(epoch_line(small, 12, best=False)) == len(epoch_line(ROW, 12, best=False))


def test_plain_lines_when_piped(capsys):
    report_run(Progress(2))
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert [line[:9] for line in lines] == ["epoch 1/2", "a note", "epoch 2/2"]
    assert "\r" not in out
    assert "\x1b" not in out


def test_a_live_line_on_a_terminal(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    progress = Progress(2)
    progress.epoch_start(1, 2, 100, 0)
    progress._bar.mininterval = 0
    progress.batch_end(50)
    progress.epoch_end({**ROW, "epoch": 1}, True)
    progress.epoch_start(2, 2, 100, 0)
    progress.batch_end(100)
    live = terminal.getvalue()
    progress.close()
    assert "epoch 1/2" in live
    assert "epoch 2/2" in live
    assert re.search(r"epoch 1/2 .* 25%  \d\d:\d\d elapsed, \d\d:\d\d left", live)
    assert capsys.readouterr().out.startswith("epoch 1/2")


def test_columns_are_below_their_labels_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    report_run(Progress(2))
    lines = terminal.getvalue().splitlines()
    assert lines == [
        "            RUL  health          weights of    share  validation",
        "epoch      loss    loss       RUL    health  clipped        RMSE",
        "  1/2    412.35   0.568  1.23e-03  8.80e-01      50%      13.457  best",
        "a note",
        "  2/2    412.35   0.568  1.23e-03  8.80e-01      50%      13.457",
    ]


def test_a_resumed_run_starts_where_it_stopped(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress(5)
    progress.epoch_start(3, 5, 100, 40)
    assert (progress._bar.n, progress._bar.total) == (240, 500)
    progress.close()


def test_closing_without_a_start_does_nothing():
    progress = Progress(1)
    progress.batch_end(3)
    progress.close()
