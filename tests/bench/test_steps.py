"""Training steps: full batches, their number, and every balancer."""

import typing

import pytest
import torch

from cmapss_rul.balancers import BalancerConfig
from cmapss_rul.bench import steps
from cmapss_rul.bench.measurement import Summary
from cmapss_rul.bench.steps import (
    Turn,
    full_batches,
    prepare_our_steps,
    prepare_reference_steps,
    repeat_forever,
    time_steps,
)
from cmapss_rul.training.inputs import load_data

TURN = Turn("cpu", threads=1, steps=3)


def test_a_turn_takes_its_steps_and_gives_the_mean(monkeypatch):
    clock = iter([10.0, 16.0])
    monkeypatch.setattr(steps.time, "perf_counter", lambda: next(clock))
    calls = []
    assert time_steps(lambda: calls.append(1), TURN) == 2.0
    assert len(calls) == 3


def test_batches_are_full_and_go_on_after_an_epoch(options):
    training = load_data(options.config).training
    size = len(training) // 2 - 1  # two per epoch; the remaining two windows are dropped
    indices = full_batches(training, size)
    first, second, third = next(indices), next(indices), next(indices)
    assert {len(first), len(second), len(third)} == {size}
    assert len(torch.cat([first, second]).unique()) == 2 * size
    assert not torch.equal(first, third)


def test_a_loader_starts_again():
    batches = repeat_forever([[1], [2]])
    assert [next(batches) for _ in range(5)] == [[1], [2], [1], [2], [1]]


@pytest.mark.parametrize("make", [prepare_reference_steps, prepare_our_steps])
def test_a_contender_gives_the_seconds_of_a_step(options, make):
    assert make(options.config, TURN)() > 0


@pytest.mark.usefixtures("in_process")
def test_the_keys_of_a_step(options):
    found = steps.measure_steps(options)
    assert found.keys() == {
        "step.ratio_to_usual_loop", "step.usual_loop_seconds", "step.seconds",
    }  # fmt: skip
    assert all(metric.median > 0 for metric in found.values())


@pytest.mark.usefixtures("in_process")
def test_the_shares_of_both_networks(options):
    found = steps.measure_matmul_shares(options)
    assert found.keys() == {
        f"{network}.{metric}"
        for network in ("step", "published.step")
        for metric in ("share_of_matmul_limit", "matmul_gflops_per_second")
    }
    for network in ("step", "published.step"):
        assert 0 < found[f"{network}.share_of_matmul_limit"].median < 1


@pytest.mark.usefixtures("in_process")
def test_every_balancer_of_the_package_is_compared_with_fixed(options):
    found = steps.measure_balancers(options)
    union = typing.get_args(typing.get_args(BalancerConfig)[0])
    names = {kind().name for kind in union if "TorchJD" not in kind.__name__} - {"fixed"}
    assert found.keys() == {f"balancers.{name}.ratio_to_fixed" for name in names}
    assert all(isinstance(metric, Summary) and metric.median > 0 for metric in found.values())
