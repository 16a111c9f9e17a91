"""The training loop: metric rows, best epoch, early stopping, non-finite losses."""

import math
import shutil

import numpy as np
import pytest
import torch

from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.windows import Batch
from cmapss_rul.metrics.regression import nasa_mean, nasa_terms, rmse
from cmapss_rul.model.network import Network, predict
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.signals import StopSignals
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint import Checkpoint
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.reporters import COLUMNS, Reporter
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.step import TrainingStep
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.balancers.variants import VARIANTS, title
from tests.training.inputs import (
    Recorder,
    checkpoint_content,
    comparable_content,
    differences,
    metric_rows,
    tiny_config,
)


def loop_of(config, folder, reporter=None):
    data = load_data(config)
    torch.manual_seed(config.seed)
    network = config.build_network()
    device = torch.device("cpu")
    training_step = TrainingStep(config, network, device)
    run = RunFolder(folder)
    recorder = reporter or Reporter()
    record = Checkpoint.from_content(checkpoint_content(), folder)
    return Loop(
        config=config,
        run=run,
        training_step=training_step,
        data=data,
        record=record,
        reporter=recorder,
        stop=StopSignals(),
    )


def numbers(row):
    return {key: float(value) for key, value in row.items()}


def test_metrics_have_the_documented_columns_and_a_row_per_epoch(finished_run):
    lines = (finished_run / "metrics.csv").read_text().splitlines()
    assert lines[0] == (
        "epoch,train_rul_loss,train_health_loss,weight_rul,weight_health,grad_norm,clipped_share,"
        "learning_rate,val_rmse,val_nasa,val_cut_rmse,val_cut_nasa,val_health_accuracy,"
        "windows_per_second,seconds"
    )
    assert lines[0] == ",".join(COLUMNS)
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]
    assert all(math.isfinite(float(value)) for line in lines[1:] for value in line.split(","))


BY_FORMULA = [variant for variant in VARIANTS if variant.name in ("fixed", "amnl", "amnl_ema")]
"""Balancers whose weights follow from the losses of the steps so far, and from nothing else."""


@pytest.mark.parametrize("balancer", BY_FORMULA, ids=title)
def test_one_batch_per_epoch_makes_each_row_a_step(eight_engine_dir, tmp_path, balancer):
    """Given the losses of the rows, the balancer yields exactly the weights of the rows."""
    keys = {"epochs": 4, "batch_size": 10**9, "clip": None, "window_share": 0.05, "ema": None}
    config = tiny_config(eight_engine_dir, balancer=balancer.model_dump(), train=keys)
    recorder = Recorder()
    train(config, tmp_path / "run", device="cpu", reporters=[recorder])
    assert recorder.steps == 4
    if balancer.name in ("gradnorm", "uncertainty", "torchjd:imtl_l", "torchjd:uw"):
        return  # learnt: only the first row follows from the losses, see below
    if balancer.name in ("dtp", "random", "torchjd:random"):
        return  # follow from predictions, see below, or are random
    alone = balancer.build()
    for row in recorder.rows:
        losses = torch.tensor([row["train_rul_loss"], row["train_health_loss"]])
        weights = alone(losses.requires_grad_()).weights
        assert weights.tolist() == [row["weight_rul"], row["weight_health"]]
        alone.epoch_end(losses.detach())


def test_kpi_weights_of_the_first_row_by_hand(eight_engine_dir, tmp_path):
    """With one batch: −(1 − κ) log κ of the untrained network's predictions."""
    keys = {"epochs": 1, "batch_size": 10**9, "window_share": 1, "ema": None}
    config = tiny_config(eight_engine_dir, balancer={"name": "dtp"}, train=keys)
    loop = loop_of(config, tmp_path)
    batch = loop.data.training.batch(torch.arange(len(loop.data.training)))
    rul, logits = loop.training_step.network(batch.windows)
    close = np.abs(rul.detach().numpy() - batch.rul.numpy()) <= 10
    right = logits.argmax(dim=1) == batch.health
    recorder = Recorder()
    train(config, tmp_path / "run", device="cpu", reporters=[recorder])
    (row,) = recorder.rows
    for task, share in (("rul", close.mean()), ("health", float(right.double().mean()))):
        kappa = min(max(share, 1e-3), 1 - 1e-3)
        assert row[f"weight_{task}"] == pytest.approx(-(1 - kappa) * math.log(kappa), rel=1e-4)


def test_weights_of_an_epoch_follow_from_the_two_before(eight_engine_dir, tmp_path):
    """Several batches per epoch: 1 twice, then 2 softmax of the ratios of the rows' losses."""
    config = tiny_config(eight_engine_dir, balancer={"name": "dwa"}, train={"epochs": 4})
    recorder = Recorder()
    train(config, tmp_path / "run", device="cpu", reporters=[recorder])
    assert recorder.steps > 4
    rows = recorder.rows
    assert [row["weight_rul"] for row in rows[:2]] == [1, 1]
    for older, newer, row in zip(rows, rows[1:], rows[2:], strict=False):
        rul, health = (
            math.exp(newer[f"train_{task}_loss"] / older[f"train_{task}_loss"] / 2)
            for task in ("rul", "health")
        )
        assert row["weight_rul"] == pytest.approx(2 * rul / (rul + health), rel=1e-5)
        assert row["weight_health"] == pytest.approx(2 * health / (rul + health), rel=1e-5)
        assert row["weight_rul"] != 1


def test_learnt_weights_of_the_first_row_by_hand(eight_engine_dir, tmp_path):
    keys = {"epochs": 1, "batch_size": 10**9}
    for name in ("gradnorm", "uncertainty"):
        recorder = Recorder()
        config = tiny_config(eight_engine_dir, balancer={"name": name}, train=keys)
        train(config, tmp_path / name, device="cpu", reporters=[recorder])
        (row,) = recorder.rows
        if name == "gradnorm":
            assert (row["weight_rul"], row["weight_health"]) == (1, 1)
            assert row["weight_rul"] + row["weight_health"] == 2
        else:
            assert row["weight_rul"] == pytest.approx(0.5 / row["train_rul_loss"], rel=1e-5)
            assert row["weight_health"] == pytest.approx(1 / row["train_health_loss"], rel=1e-5)


def test_row_one_holds_the_losses_before_the_first_update(eight_engine_dir, tmp_path):
    """With the whole set as one batch: the losses of the untrained network, by hand."""
    config = tiny_config(
        eight_engine_dir, train={"epochs": 1, "batch_size": 10**9, "window_share": 1, "ema": None}
    )
    loop = loop_of(config, tmp_path)
    output = loop.training_step.network(
        loop.data.training.batch(torch.arange(len(loop.data.training))).windows
    )
    error = (output.rul.detach().double() - loop.data.training.rul) ** 2
    weight = 2 - loop.data.training.rul.double() / 125
    recorder = Recorder()
    train(config, tmp_path / "run", device="cpu", reporters=[recorder])
    expected = float((weight * error).sum() / weight.sum())
    assert recorder.rows[0]["train_rul_loss"] == pytest.approx(expected, rel=1e-5)


def test_losses_are_means_over_windows_and_weights_over_steps(eight_engine_dir, tmp_path):
    """Batches of unequal size: 41 windows in batches of 14, 14, 13."""
    config = tiny_config(
        eight_engine_dir, train={"epochs": 1, "batch_size": 14}, balancer={"name": "amnl"}
    )
    loop = loop_of(config, tmp_path)
    share = 41 / len(loop.data.training)
    config = tiny_config(
        eight_engine_dir,
        train={"epochs": 1, "batch_size": 14, "window_share": share},
        balancer={"name": "amnl"},
    )
    loop = loop_of(config, tmp_path)
    sizes, measures = [], []
    step = loop.training_step.take

    def spy(batch: Batch, *args):
        found = step(batch, *args)
        sizes.append(len(batch.rul))
        measures.append(found.tolist())
        return found

    loop.training_step.take = spy
    loop.train_epoch()
    assert sizes == [14, 14, 13]
    row = loop.training_means()
    columns = np.array(measures)
    assert row["train_rul_loss"] == pytest.approx((columns[:, 0] * sizes).sum() / 41)
    assert row["train_health_loss"] == pytest.approx((columns[:, 1] * sizes).sum() / 41)
    for position, name in enumerate(
        ("weight_rul", "weight_health", "grad_norm", "clipped_share"), 2
    ):
        assert row[name] == pytest.approx(columns[:, position].mean())


def test_the_learning_rate_is_of_the_last_step_of_the_epoch(eight_engine_dir, tmp_path):
    keys = {"epochs": 3, "warmup": 1, "learning_rate": 0.01, "batch_size": 30}
    recorder = Recorder()
    train(
        tiny_config(eight_engine_dir, train=keys),
        tmp_path / "run",
        device="cpu",
        reporters=[recorder],
    )
    assert recorder.rows[0]["learning_rate"] == pytest.approx(0.01)  # the end of the warm-up
    loop = checkpoint_file.read(tmp_path / "run" / "last.pt")
    assert loop["optimiser"]["param_groups"][0]["lr"] == recorder.rows[2]["learning_rate"]
    assert 0 < recorder.rows[2]["learning_rate"] < recorder.rows[1]["learning_rate"] < 0.01


def test_each_epoch_redraws_its_windows_and_uses_each_once(eight_engine_dir, tmp_path):
    loop = loop_of(
        tiny_config(eight_engine_dir, train={"window_share": 0.1, "batch_size": 16}), tmp_path
    )
    first = torch.cat(loop.draw_batches())
    assert len(first) == loop.windows_per_epoch == round(0.1 * len(loop.data.training))
    assert len(set(first.tolist())) == len(first)
    assert torch.equal(first, torch.cat(loop.draw_batches()))
    loop.state.epoch = 1
    assert set(torch.cat(loop.draw_batches()).tolist()) != set(first.tolist())
    assert max(map(len, loop.draw_batches())) <= 16
    assert max(map(len, loop.draw_batches())) - min(map(len, loop.draw_batches())) <= 1


def test_a_share_of_one_takes_every_training_window(eight_engine_dir, tmp_path):
    loop = loop_of(tiny_config(eight_engine_dir, train={"window_share": 1}), tmp_path)
    assert sorted(torch.cat(loop.draw_batches()).tolist()) == list(range(len(loop.data.training)))


def test_even_the_smallest_share_has_a_window(eight_engine_dir, tmp_path):
    loop = loop_of(tiny_config(eight_engine_dir, train={"window_share": 1e-9}), tmp_path)
    assert [len(batch) for batch in loop.draw_batches()] == [1]


@pytest.fixture
def two_subset_dir(eight_engine_dir, tmp_path):
    """Folder with eight engines as FD001 and three as FD002."""
    shutil.copytree(eight_engine_dir, tmp_path / "pair")
    simulate(tmp_path / "pair", engines=3, conditions=6)
    return tmp_path / "pair"


def test_auxiliary_windows_have_their_own_share(two_subset_dir, tmp_path):
    keys = {"window_share": 0.1, "auxiliary_share": 0.5, "batch_size": 16}
    loop = loop_of(tiny_config(two_subset_dir, data={"auxiliary": ["FD002"]}, train=keys), tmp_path)
    own = len(loop.data.training) - loop.data.auxiliary
    first = torch.cat(loop.draw_batches())
    assert int((first < own).sum()) == round(0.1 * own)
    assert int((first >= own).sum()) == round(0.5 * loop.data.auxiliary)
    assert len(set(first.tolist())) == len(first) == loop.windows_per_epoch
    assert torch.equal(first, torch.cat(loop.draw_batches()))
    assert 0 < int((loop.draw_batches()[0] < own).sum()) < 16  # mixed, not one after the other
    loop.state.epoch = 1
    assert set(torch.cat(loop.draw_batches()).tolist()) != set(first.tolist())


@pytest.mark.parametrize("subsets", [[], ["FD002"]])
def test_without_an_auxiliary_share_all_windows_are_drawn_alike(two_subset_dir, tmp_path, subsets):
    """Without auxiliary windows, their share has no effect."""
    keys = {"window_share": 0.1, "auxiliary_share": None if subsets else 0.5}
    loop = loop_of(tiny_config(two_subset_dir, data={"auxiliary": subsets}, train=keys), tmp_path)
    order = np.random.default_rng([0, 1]).permutation(len(loop.data.training))
    assert torch.cat(loop.draw_batches()).tolist() == order[: round(0.1 * len(order))].tolist()


def test_validation_is_over_every_cycle_on_clamped_predictions_and_capped_labels(
    eight_engine_dir, tmp_path
):
    config = tiny_config(eight_engine_dir)
    train(config, tmp_path / "run", device="cpu")
    model, data = restore(tmp_path / "run" / "last.pt"), load_data(config)
    windows = data.validation.windows
    lives = torch.bincount(windows.starts)
    assert len(windows) == int(lives[lives > 0].sum())  # one window a row
    rul, probabilities = predict(model.network, windows)
    predicted, true = rul.clamp(0, 125).double().numpy(), data.validation.rul.double().numpy()
    assert true.max() == 125
    row = numbers(metric_rows(tmp_path / "run" / "metrics.csv")[-1])
    assert row["val_rmse"] == rmse(predicted, true)
    assert row["val_nasa"] == nasa_mean(predicted, true)
    by_engine = [
        ((predicted - true)[cuts], nasa_terms(predicted[cuts], true[cuts]))
        for start in windows.starts.unique()
        for cuts in [((windows.starts == start) & (windows.ends - start >= 19)).numpy()]
    ]
    squares, scores = (np.mean([np.mean(part) for part in parts]) for parts in (
        [error**2 for error, _ in by_engine], [terms for _, terms in by_engine]
    ))  # fmt: skip
    assert row["val_cut_rmse"] == pytest.approx(np.sqrt(squares), rel=1e-12)
    assert row["val_cut_nasa"] == pytest.approx(scores, rel=1e-12)
    right = (probabilities.argmax(dim=1) == data.validation.health).double().mean()
    assert row["val_health_accuracy"] == float(right)


def test_predictions_are_clamped_before_the_metrics(eight_engine_dir, tmp_path):
    loop = loop_of(tiny_config(eight_engine_dir, train={"ema": None}), tmp_path)
    for bound, value in ((125.0, 1e6), (0.0, -1e6)):
        with torch.no_grad():
            list(loop.training_step.network.rul_head.parameters())[-1].fill_(value)
        true = loop.data.validation.rul.double().numpy()
        found = loop.evaluate(loop.data.validation)
        assert found["val_rmse"] == rmse(np.full(len(true), bound), true)


def test_the_best_checkpoint_holds_the_best_epoch(eight_engine_dir, tmp_path):
    keys = {"epochs": 6, "learning_rate": 1.0, "ema": None, "schedule": {"name": "constant"}}
    train(tiny_config(eight_engine_dir, train=keys), tmp_path / "run", device="cpu")
    figures = [float(row["val_rmse"]) for row in metric_rows(tmp_path / "run" / "metrics.csv")]
    best = restore(tmp_path / "run")
    assert best.epoch == figures.index(min(figures)) + 1
    assert best.val_rmse == min(figures)
    assert restore(tmp_path / "run" / "last.pt").epoch == 6
    assert best.epoch < 6, "the test should have a best epoch that is not the last"


def script_validation(monkeypatch, values, column="val_rmse"):
    """Make validation return these values in a column, and 50 in the others."""
    script_validation = iter([0.0, *values])  # the first call is the check before the first step
    names = ("val_rmse", "val_nasa", "val_cut_rmse", "val_cut_nasa", "val_health_accuracy")

    def evaluate(self, labelled):
        del self, labelled
        return {**dict.fromkeys(names, 50.0), column: next(script_validation)}

    monkeypatch.setattr(Loop, "evaluate", evaluate)


@pytest.mark.parametrize(
    ("patience", "epochs", "best"), [(1, 3, 2), (2, 6, 4), (3, 7, 4), (None, 8, 4)]
)
def test_early_stopping(eight_engine_dir, tmp_path, monkeypatch, patience, epochs, best):
    script_validation(monkeypatch, [9.0, 5.0, 5.0, 4.0, 6.0, 4.0, 7.0, 8.0])
    keys = {"epochs": 8, "patience": patience, "window_share": 0.001}
    recorder = Recorder()
    train(
        tiny_config(eight_engine_dir, train=keys),
        tmp_path / "run",
        device="cpu",
        reporters=[recorder],
    )
    assert len(recorder.rows) == epochs
    assert checkpoint_file.read(tmp_path / "run" / "best.pt")["loop"]["epoch"] == best
    assert f"best epoch {best}: validation RMSE" in recorder.notes[-1]


@pytest.mark.parametrize("column", ["val_cut_rmse", "val_cut_nasa"])
def test_another_column_selects_the_epoch(eight_engine_dir, tmp_path, monkeypatch, column):
    script_validation(monkeypatch, [9.0, 4.0, 6.0], column)
    keys = {"epochs": 5, "select": column, "patience": 1, "window_share": 0.001}
    recorder = Recorder()
    train(
        tiny_config(eight_engine_dir, train=keys),
        tmp_path / "run",
        device="cpu",
        reporters=[recorder],
    )
    assert len(recorder.rows) == 3
    loop = checkpoint_file.read(tmp_path / "run" / "best.pt")["loop"]
    assert (loop["epoch"], loop["best_value"]) == (2, 4.0)
    assert recorder.notes[-1] == f"best epoch 2: validation RMSE 50.000 cycles, {column} 4.000"


def test_the_initial_check_writes_no_row_and_no_checkpoint(eight_engine_dir, tmp_path):
    loop = loop_of(tiny_config(eight_engine_dir, train={"batch_size": 10**9}), tmp_path)
    seen = []
    before = torch.get_rng_state()
    loop.evaluate = lambda labelled: seen.append(len(labelled))
    loop.check_evaluation()
    assert seen == [len(loop.data.validation)]
    loop.config = tiny_config(eight_engine_dir, train={"batch_size": 3})
    loop.check_evaluation()
    assert seen[1] == 6
    loop.state.step = 1
    loop.check_evaluation()
    assert len(seen) == 2
    assert torch.equal(torch.get_rng_state(), before)
    assert loop.state.history == []
    assert list(tmp_path.iterdir()) == []


def corrupt_inputs(monkeypatch, at, value=float("nan")):
    """Replace inputs of one training step by a non-finite value."""
    step = TrainingStep.take

    def bad(self, batch, number, plan):
        if number == at:
            batch = batch._replace(windows=batch.windows * value)
        return step(self, batch, number, plan)

    monkeypatch.setattr(TrainingStep, "take", bad)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_loss_names_the_step_and_keeps_the_checkpoint(
    eight_engine_dir, tmp_path, monkeypatch, value
):
    good, bad = tmp_path / "good", tmp_path / "bad"
    recorder = Recorder()
    train(
        tiny_config(eight_engine_dir, train={"epochs": 3}), good, device="cpu", reporters=[recorder]
    )
    steps = recorder.steps // 3
    corrupt_inputs(monkeypatch, at=steps + 1, value=value)
    with pytest.raises(RulError) as caught:
        train(tiny_config(eight_engine_dir, train={"epochs": 3}), bad, device="cpu")
    assert caught.value.exit_code == 1
    assert f"not finite at step {steps + 2} (epoch 2)" in str(caught.value)
    assert f"{bad / 'last.pt'} is retained" in str(caught.value)
    assert "\n" not in str(caught.value)
    kept = comparable_content(bad / "last.pt")
    assert kept["loop"]["epoch"] == 1
    assert metric_rows(bad / "metrics.csv") == metric_rows(good / "metrics.csv")[:1]
    assert all(torch.isfinite(value).all() for value in kept["model"].values())
    monkeypatch.undo()  # the run can be resumed afterwards
    train(tiny_config(eight_engine_dir, train={"epochs": 3}), bad, device="cpu", resume=True)
    assert (
        differences(comparable_content(good / "last.pt"), comparable_content(bad / "last.pt")) == []
    )


def test_a_non_finite_loss_in_the_first_epoch_states_that_nothing_was_saved(
    eight_engine_dir, tmp_path, monkeypatch
):
    corrupt_inputs(monkeypatch, at=0)
    with pytest.raises(RulError, match=r"at step 1 \(epoch 1\); nothing was saved yet"):
        train(tiny_config(eight_engine_dir), tmp_path / "run", device="cpu")
    assert not list((tmp_path / "run").glob("*.pt"))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_non_finite_prediction_gives_no_metric(eight_engine_dir, tmp_path, value):
    """Infinity too: the clamp would turn it into the cap."""
    loop = loop_of(tiny_config(eight_engine_dir, train={"ema": None}), tmp_path)
    with torch.no_grad():
        list(loop.training_step.network.rul_head.parameters())[-1].fill_(value)
    with pytest.raises(RulError, match="a validation engine in epoch 1 was not finite"):
        loop.check_evaluation()


def test_evaluation_uses_the_averaged_weights(eight_engine_dir, tmp_path):
    train(tiny_config(eight_engine_dir, train={"ema": 0.9}), tmp_path / "with", device="cpu")
    train(tiny_config(eight_engine_dir, train={"ema": None}), tmp_path / "without", device="cpu")
    averaged, plain = (
        comparable_content(tmp_path / name / "last.pt") for name in ("with", "without")
    )
    assert (
        differences(averaged["model_raw"], plain["model"]) == []
    )  # averaging does not affect training
    assert differences(averaged["model"], averaged["model_raw"])
    assert "model_raw" not in plain
    loaded = dict(restore(tmp_path / "with" / "last.pt").network.state_dict())
    assert differences(loaded, averaged["model"]) == []


def test_the_network_is_trained_in_training_mode(eight_engine_dir, tmp_path, monkeypatch):
    modes = []
    forward = Network.forward

    def spy(self, windows, padding):
        modes.append((self.training, torch.is_grad_enabled()))
        return forward(self, windows, padding)

    monkeypatch.setattr(Network, "forward", spy)
    train(
        tiny_config(eight_engine_dir, train={"ema": None, "epochs": 2}),
        tmp_path / "run",
        device="cpu",
    )
    assert set(modes) == {(True, True), (False, False)}
    assert modes[0] == (False, False)  # the check
    assert modes[-1] == (False, False)


def test_the_log_has_the_diagnostics_of_the_balancer(eight_engine_dir, tmp_path):
    train(
        tiny_config(eight_engine_dir, balancer={"name": "uncertainty"}),
        tmp_path / "run",
        device="cpu",
    )
    log = (tmp_path / "run" / "train.log").read_text()
    assert "epoch 1: lag_rul" in log
    assert "lag_health" in log
    assert " training, " in log
    assert "best so far" in log
