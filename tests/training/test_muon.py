"""Muon: singular values, a step by hand, comparison with PyTorch, use in a training step."""

import copy

import pytest
import torch

from cmapss_rul.training.muon import COEFFICIENTS, NEWTON_SCHULZ_ITERATIONS, Muon, orthogonalise
from tests.training.inputs import NOISY_MODEL, differences
from tests.training.test_step import PLAN, batch, training_step, weights

MUON = {"train": {"optimiser": "muon", "learning_rate": 0.01}}


def drawn(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def take_three_steps(ours, own, theirs, other):
    """Step two optimisers with the same gradients."""
    for seed in range(3):
        torch.manual_seed(seed)
        for one, two in zip(own, other, strict=True):
            one.grad = torch.randn_like(one)
            two.grad = one.grad.clone()
        ours.step()
        theirs.step()


def polynomial(value):
    a, b, c = COEFFICIENTS
    return a * value + b * value**3 + c * value**5


@pytest.mark.parametrize("rounds", [1, 3, 5])
def test_rounds_apply_the_polynomial_to_the_singular_values_only(rounds):
    parts = drawn((8, 3), (3, 8), (5, 5), (1, 4), (6, 1))
    for part, found in zip(parts, orthogonalise(parts, rounds), strict=True):
        left, values, right = torch.linalg.svd(part / part.norm(), full_matrices=False)
        for _ in range(rounds):
            values = polynomial(values)
        torch.testing.assert_close(found, left * values @ right)


def test_one_round_by_hand():
    """diag(3, 4) has norm 5: 0.6 and 0.8 go to 1.19327 and 0.97649."""
    (found,) = orthogonalise([torch.diag(torch.tensor([3.0, 4.0]))], iterations=1)
    expected = torch.diag(torch.tensor([1.19327, 0.97649]))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_five_rounds_nearly_orthogonalise_and_two_leave_the_smallest():
    values = torch.tensor([1.0, 0.3, 0.1, 0.03, 0.01], dtype=torch.float64)
    matrix = torch.diag(values)
    five, two = (orthogonalise([matrix], rounds)[0].diagonal() for rounds in (5, 2))
    assert ((five > 0.65) & (five < 1.25)).all()
    assert ((two[:3] > 0.65) & (two < 1.25)[:3]).all()
    assert two[4] < 0.2


def test_a_zero_matrix_stays_zero():
    still, other = orthogonalise([torch.zeros(3, 2), torch.eye(2)])
    assert not still.any()
    assert other.isfinite().all()


def test_a_step_by_hand():
    """M = 0.05 G, U = 0.95 M + 0.05 G; of one number, U / |U| = 1 goes through the rounds."""
    weight = torch.nn.Parameter(torch.tensor([[2.0]]))
    optimiser = Muon([weight], lr=0.1, weight_decay=0.5)
    weight.grad = torch.tensor([[-3.0]])
    optimiser.step()
    one = polynomial(polynomial(1.0))
    assert weight.item() == pytest.approx(2 * (1 - 0.1 * 0.5) + 0.1 * 0.2 * one)
    assert optimiser.state[weight]["momentum"].item() == pytest.approx(-0.15)
    weight.grad = torch.tensor([[3.0]])
    optimiser.step()  # M = 0.95 · −0.15 + 0.15 = 0.0075, U = 0.157: the new gradient leads
    assert optimiser.state[weight]["momentum"].item() == pytest.approx(0.0075)
    assert weight.item() < 1.92


def test_steps_equal_those_of_pytorch_up_to_bfloat16():
    start = [part.float() for part in drawn((16, 5), (16, 8), (4, 9))]
    own, other = ([torch.nn.Parameter(part.clone()) for part in start] for _ in range(2))
    settings = {"lr": 0.01, "weight_decay": 0.1}
    theirs = torch.optim.Muon(
        other, **settings, ns_steps=NEWTON_SCHULZ_ITERATIONS, adjust_lr_fn="match_rms_adamw"
    )
    ours = Muon(own, **settings)
    take_three_steps(ours, own, theirs, other)
    for one, two, first in zip(own, other, start, strict=True):
        assert float((one - two).detach().norm() / (two - first).detach().norm()) < 0.02


def test_other_weights_are_updated_by_adamw():
    start = [part.float() for part in drawn((4, 3), (7,), (2, 3, 5))]
    own, other = ([torch.nn.Parameter(part.clone()) for part in start] for _ in range(2))
    settings = {"lr": 0.01, "weight_decay": 0.1}
    ours, theirs = Muon([], own, **settings), torch.optim.AdamW(other, **settings, fused=True)
    take_three_steps(ours, own, theirs, other)
    assert differences(own, other) == []


def test_muon_updates_the_bilstm_matrices_and_adamw_the_rest():
    one = training_step(model=NOISY_MODEL, **MUON)
    names = {id(weight): name for name, weight in one.network.named_parameters()}
    matrices, others = ([names[id(w)] for w in g["params"]] for g in one.optimiser.param_groups)
    assert set(matrices) == {
        f"bilstm.lstm.weight_{kind}_l{layer}{way}"
        for kind in ("ih", "hh") for layer in (0, 1) for way in ("", "_reverse")
    }  # fmt: skip
    assert sorted(matrices + others) == sorted(names.values())
    assert isinstance(training_step().optimiser, torch.optim.AdamW)


def test_a_step_moves_every_weight_at_the_rate_of_the_schedule():
    one = training_step(**MUON)
    before = weights(one.network)
    one.take(batch(), 10, PLAN)
    (rate,) = {group["lr"] for group in one.optimiser.param_groups}
    assert rate == pytest.approx(0.005)  # half-way through the cosine
    assert not any(torch.equal(a, b) for a, b in zip(before, weights(one.network), strict=True))


def test_a_non_finite_gradient_blocks_every_later_update():
    one = training_step(**MUON)
    one.take(batch(0), 0, PLAN)
    before = weights(one.network)
    one.take(batch(1, scale=float("nan")), 1, PLAN)
    one.take(batch(2), 2, PLAN)
    assert int(one.first_bad) == 1
    assert differences(before, weights(one.network)) == []


def test_the_state_resumes_exactly():
    one, other = training_step(**MUON), training_step(**MUON)
    one.take(batch(), 0, PLAN)
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    for each in (one, other):
        each.take(batch(1), 1, PLAN)
    assert differences(one.state_dict(), other.state_dict()) == []
