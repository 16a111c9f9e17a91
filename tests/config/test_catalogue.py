from cmapss_rul.config import shipped as module
from cmapss_rul.config.catalogue import Choice, choices, configurations

from ._models import Run


def test_unions_are_listed_by_the_key_that_chooses():
    assert choices(Run) == {
        "balancer.name": [
            Choice("fixed", "Constant weights."),
            Choice("gradnorm", "Equal gradient norms."),
            Choice("plain", "Nothing to set."),
        ],
        "others.name": [
            Choice("fixed", "Constant weights."),
            Choice("gradnorm", "Equal gradient norms."),
            Choice("plain", "Nothing to set."),
        ],
    }


def test_configurations_are_described_by_their_first_line(tmp_path, monkeypatch):
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "a.yaml").write_text(
        "#  A small one: très joli\x1b[31m.\n# more\nseed: 1\n", "utf-8"
    )
    (configs / "b.yaml").write_text("seed: 1\n")
    (configs / "c.yaml").write_text("")
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "cmapss_rul")
    assert configurations() == [
        Choice("a", "A small one: très joli\\x1b[31m."),
        Choice("b", ""),
        Choice("c", ""),
    ]
