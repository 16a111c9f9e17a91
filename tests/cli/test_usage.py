"""Common mistakes on the command line: configuration keys as options, duplicate options."""

import pytest


def refused(found):
    code, out, err = found
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    return err.removeprefix("rul: error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        ("train --epochs 3", "--set train.epochs=3"),
        ("train --config fd001 --epochs=3", "--set train.epochs=3"),
        ("train --balancer gradnorm", "--set balancer.name=gradnorm"),
        ("train --lr 1e-3", "--set train.learning_rate=1e-3"),
        ("train --learning-rate 1e-3", "--set train.learning_rate=1e-3"),
        ("train --learning_rate 1e-3", "--set train.learning_rate=1e-3"),
        ("train --batch-size 64", "--set train.batch_size=64"),
        ("train --window 30", "--set data.window=30"),
        ("train --subset FD002", "--set data.subset=FD002"),
        ("train --optimizer muon", "--set train.optimiser=muon"),
        ("train --weight-decay 0", "--set train.weight_decay=0"),
        ("train --schedule cosine", "--set train.schedule.name=cosine"),
        ("train --patience", "--set train.patience=VALUE"),
        ("train --warmup --seed 3", "--set train.warmup=VALUE"),
        ("train --dropout 0.1", "--set model.cnn.dropout=0.1 (or model.bilstm.dropout, "),
        ("compare --config fd001 --epochs 3", "--set train.epochs=3"),
        ("config show fd001 --epochs 3", "--set train.epochs=3"),
    ],
)
def test_a_key_as_an_option_suggests_set(rul, words, typed):
    option = next(word for word in words.split() if word.startswith("--") and word != "--config")
    message = refused(rul(*words.split()))
    assert message.startswith(f"{option.partition('=')[0]} is not an option of rul ")
    assert f"configuration: {typed}" in message


@pytest.mark.parametrize("option", ["--confg", "--zzz", "--name", "--model"])
def test_other_options_are_refused_as_before(rul, option):
    assert refused(rul("train", option, "x")).startswith(f"No such option: {option}")


def test_a_value_is_quoted_for_the_shell(rul):
    assert "--set data.window='3 4'" in refused(rul("train", "--window", "3 4"))


@pytest.mark.parametrize("words", [["train"], ["train", "--seed", "3"], ["compare"]])
def test_a_positional_configuration_suggests_its_option(rul, words):
    assert refused(rul(*words, "fd001")) == (
        "found fd001, expected options alone; the configuration is named by --config fd001"
    )


def test_duplicate_options_are_refused(rul):
    assert refused(rul("train", "--config", "a", "-c", "b")) == (
        "--config is given 2 times; give it once"
    )
    assert "--seed is given 3 times" in refused(rul("train", *["--seed", "1"] * 3))
    assert "--level" in refused(rul("calibrate", "run", "--level", "0.5", "--level", "0.9"))


def test_old_option_names_still_work(rul):
    words = ("download-data", "--source", "none.zip", "--subset", "FD001")
    old, present = rul(*words, "--dir", "raw"), rul(*words, "--data", "raw")
    assert old == present
    assert old[0] == 1
    assert "could not be fetched into raw: " in old[2]
    assert "--dir" not in rul("download-data", "--help")[1]


def test_options_for_several_values_are_repeated(rul):
    several = ("--set", "train.epochs=1", "--set", "train.batch_size=9")
    assert rul("config", "validate", "demo", *several)[:2] == (0, "valid\n")


def test_shipped_names_are_case_insensitive(rul):
    assert rul("config", "show", "FD001") == rul("config", "show", "fd001")


def test_choices_are_sorted_by_similarity(rul):
    listed = refused(rul("train", "--config", "fd01")).partition("shipped: ")[2].split(", ")
    assert listed[0] == "fd001"
    assert listed[1:] == sorted(listed[1:])
    message = refused(rul("config", "validate", "demo", "--set", "balancer.name=zzz"))
    names = message.partition("one of ")[2].partition(", found")[0].split(", ")
    assert names == sorted(names)
    blocks = rul("config", "list")[1].split("\n\n")
    for block in blocks:
        names = [line.split()[0] for line in block.splitlines()[1:]]
        assert names == sorted(names)
