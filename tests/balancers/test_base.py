import pytest
import torch

from cmapss_rul.balancers import BalancedLoss, Balancer, FixedConfig
from cmapss_rul.balancers.base import normalised_sum, per_task, weighted_sum


class Plain(Balancer):
    """A minimal balancer."""

    def balance(self, losses, shared):  # noqa: ARG002
        return weighted_sum(losses, torch.ones(2))


def test_a_balancer_without_a_method_cannot_be_made():
    with pytest.raises(TypeError, match="balance"):
        Balancer(FixedConfig())


def test_defaults_have_no_optimiser_and_no_diagnostics():
    balancer = Plain(FixedConfig())
    assert balancer.optimiser() is None
    assert balancer.diagnostics(torch.ones(2)) == {}
    assert balancer(torch.tensor([3.0, 4.0])).total.item() == 7


def test_defaults_ignore_kpis_and_epochs():
    balancer = Plain(FixedConfig())
    assert not balancer.uses_kpis
    balancer.observe(torch.ones(2))
    balancer.epoch_end(torch.ones(2))
    assert balancer(torch.ones(2), None, torch.ones(5)).weights.tolist() == [1, 1]


def test_kpis_are_observed_before_the_losses_are_balanced():
    class Watching(Plain):
        uses_kpis = True
        seen = ()

        def observe(self, kpis):
            self.seen += ("kpis", *kpis.tolist())

        def balance(self, losses, shared):
            self.seen += ("losses",)
            return super().balance(losses, shared)

    balancer = Watching(FixedConfig())
    balancer(torch.ones(2), kpis=torch.tensor([0.25, 0.5]))
    assert balancer.seen == ("kpis", 0.25, 0.5, "losses")


def test_shape_is_refused_with_what_was_found_and_expected():
    with pytest.raises(ValueError) as caught:
        Plain(FixedConfig())(torch.ones(2, 1))
    assert str(caught.value) == (
        "`losses` should be the RUL and the health loss, shape (2,), found shape (2, 1)"
    )


def test_weighted_sum_stops_the_gradient_of_the_weights():
    losses = torch.tensor([3.0, 5.0], requires_grad=True)
    weights = torch.tensor([2.0, 0.5], requires_grad=True)
    total, stated = weighted_sum(losses, weights)
    total.backward()
    assert total.item() == 8.5
    assert losses.grad.tolist() == stated.tolist() == [2.0, 0.5]
    assert weights.grad is None


def test_normalised_sum_is_exactly_one_for_a_loss_over_itself():
    losses = torch.rand(2, 1000) * 5000 + 1e-3
    for pair in losses.T:
        assert normalised_sum(pair, pair, scale=0.5).total.item() == 1.0


def test_normalised_sum_returns_the_factor_of_the_gradient():
    losses = torch.tensor([3.0, 5.0], requires_grad=True)
    total, weights = normalised_sum(losses, losses * 2, scale=0.5)
    total.backward()
    assert total.item() == 0.5
    torch.testing.assert_close(weights, losses.grad)
    torch.testing.assert_close(weights, torch.tensor([0.5 / 6, 0.05]))


def test_balanced_loss_unpacks_as_total_and_weights():
    assert BalancedLoss._fields == ("total", "weights")


def test_log_names_end_with_the_task():
    assert list(per_task("rate", torch.ones(2))) == ["rate_rul", "rate_health"]
