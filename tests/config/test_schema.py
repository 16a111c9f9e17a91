import pytest

from cmapss_rul.config.schema import NamedOption, choices, find_location, models_in, tags

from ._models import Balancer, Fixed, GradNorm, Plain, Run, Train


@pytest.mark.parametrize(
    ("loc", "key"),
    [
        ((), ""),
        (("seed",), "seed"),
        (("train", "epochs"), "train.epochs"),
        (("data", "columns", 3), "data.columns[3]"),
        (("balancer",), "balancer"),
        (("balancer", "gradnorm", "alpha"), "balancer.alpha"),
        (("balancer", "fixed", "weights", 1), "balancer.weights[1]"),
        (("others", 2, "plain", "x"), "others[2].x"),
        (("train", "stop", "int"), "train.stop"),
        (("train", "stop", "tuple[int, ...]", 0), "train.stop[0]"),
        (("nothing", "below"), "nothing"),
        ((0,), "[0]"),
    ],
)
def test_the_key_is_the_one_that_the_user_wrote(loc, key):
    assert find_location(Run, loc).key == key


def test_models_around_a_place():
    here = find_location(Run, ("balancer", "gradnorm", "weights"))
    assert here.parents == (GradNorm,)
    assert here.siblings == (Fixed, GradNorm, Plain)
    assert find_location(Run, ("balancer",)).models == (Fixed, GradNorm, Plain)
    assert find_location(Run, ("train", "epochs")).parents == (Train,)
    assert find_location(Run, ("train", "epochs")).models == ()


def test_nullable_fields_are_known():
    assert find_location(Run, ("train", "threads")).nullable
    assert not find_location(Run, ("train", "epochs")).nullable
    assert not find_location(Run, ("train", "threads", 0)).nullable


def test_a_key_named_like_a_member_is_a_key():
    assert find_location(Run, ("balancer", "fixed", "fixed")).key == "balancer.fixed"


def test_tags_are_the_values_of_name():
    assert tags(Fixed) == ("fixed",)
    assert tags(Run) == ()


def test_models_are_found_through_unions_lists_and_annotations():
    assert models_in(Balancer) == (Fixed, GradNorm, Plain)
    assert models_in(tuple[Balancer, ...]) == (Fixed, GradNorm, Plain)
    assert models_in(Train | None) == (Train,)
    assert models_in(list[int] | dict[str, Train]) == (Train,)
    assert models_in(int) == ()
    assert models_in(tuple[int, ...]) == ()


def test_unions_are_listed_by_the_key_that_chooses():
    assert choices(Run) == {
        "balancer.name": [
            NamedOption("fixed", "Constant weights."),
            NamedOption("gradnorm", "Equal gradient norms."),
            NamedOption("plain", "Nothing to set."),
        ],
        "others.name": [
            NamedOption("fixed", "Constant weights."),
            NamedOption("gradnorm", "Equal gradient norms."),
            NamedOption("plain", "Nothing to set."),
        ],
    }
