"""Extraction of one file from NASA's nested archive while streaming it."""

import hashlib
import zipfile

import pytest

from cmapss_rul.data.flight_archive import digest_path, fetch_flight_file
from cmapss_rul.data.ncmapss import FILES
from cmapss_rul.system.errors import DataError
from scripts.synthetic_ncmapss import write_ncmapss

pytest.importorskip("h5py")
pytest.importorskip("stream_unzip")

NAME = FILES["DS02"].file


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The file, and an archive like NASA's: a zip in a zip, in which the file comes second."""
    folder = tmp_path_factory.mktemp("source")
    file = write_ncmapss(folder / NAME, {"dev": {1: 2, 2: 2}, "test": {3: 2}}, seconds=60)
    inner, outer = folder / "data_set.zip", folder / "archive.zip"
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data_set/N-CMAPSS_DS01-005.h5", b"another set" * 1000)
        archive.write(file, f"data_set/{NAME}")
        archive.writestr("data_set/after.txt", b"not read")
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(inner, "17. Turbofan Engine Degradation Simulation Data Set 2/data_set.zip")
    return file, outer


def test_a_file_is_extracted_from_the_nested_archive(source, tmp_path):
    file, archive = source
    found = fetch_flight_file("DS02", tmp_path, str(archive))
    assert found.path.read_bytes() == file.read_bytes()
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    # as sha256sum writes it, so that `sha256sum -c` checks it
    assert digest_path(found.path).read_text() == f"{found.sha256}  {NAME}\n"
    assert fetch_flight_file("DS02", tmp_path, "nowhere").source is None  # it exists


def test_from_the_file_and_from_a_folder(source, tmp_path):
    file, _ = source
    for place, address in (("a", file), ("b", file.parent)):
        found = fetch_flight_file("DS02", tmp_path / place, str(address))
        assert found.path.read_bytes() == file.read_bytes()


def test_a_changed_digest_is_refused(source, tmp_path):
    _, archive = source
    digest_path(tmp_path / NAME).write_text(f"{'0' * 64}  {NAME}\n")
    with pytest.raises(DataError, match=r"the first one seen here was 0000000000000000…"):
        fetch_flight_file("DS02", tmp_path, str(archive))
    assert not (tmp_path / NAME).exists()


def test_a_missing_data_set_is_reported(source, tmp_path):
    with pytest.raises(DataError, match=r"the archive has no N-CMAPSS_DS04\.h5"):
        fetch_flight_file("DS04", tmp_path, str(source[1]))
    assert not (tmp_path / "N-CMAPSS_DS04.h5").exists()


def test_a_damaged_archive(source, tmp_path):
    half = tmp_path / "half.zip"
    half.write_bytes(source[1].read_bytes()[:2000])
    with pytest.raises(DataError, match="is no zip archive, or is damaged"):
        fetch_flight_file("DS02", tmp_path / "raw", str(half))
    assert not (tmp_path / "raw" / NAME).exists()


def test_a_file_of_another_kind_is_not_installed(tmp_path):
    (tmp_path / NAME).write_bytes(b"<html>")
    with pytest.raises(DataError, match=f"{NAME}: found no HDF5 file"):
        fetch_flight_file("DS02", tmp_path / "raw", str(tmp_path))
    assert not (tmp_path / "raw" / NAME).exists()


def test_a_damaged_existing_file_suggests_force(source, tmp_path):
    (tmp_path / NAME).write_bytes(b"<html>")
    with pytest.raises(DataError, match="--force replaces it"):
        fetch_flight_file("DS02", tmp_path, str(source[1]))
    assert fetch_flight_file("DS02", tmp_path, str(source[1]), force=True).source is not None
