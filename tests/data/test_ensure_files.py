import itertools
import multiprocessing
import subprocess
import sys

import pytest

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.sources import VARIABLE, ensure_files
from cmapss_rul.data.verification import provenance
from cmapss_rul.system.errors import DataError
from tests.data._texts import small_set, zipped

FILES = small_set()


def config(folder, **options) -> DataConfig:
    return DataConfig(dir=str(folder), **options)


@pytest.fixture
def source(tmp_path, monkeypatch):
    path = tmp_path / "source.zip"
    path.write_bytes(zipped(FILES))
    monkeypatch.setenv(VARIABLE, str(path))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("source")
def test_only_missing_files_are_fetched(tmp_path):
    folder = tmp_path / "raw"
    assert ensure_files(config(folder), ["train"]) == {"train": folder / "train_FD001.txt"}
    assert names(folder) == ["train_FD001.txt"]
    assert ensure_files(config(folder), ["test", "RUL"], progress=False) == {
        "test": folder / "test_FD001.txt",
        "RUL": folder / "RUL_FD001.txt",
    }
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES


def test_existing_files_need_no_source(tmp_path):
    (tmp_path / "train_FD001.txt").write_text("checked by whoever reads it")
    assert ensure_files(config(tmp_path), ["train"]) == {"train": tmp_path / "train_FD001.txt"}


def test_one_line_names_the_expected_path(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "not/there")
    with pytest.raises(DataError) as caught:
        ensure_files(config(tmp_path / "raw", subset="FD003"), ["train"])
    assert str(caught.value).startswith(
        f"train_FD003.txt could not be fetched into {tmp_path / 'raw'}: "
        f"{VARIABLE}=not/there: there is no such file or folder"
    )
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("subset", ["FD001", "FD004"])
def test_simulated_with_the_defaults_of_the_command(tmp_path, subset):
    data = config(tmp_path / "a", subset=subset, source="simulated")
    paths = ensure_files(data, ["train", "test", "RUL"])
    kinds = {"FD001": (1, 1), "FD004": (6, 2)}[subset]
    simulate(tmp_path / "b", conditions=kinds[0], faults=kinds[1])
    for path in paths.values():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        assert provenance(path).simulated
    assert names(tmp_path / "a") == names(tmp_path / "b")


def test_files_simulated_later_by_another_command(tmp_path):
    data = config(tmp_path, source="simulated")
    ensure_files(data, ["train"])
    assert names(tmp_path) == ["manifest_FD001.json", "train_FD001.txt"]
    ensure_files(data, ["test", "RUL"])
    assert len(names(tmp_path)) == 4


def test_a_complete_simulated_fleet_of_other_parameters_is_used(tmp_path):
    simulate(tmp_path, engines=3)
    data = config(tmp_path, source="simulated")
    ensure_files(data, ["train", "test", "RUL"])
    (tmp_path / "test_FD001.txt").unlink()
    ensure_files(data, ["train"])
    with pytest.raises(DataError, match="simulated FD001 made with engines 3, not 100"):
        ensure_files(data, ["test"])


def test_other_files_are_not_taken_for_simulated_ones(tmp_path):
    data = config(tmp_path, source="simulated")
    (tmp_path / "train_FD001.txt").write_bytes(FILES["train_FD001.txt"])
    with pytest.raises(DataError, match="'simulated', but `rul simulate` did not make this file"):
        ensure_files(data, ["train"])
    with pytest.raises(DataError, match=r"train_FD001.txt: was not made by `rul simulate`"):
        ensure_files(data, ["test"])
    assert names(tmp_path) == ["train_FD001.txt"]


@pytest.mark.usefixtures("source")
def test_simulated_files_are_not_completed_by_a_download(tmp_path):
    simulate(tmp_path / "raw", engines=2)
    (tmp_path / "raw" / "RUL_FD001.txt").unlink()
    with pytest.raises(DataError, match="contains a simulated FD001"):
        ensure_files(config(tmp_path / "raw"), ["RUL"])


AUDIT = """
import sys
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.reader import read_fleet
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
read_fleet(ensure_files(DataConfig(dir=sys.argv[1], source=sys.argv[2]), ["train"])["train"])
print(sorted({name for name in opened if "test_FD" in name or "RUL_FD" in name}))
"""


@pytest.mark.parametrize(
    ("source", "state"),
    [
        *itertools.product(["official", "simulated"], ["intact", "scrambled", "deleted"]),
        ("simulated", "train missing"),
    ],
)
def test_training_opens_no_test_file(tmp_path, source, state):
    simulate(tmp_path)
    for name in ("test_FD001.txt", "RUL_FD001.txt"):
        if state == "scrambled":
            (tmp_path / name).write_bytes(b"\xff")
        if state == "deleted":
            (tmp_path / name).unlink()
    if state == "train missing":
        (tmp_path / "train_FD001.txt").unlink()
    command = [sys.executable, "-c", AUDIT, str(tmp_path), source]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def _provide_train(folder: str) -> bytes:
    paths = ensure_files(config(folder, source="simulated"), ["train", "test", "RUL"])
    return b"".join(path.read_bytes() for path in paths.values())


def test_several_processes_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        found = pool.map(_provide_train, [str(tmp_path)] * 6, chunksize=1)
    assert len(set(found)) == 1
    assert len(names(tmp_path)) == 4
