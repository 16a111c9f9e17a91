"""The matrix products of a step: counted by hand, and as PyTorch counts them."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from cmapss_rul.bench import limit
from cmapss_rul.bench.limit import (
    Product,
    ProductTimes,
    compute_products,
    matrix_products,
    measure_products,
    random_batch_step,
)
from cmapss_rul.config.shipped import shipped_configs
from cmapss_rul.training.config import load_config
from tests.training.inputs import tiny_config

SELF = {"name": "self", "heads": 2}


def config_of(**model):
    """Batch 20, windows of 6 cycles, 4 columns: three sensors and the cycle count."""
    parts = {"cnn": {"channels": [3], "kernel": 3}, "bilstm": {"hidden": 2}, **model}
    parts = {"shared": {"hidden": [5]}, "attention": {"name": "none"}, **parts}
    return tiny_config("anywhere", data={"window": 6}, model=parts)


def by_part(config):
    return {product.part: product for product in matrix_products(config)}


def test_a_product_counts_a_multiplication_and_an_addition_a_term():
    assert Product("any", rows=2, inner=3, columns=5).flops == 2 * 30
    assert Product("any", rows=2, inner=3, columns=5, batch=7, calls=11).flops == 2 * 30 * 77


def test_every_product_of_a_small_network_by_hand():
    """20 windows of 6 cycles, 3 steps of 2 cycles each; 3 channels of kernel 3 on 4 columns."""
    config = config_of(cnn={"channels": [3], "kernel": 3, "pool": 2})
    assert matrix_products(config) == [
        Product("cnn forward", 120, 12, 3),
        Product("cnn gradient of weights", 3, 120, 12),
        Product("bilstm input forward", 60, 7, 8, calls=2),
        Product("bilstm input gradient of weights", 8, 60, 7, calls=2),
        Product("bilstm input gradient of input", 60, 8, 7, calls=2),
        Product("bilstm recurrence forward", 20, 2, 8, calls=4),
        Product("bilstm recurrence gradient of state", 20, 8, 2, calls=4),
        Product("bilstm recurrence gradient of weights", 8, 40, 2, calls=2),
        Product("shared forward", 20, 4, 5),
        Product("shared gradient of weights", 5, 20, 4),
        Product("shared gradient of input", 20, 5, 4),
        Product("rul_head forward", 20, 5, 1),
        Product("rul_head gradient of weights", 1, 20, 5),
        Product("rul_head gradient of input", 20, 1, 5),
        Product("health_head forward", 20, 5, 3),
        Product("health_head gradient of weights", 3, 20, 5),
        Product("health_head gradient of input", 20, 3, 5),
    ]


def test_a_second_layer_reads_the_states_of_both_directions():
    found = by_part(config_of(bilstm={"hidden": 2, "layers": 2}))
    assert found["bilstm input forward"] == Product("bilstm input forward", 120, 4, 8, calls=2)


def test_only_the_first_layer_needs_no_input_gradient():
    second = "cnn gradient of input"
    assert second not in by_part(config_of())
    two = by_part(config_of(cnn={"channels": [3, 5], "kernel": 3}))
    assert two[second] == Product(second, 120, 5, 9)
    without_cnn = by_part(config_of(cnn={"channels": []}))
    assert "bilstm input gradient of input" not in without_cnn
    deep = by_part(config_of(cnn={"channels": []}, bilstm={"hidden": 2, "layers": 2}))
    assert deep["bilstm input gradient of input"].inner == 8


def test_a_window_of_one_step_has_no_recurrence():
    found = by_part(config_of(cnn={"channels": [3], "kernel": 3, "pool": 6}))
    assert not [part for part in found if "recurrence" in part]


def test_the_attention_of_the_last_state_by_hand():
    """States of 4 columns, 6 steps, query and keys of 3 columns."""
    found = by_part(config_of(attention={"name": "last_state", "hidden": 3}))
    assert found["attention query forward"] == Product("attention query forward", 20, 4, 3)
    assert found["attention key forward"] == Product("attention key forward", 20, 3, 4)
    scores, context = "attention scores forward", "attention context forward"
    assert found[scores] == Product(scores, 1, 4, 6, batch=20)
    assert found[context] == Product(context, 1, 6, 4, batch=20)


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN:UserWarning")
@pytest.mark.parametrize("attention", [{"name": "none"}, {"hidden": 3}, SELF])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cnn", [{"channels": []}, {"channels": [3, 5], "kernel": 3, "pool": 2}])
def test_pytorch_counts_the_same(attention, layers, cnn):
    """But that it multiplies by the states before the first step, which are zeros."""
    attention = {"name": "last_state", **attention}
    config = config_of(cnn=cnn, bilstm={"hidden": 2, "layers": layers}, attention=attention)
    step = random_batch_step(config)
    plain = torch.backends.mkldnn.flags(enabled=False)  # a fused LSTM call is not counted
    with sdpa_kernel(SDPBackend.MATH), plain, FlopCounterMode(display=False) as counter:
        step()
    of_zeros = Product("", 20, 2, 8, calls=2 * 2 * layers).flops  # forward, and of weights
    counted = sum(product.flops for product in matrix_products(config))
    assert counter.get_total_flops() == counted + of_zeros


def test_work_of_the_shipped_networks():
    """FD001: 256 windows, 15 columns, 30 steps, 32 channels, 64 states; sums of terms, times 2."""
    terms = {
        "cnn": 2 * 256 * 90 * 75 * 32,
        "input": 3 * 2 * 256 * 30 * 47 * 256,
        "recurrence": 3 * 2 * 256 * 29 * 64 * 256,
        "attention": 3 * 256 * (2 * 128 * 64 + 2 * 30 * 128),
        "layers": 3 * 256 * (256 * 64 + 64 * 1 + 64 * 3),
    }
    found = matrix_products(load_config("fd001", ["train.batch_size=256"]))
    assert sum(product.flops for product in found) == 2 * sum(terms.values())


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_every_shipped_configuration_has_a_list(name):
    assert all(min(product[1:]) > 0 for product in matrix_products(load_config(name)))


def test_products_are_computed_in_their_shapes():
    listed = [Product("one", 2, 3, 4, calls=3), Product("many", 1, 5, 6, batch=7)]
    with FlopCounterMode(display=False) as counter:
        compute_products(listed)()
    assert counter.get_total_flops() == sum(product.flops for product in listed)


def test_times_alternate_after_the_warm_up(monkeypatch):
    calls, clock = [], iter(range(1000))
    monkeypatch.setattr(limit, "random_batch_step", lambda _: lambda: calls.append("step"))
    monkeypatch.setattr(limit, "compute_products", lambda _: lambda: calls.append("products"))
    monkeypatch.setattr(limit.time, "perf_counter", lambda: float(next(clock)))
    config = config_of()
    found = measure_products(config, repeats=3, warm_up=2)
    assert calls == ["step", "products"] * 5
    assert found.steps == found.products == [1.0] * 3
    assert found.flops == sum(product.flops for product in matrix_products(config))


def test_measuring_leaves_the_random_numbers_alone():
    before = torch.get_rng_state()
    found = measure_products(config_of(), repeats=2)
    assert torch.get_rng_state().equal(before)
    assert len(found.steps) == len(found.products) == len(found.shares) == 2
    assert min(found.shares) > 0


def test_a_share_is_a_ratio_of_rates():
    """6 operations in 4 s beside 6 in 1 s: a quarter of the rate."""
    assert ProductTimes(flops=6, steps=[4.0, 2.0], products=[1.0, 1.0]).shares == [0.25, 0.5]
