"""Content of checkpoints, and refusal of damaged or foreign ones."""

import io
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cmapss_rul.data.reader import read_fleet
from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint import Checkpoint
from cmapss_rul.training.checkpoint_file import read, write
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.trained_model import restore
from tests.training.inputs import differences, tiny_config

PLAIN = (dict, list, str, int, float, bool, type(None), torch.Tensor)


def leaves(value, where=""):
    """All values with their paths."""
    yield where, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{where}/{key}")
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from leaves(inner, f"{where}/{position}")


def refused(path, match):
    with pytest.raises(CheckpointError, match=match) as caught:
        read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("name", ["best.pt", "last.pt"])
def test_a_checkpoint_loads_with_weights_only_and_is_plain(finished_run, name):
    content = torch.load(finished_run / name, weights_only=True)
    for where, value in leaves(content):
        assert type(value) in PLAIN or type(value) is tuple, (where, type(value))


def test_the_top_level_keys_are_as_documented(finished_run):
    content = read(finished_run / "last.pt")
    assert set(content) == {
        "format_version", "versions", "config", "data", "preprocessor", "split", "host", "model",
        "optimiser", "schedule", "balancer", "balancer_optimiser", "model_raw", "rng", "loop",
    }  # fmt: skip
    assert content["format_version"] == checkpoint_file.FORMAT_VERSION == 1
    assert content["config"]["data"]["cap"] == 125
    assert content["config"]["data"]["window"] == 5
    assert content["data"]["subset"] == "FD001"
    assert content["data"]["simulated"]
    assert not content["data"]["official"]
    assert len(content["split"]["training"]) + len(content["split"]["validation"]) == 8


def test_paths_times_and_host_facts_are_only_under_host(finished_run, eight_engine_dir):
    content = read(finished_run / "last.pt")
    host = content.pop("host")
    assert host["folder"] == str(finished_run)
    assert host["data_dir"] == str(eight_engine_dir)
    assert host["device"] == "cpu"
    assert host["threads"] == 1
    assert len(host["clock"]["rows"]) == 2
    for where, value in leaves(content):
        assert not (isinstance(value, str) and ("/" in value or "mine" in value)), (where, value)
        assert not re.search(r"second|time|dir$|folder|host|device$|path", where), where


def test_the_restored_model_equals_the_trained_one(finished_run, eight_engine_dir):
    model = restore(finished_run)
    content = read(finished_run / "best.pt")
    data = load_data(tiny_config(eight_engine_dir))
    assert model.path == finished_run / "best.pt"
    assert model.config == tiny_config(eight_engine_dir)
    assert not model.network.training
    assert differences(dict(model.network.state_dict()), content["model"]) == []
    assert model.engines.training == data.engines.training.tolist()
    assert model.engines.validation == data.engines.validation.tolist()
    assert model.data.mean_label == data.mean_label
    assert model.epoch == content["loop"]["best_epoch"]
    assert model.val_rmse == content["loop"]["best_value"]
    assert set(model.versions.model_dump()) == {"cmapss_rul", "torch", "python"}
    fleet = read_fleet(eight_engine_dir / "train_FD001.txt")
    expected = data.preprocessor.transform(fleet)
    assert (model.preprocessor.transform(fleet) == expected).all()
    assert restore(str(finished_run / "last.pt")).epoch == 2


def test_content_survives_writing_and_reading(tmp_path):
    content = {"format_version": 1, **{part: {"a": [1, 2.5]} for part in checkpoint_file.PARTS}}
    content["model"] = {"w": torch.tensor([1.0, float("nan")])}
    write(tmp_path / "x.pt", content)
    again = read(tmp_path / "x.pt")
    assert again.pop("model")["w"].view(torch.int32).tolist() == (
        content.pop("model")["w"].view(torch.int32).tolist()
    )
    assert again == content


def test_equal_contents_give_equal_bytes_under_any_name(finished_run, tmp_path):
    content = read(finished_run / "last.pt")
    for name in ("one.pt", "other name.pt"):
        write(tmp_path / name, content)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "other name.pt").read_bytes()


def test_a_missing_file_lists_the_files_in_its_folder(finished_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # runs of the current folder are listed, too
    refused(finished_run / "bset.pt", "no such checkpoint; its folder contains best.pt, last.pt")
    refused(tmp_path / "x.pt", "no such checkpoint; its folder contains no checkpoint$")
    for age, name in enumerate("abcd"):
        copy = shutil.copytree(finished_run, tmp_path / "runs" / name) / "best.pt"
        os.utime(copy, (1_000_000_000 - age,) * 2)
    newest = "the newest runs are runs/a, runs/b, runs/c$"
    refused(Path("runs/mien"), f"its folder contains no checkpoint; {newest}")
    refused(Path("run/a"), rf"\(and no folder run\); {newest}")
    refused(tmp_path / "no" / "x.pt", r"no such checkpoint \(and no folder .*no\)")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"this is a text\n" * 40, b"<!DOCTYPE html>", bytes(range(256)) * 10],
    ids=["empty", "two bytes", "text", "page", "bytes"],
)
def test_files_other_than_checkpoints_are_refused(tmp_path, content):
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    refused(
        path, "this is not a checkpoint of cmapss_rul, or its end is missing; expected a best.pt"
    )


def test_a_foreign_checkpoint_is_refused(tmp_path):
    path = tmp_path / "x.pt"
    torch.save({"format_version": 1, "state_dict": {}}, path)
    refused(path, "not a checkpoint of cmapss_rul")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
        archive.comment = b"cmapss_rul sha256 " + b"0" * 64
    refused(path, "digest does not match")


def test_code_in_a_checkpoint_is_never_run(tmp_path, monkeypatch):
    class Trap:
        def __reduce__(self):
            return (print, ("boom",))

    called = []
    monkeypatch.setattr("builtins.print", called.append)
    write(tmp_path / "x.pt", {"format_version": 1, "config": Trap()})
    refused(tmp_path / "x.pt", "cannot be loaded")
    assert called == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_flipped_bit_is_detected(finished_run, tmp_path, position, bit):
    data = bytearray((finished_run / "last.pt").read_bytes())
    data[int(position * len(data))] ^= 1 << bit
    path = tmp_path / "flipped.pt"
    path.write_bytes(data)
    refused(path, "is damaged, its digest|not a checkpoint of cmapss_rul")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.9999))
def test_any_truncation_is_detected(finished_run, tmp_path, share):
    data = (finished_run / "last.pt").read_bytes()
    path = tmp_path / "cut.pt"
    path.write_bytes(data[: int(share * len(data))])
    refused(path, "or its end is missing")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_version_says_what_to_do(finished_run, tmp_path, version):
    content = {**read(finished_run / "last.pt"), "format_version": version}
    write(tmp_path / "x.pt", content)
    refused(tmp_path / "x.pt", f"found checkpoint format {version}, expected 1; train again, or")


def test_a_list_is_no_checkpoint(tmp_path):
    write(tmp_path / "x.pt", [1, 2])  # type: ignore[arg-type]
    refused(tmp_path / "x.pt", "found checkpoint format None")


@pytest.mark.parametrize("part", checkpoint_file.PARTS)
def test_a_missing_part_is_named(finished_run, tmp_path, part):
    content = read(finished_run / "best.pt")
    del content[part]
    write(tmp_path / "x.pt", content)
    refused(tmp_path / "x.pt", f"its part {part} is missing; train again")


def test_a_configuration_that_is_no_longer_valid_says_what_to_do(finished_run, tmp_path):
    content = read(finished_run / "best.pt")
    content["config"]["train"]["bogus"] = 3
    content["versions"]["cmapss_rul"] = "0.0.1"
    path = tmp_path / "x.pt"
    write(path, content)
    with pytest.raises(CheckpointError) as caught:
        Checkpoint.from_content(read(path), path).run_config()
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(path), "train.bogus", "train again", "version 0.0.1, which wrote it"):
        assert word in text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content["model"].popitem(),
        lambda content: content["model"].update(extra=torch.zeros(1)),
        lambda content: content["preprocessor"].pop("centre"),
        lambda content: content["split"].pop("training"),
        lambda content: content["loop"].pop("history"),
        lambda content: content["host"].pop("data_dir"),
        lambda content: content["config"].pop("data"),
    ],
)
def test_missing_parts_are_reported_in_one_line(finished_run, tmp_path, spoil):
    content = read(finished_run / "best.pt")
    spoil(content)
    write(tmp_path / "x.pt", content)
    with pytest.raises(CheckpointError, match="missing or has another shape") as caught:
        restore(tmp_path / "x.pt")
    assert "\n" not in str(caught.value)


def test_weights_of_another_shape_are_refused_and_not_broadcast(finished_run, tmp_path):
    content = read(finished_run / "best.pt")
    for name, value in content["model"].items():
        if value.ndim == 1:
            content["model"][name] = value[:1]
    write(tmp_path / "x.pt", content)
    with pytest.raises(CheckpointError, match="size mismatch"):
        restore(tmp_path / "x.pt")


def test_a_checkpoint_within_the_first_epoch_has_no_metric(finished_run, tmp_path):
    content = read(finished_run / "last.pt")
    content["loop"].update(history=[], epoch=0)
    content["host"]["clock"]["rows"] = []
    write(tmp_path / "x.pt", content)
    model = restore(tmp_path / "x.pt")
    assert (model.epoch, model.val_rmse) == (0, float("inf"))


def test_control_characters_in_a_name_are_escaped(finished_run, tmp_path):
    path = tmp_path / "a\x1b[31mb.pt"
    shutil.copy(finished_run / "last.pt", path)
    assert read(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert r"a\x1b[31mb.pt" in str(caught.value)


def test_torch_load_reads_the_file(finished_run):
    data = (finished_run / "last.pt").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert re.fullmatch(rb"cmapss_rul sha256 [0-9a-f]{64}", archive.comment)
