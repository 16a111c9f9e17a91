"""The cache of training files: entries used while intact, rewritten otherwise, never required."""

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from cmapss_rul.data import cache, verification
from cmapss_rul.data.cache import cache_entry, cache_folder, read_cached_train
from cmapss_rul.data.reader import parse_fleet, read_fleet
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.verification import provenance
from cmapss_rul.system.errors import DataError
from tests.data._texts import fleet_text
from tests.system.test_locks import HOLDER

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A simulated training file of three engines."""
    folder = tmp_path_factory.mktemp("fleet")
    simulate(folder, engines=3)
    return (folder / "train_FD001.txt").read_bytes()


@pytest.fixture
def path(tmp_path, text):
    """The training file in its own folder, without a cache entry."""
    path = tmp_path / "data" / "train_FD001.txt"
    path.parent.mkdir()
    path.write_bytes(text)
    return path


@pytest.fixture
def forbid_parsing(monkeypatch):
    """A function after whose call parsing any text fails."""

    def refuse(*_):
        raise AssertionError("a text was parsed")

    return lambda: monkeypatch.setattr(cache, "parse_fleet", refuse)


def read(path):
    """Read the records; assert that their digest is that of the present file."""
    fleet, source = read_cached_train(path)
    assert source == provenance(path)
    return fleet


def entry_of(path):
    return cache_entry(path, provenance(path).sha256)


def assert_same(found, expected):
    for name in ("engine", "cycle", "values", "starts", "lengths"):
        one, other = getattr(found, name), getattr(expected, name)
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()
        assert one.shape == other.shape


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_the_second_read_parses_nothing_and_gives_the_same_bits(path, forbid_parsing):
    plain = read_fleet(path)
    assert_same(read(path), plain)
    assert names(path.parent) == ["cache", path.name]
    assert names(path.parent / "cache") == [entry_of(path).name]
    forbid_parsing()
    fleet = read(path)
    assert_same(fleet, plain)
    fleet.values[:] = 0  # its own memory: changes do not affect other readers
    assert_same(read(path), plain)


def test_an_entry_is_named_by_everything_it_depends_on(path, monkeypatch):
    one = cache_entry(path, "a" * 64)
    assert one.name.startswith("train_FD001-")
    others = [cache_entry(path, "b" * 64), cache_entry(path.with_stem("train_FD002"), "a" * 64)]
    monkeypatch.setattr(cache, "FORMAT", 2)
    others.append(cache_entry(path, "a" * 64))
    monkeypatch.undo()
    monkeypatch.setattr(cache, "__version__", "0.0.0")
    others.append(cache_entry(path, "a" * 64))
    assert len({one.name, *(other.name for other in others)}) == 5


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("data/raw", "data/cache"),
        ("data/simulated", "data/cache"),
        ("/home/me/data/raw", "/home/me/data/cache"),
        ("/home/me/raw", "/home/me/raw/cache"),
        ("fleets", "fleets/cache"),
        (".", "cache"),
    ],
)
def test_the_cache_folder_is_near_the_file(folder, expected):
    assert cache_folder(Path(folder) / "train_FD001.txt") == Path(expected)


def test_two_files_of_one_name_have_two_entries(tmp_path, text):
    for folder, content in (("raw", text), ("simulated", fleet_text(2, 1).encode())):
        path = tmp_path / "data" / folder / "train_FD001.txt"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        for _ in range(2):
            assert_same(read(path), read_fleet(path))
    assert len(names(tmp_path / "data" / "cache")) == 2


def test_a_changed_file_has_its_own_entry(path):
    read(path)
    path.write_text(fleet_text(2, 1))
    assert read(path).rows == 3


DAMAGES = {
    "first bit": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "a bit of a number": lambda content: content[:777] + bytes([content[777] ^ 8]) + content[778:],
    "last bit": lambda content: content[:-1] + bytes([content[-1] ^ 128]),
    "cut in a number": lambda content: content[:-3],
    "cut by a row": lambda content: content[: -26 * 8],
    "a row too many": lambda content: content + bytes(26 * 8),
    "seal alone": lambda content: content[:32],
    "cut in the seal": lambda content: content[:7],
    "empty": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
    "other": lambda _: b"<html>",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_rewritten_with_one_line(path, caplog, forbid_parsing, damage):
    plain = read(path)
    entry = entry_of(path)
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert_same(read(path), plain)
    assert caplog.messages == [f"{entry} is damaged or incomplete, and is created again"]
    assert entry.read_bytes() == whole
    forbid_parsing()
    assert_same(read(path), plain)
    assert len(caplog.messages) == 1


def test_a_misnamed_entry_is_not_used(path, caplog):
    read(path)
    first = entry_of(path).read_bytes()
    path.write_text(fleet_text(2, 1))
    entry_of(path).write_bytes(first)
    assert read(path).rows == 3
    assert len(caplog.messages) == 1


def test_a_folder_in_place_of_the_entry_is_ignored(path):
    entry_of(path).mkdir(parents=True)
    for _ in range(2):
        assert_same(read(path), read_fleet(path))
    assert entry_of(path).is_dir()


def test_an_unwritable_folder_gives_no_entry_and_no_failure(path, caplog):
    (path.parent / "cache").write_text("in the way")
    for _ in range(2):
        assert_same(read(path), read_fleet(path))
    assert names(path.parent) == ["cache", path.name]
    assert caplog.messages == []


def test_a_full_disk_gives_no_entry_and_no_failure(path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "atomic_file", full)
    assert_same(read(path), read_fleet(path))
    assert names(path.parent) == [path.name]


def test_partial_files_of_killed_processes_are_removed(path):
    folder = path.parent / "cache"
    folder.mkdir()
    (folder / f".{entry_of(path).name}.999999999.part").write_bytes(b"half")
    read(path)
    assert names(folder) == [entry_of(path).name]


def test_an_invalid_text_is_refused_each_time_and_leaves_nothing(path):
    path.write_text("1 1 2\n")
    for _ in range(2):
        with pytest.raises(DataError, match=r"train_FD001.txt, line 1: found 3 column\(s\)"):
            read(path)
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("size", ["other", "same"])
def test_an_entry_has_the_digest_of_the_bytes_that_were_parsed(path, monkeypatch, size):
    """The file changes after it was opened, possibly with unchanged time and size."""
    status = path.stat()

    def parse_after_a_change(stream, name):
        content = path.read_bytes()
        path.write_bytes(content[:-3] + b"9" + content[-2:] + b"\n" * (size == "other"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return parse_fleet(stream, name)

    before = entry_of(path)
    monkeypatch.setattr(cache, "parse_fleet", parse_after_a_change)
    fleet = read(path)
    assert_same(fleet, read_fleet(path))
    assert entry_of(path) != before
    assert names(path.parent / "cache") == [entry_of(path).name]


@pytest.mark.parametrize("size", ["other", "same"])
def test_a_file_that_changes_between_parsing_and_digest_is_refused(path, monkeypatch, size):
    status = path.stat()

    def parse_before_a_change(stream, name):
        fleet = parse_fleet(stream, name)
        content = path.read_bytes()
        path.write_bytes(content[:-3] + b"9" + content[-2:] + b"\n" * (size == "other"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return fleet

    monkeypatch.setattr(cache, "parse_fleet", parse_before_a_change)
    with pytest.raises(DataError) as caught:
        read_cached_train(path)
    assert str(caught.value) == (
        f"{path}: the file changed while it was read; run again when nothing writes to it"
    )
    assert names(path.parent) == [path.name]


def test_on_a_miss_an_official_file_is_read_and_hashed_once(path, monkeypatch):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(verification.DIGESTS, path.name, digest)
    monkeypatch.setitem(verification.CANONICAL_DIGESTS, path.name, "c" * 64)
    hashed, file_digest = [], hashlib.file_digest

    def counted(file, kind):
        hashed.append(file.name)
        return file_digest(file, kind)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    _, source = read_cached_train(path)
    assert hashed == []  # the stream that is parsed is the one that is hashed
    assert (source.sha256, source.canonical_sha256, source.official) == (digest, "c" * 64, True)
    _, again = read_cached_train(path)
    assert hashed == [str(path)]
    assert again == source


def test_a_second_reader_waits_and_uses_the_entry_of_the_first(path, caplog, forbid_parsing):
    plain = read(path)
    entry = entry_of(path)
    made = entry.read_bytes()
    entry.unlink()
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(entry.parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    assert first.stdout.readline() == "held\n"

    def finish():
        entry.write_bytes(made)
        first.communicate("go\n")

    threading.Timer(1.0, finish).start()
    forbid_parsing()
    assert_same(read(path), plain)
    assert caplog.messages == [f"waiting for process {first.pid}, which writes into {entry.parent}"]


def test_an_entry_has_the_exact_numbers(path):
    fleet = read(path)
    content = np.frombuffer(entry_of(path).read_bytes()[32:], "<i8")
    assert content[: fleet.rows].tolist() == fleet.engine.tolist()
    assert content[fleet.rows : 2 * fleet.rows].tolist() == fleet.cycle.tolist()
    assert content[2 * fleet.rows :].view("<f8").tolist() == fleet.values.ravel().tolist()
