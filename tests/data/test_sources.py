import errno
import hashlib
from pathlib import Path

import pytest

from cmapss_rul.data import sources, verification
from cmapss_rul.data.columns import SUBSETS, file_names, parse_subsets
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.sources import (
    PUBLIC_SOURCES,
    VARIABLE,
    displayed_url,
    fetch,
)
from cmapss_rul.data.verification import CANONICAL_DIGESTS, DIGESTS, Provenance
from cmapss_rul.system.errors import DataError, UsageError
from tests.data._server import body, reset, serve, status
from tests.data._texts import fleet_text, small_set, zipped

NAMES = file_names(["FD001"])
FILES = small_set()
OTHER = small_set(value="2.5")
OFFLINE = "; without a network, get CMAPSSData.zip on another machine and run: rul download-data"


@pytest.fixture
def official_digests(monkeypatch):
    """Make the small files count as official."""
    for name, content in FILES.items():
        canonical = b"\n".join(line.rstrip() for line in content.splitlines()) + b"\n"
        monkeypatch.setitem(CANONICAL_DIGESTS, name, hashlib.sha256(canonical).hexdigest())


def fetched_names(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def save(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def archive(tmp_path: Path, files: dict[str, bytes]) -> str:
    path = tmp_path / "some.zip"
    path.write_bytes(zipped(files))
    return str(path)


def public(monkeypatch, address: str, *names: str) -> None:
    monkeypatch.setattr(sources, "PUBLIC_SOURCES", tuple(f"{address}/{name}" for name in names))


def get(tmp_path: Path, source: str | None = None, names=NAMES, **options):
    return fetch(names, tmp_path / "raw", source, progress=False, **options)


def test_from_an_archive_an_outer_archive_and_a_folder(tmp_path):
    given = [
        archive(tmp_path, FILES),
        str(save(tmp_path / "folder", FILES)),
        str(save(tmp_path / "saved", {"CMAPSSData.zip": zipped(FILES)})),
    ]
    (tmp_path / "outer.zip").write_bytes(zipped({"6. Set/CMAPSSData.zip": zipped(FILES)}))
    for i, source in enumerate([*given, str(tmp_path / "outer.zip")]):
        done = fetch(NAMES, tmp_path / str(i), source, progress=False)
        assert fetched_names(tmp_path / str(i)) == FILES
        assert [origin.name for origin in done.written] == list(NAMES)
        assert done.source == f"--source {source}"


@pytest.mark.parametrize("below", ["CMAPSSData", "data/raw"])
def test_from_a_sub_folder(tmp_path, below):
    folder = tmp_path / "source" / below
    folder.mkdir(parents=True)
    save(folder, FILES)
    get(tmp_path, str(tmp_path / "source"))
    assert fetched_names(tmp_path / "raw") == FILES
    (tmp_path / "source/other").mkdir()
    save(tmp_path / "source/other", FILES)
    with pytest.raises(DataError, match=r"found the files in .* and in .*, expected one folder"):
        fetch(NAMES, tmp_path / "again", str(tmp_path / "source"), progress=False)


def test_from_one_text_file(tmp_path):
    (tmp_path / "one").mkdir()
    save(tmp_path / "one", FILES)
    path = tmp_path / "one" / NAMES[0]
    get(tmp_path, str(path), names=NAMES[:1])
    assert fetched_names(tmp_path / "raw") == {NAMES[0]: FILES[NAMES[0]]}
    renamed = path.rename(path.with_name("mine.txt"))
    with pytest.raises(
        DataError, match=r"mine\.txt: found one text file, expected an archive or a"
    ):
        fetch(NAMES, tmp_path / "again", str(renamed), progress=False)


def test_from_an_own_url(tmp_path):
    with serve(a=[body(zipped(OTHER))]) as (address, _):
        get(tmp_path, f"{address}/a")
    assert fetched_names(tmp_path / "raw") == OTHER


def test_the_variable_is_used_after_source(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(save(tmp_path / "folder", FILES)))
    assert get(tmp_path).source == f"{VARIABLE}={tmp_path / 'folder'}"
    get(tmp_path, archive(tmp_path, OTHER), force=True)
    assert fetched_names(tmp_path / "raw") == OTHER


def test_public_sources_are_not_tried_after_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    with serve(a=[body(zipped(FILES))]) as (address, asked):
        public(monkeypatch, address, "a")
        with pytest.raises(DataError) as caught:
            get(tmp_path)
    assert asked == []
    assert f"{VARIABLE}={tmp_path / 'nothing'}: there is no such file or folder" in str(
        caught.value
    )
    assert f"the public sources are not tried while {VARIABLE} is set" in str(caught.value)


@pytest.mark.usefixtures("official_digests")
@pytest.mark.parametrize(
    ("bad", "answer"),
    [
        (body(b"<!DOCTYPE html>" * 99), "is not a zip archive but an HTML or XML page"),
        (body(b"\r\n"), "is not a zip archive but something else, 2 bytes"),
        (body(b""), "is empty"),
        (status(404), "answered 404 Not Found"),
        (status(500), "answered 500"),
        (reset, "after 3 attempts"),
        (body(zipped(FILES), len(zipped(FILES)) - 30), "it was truncated"),
        (body(zipped(FILES), len(zipped(FILES)) + 30), "after 3 attempts"),
        (status(302, Location="/bad"), "redirects more than 5 times"),
        (body(zipped(OTHER)), "train_FD001.txt': is not the official file (sha256 "),
        (body(zipped({"readme.txt": b""})), "has no train_FD001.txt, test_FD001.txt, RUL_"),
    ],
)
def test_the_next_public_source_is_tried(tmp_path, monkeypatch, bad, answer):
    with serve(bad=[bad], good=[body(zipped(FILES))]) as (address, _):
        public(monkeypatch, address, "bad", "good")
        done = get(tmp_path)
    assert fetched_names(tmp_path / "raw") == FILES
    assert all(origin.official for origin in done.written)
    assert done.source == f"{address}/good"
    assert done.answers[0].startswith(f"{address}/bad")
    assert answer in done.answers[0]


@pytest.mark.usefixtures("official_digests")
def test_other_line_ends_from_a_public_source_are_official(tmp_path, monkeypatch):
    files = {name: text.replace(b"  \n", b"\r\n") for name, text in FILES.items()}
    with serve(a=[body(zipped(files))]) as (address, _):
        public(monkeypatch, address, "a")
        assert all(origin.official for origin in get(tmp_path).written)


def test_all_answers_are_reported_and_nothing_is_written(tmp_path, monkeypatch):
    with serve(a=[status(404)], b=[body(b"<html>")]) as (address, _):
        public(monkeypatch, address, "a", "b")
        with pytest.raises(DataError) as caught:
            get(tmp_path)
    assert str(caught.value) == (
        f"train_FD001.txt, test_FD001.txt, RUL_FD001.txt could not be fetched into "
        f"{tmp_path / 'raw'}: {address}/a: answered 404 Not Found; {address}/b: is not a zip "
        f"archive but an HTML or XML page, 6 bytes{OFFLINE} --source PATH"
    )
    assert list(tmp_path.iterdir()) == []


def test_one_reason_for_all_public_sources_is_reported_once(tmp_path, monkeypatch):
    with serve(a=[status(404)], b=[status(404)]) as (address, _):
        public(monkeypatch, address, "a", "b")
        with pytest.raises(DataError) as caught:
            get(tmp_path)
    assert f"/raw: 127.0.0.1, 127.0.0.1: answered 404 Not Found{OFFLINE}" in str(caught.value)


def test_own_files_are_accepted_and_marked(tmp_path):
    done = get(tmp_path, archive(tmp_path, OTHER))
    assert [origin.mark for origin in done.written] == ["not the official files"] * 3
    assert done.written[0].sha256 == hashlib.sha256(OTHER["train_FD001.txt"]).hexdigest()


def without(name: str) -> dict[str, bytes]:
    return {key: content for key, content in FILES.items() if key != name}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (without("test_FD001.txt"), "has no test_FD001.txt"),
        (
            {**FILES, "test_FD001.txt": FILES["test_FD001.txt"][:-50]},
            "member 'test_FD001.txt', line 5: found 14 column(s)",
        ),
        (
            {**FILES, "RUL_FD001.txt": b"1\n2\n"},
            "member 'RUL_FD001.txt', line 2: found 2 row(s) in the file, expected 3",
        ),
        ({**FILES, "RUL_FD001.txt": b"1\n-2\n3\n"}, "'RUL_FD001.txt', line 2: found '-2'"),
        ({**FILES, "train_FD001.txt": b""}, "member 'train_FD001.txt': the file is empty"),
        ({**FILES, "train_FD001.txt": b"1\n"}, "member 'train_FD001.txt', line 1: found 1 column"),
    ],
)
def test_one_bad_file_and_none_is_written(tmp_path, files, message):
    for source in (archive(tmp_path, files), str(save(tmp_path / "folder", files))):
        with pytest.raises(DataError) as caught:
            get(tmp_path, source)
        assert message.replace("member '", "").replace("'", "") in str(caught.value).replace(
            "member '", ""
        ).replace("'", "")
        assert OFFLINE in str(caught.value)
        assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize("source", ["", " ", "ftp://a/b.zip", "file:///a.zip", "FILE://a"])
def test_invalid_addresses(tmp_path, source):
    with pytest.raises(UsageError, match="expected a zip archive, a folder, or an http or https"):
        get(tmp_path, source)


@pytest.mark.parametrize("name", ["nothing.zip", "x" * 5000, "a\0b", "~nobody-of-that-name/x"])
def test_missing_paths(tmp_path, name):
    with pytest.raises(DataError, match=r"there is no such|cannot be opened") as caught:
        get(tmp_path, name)
    assert str(caught.value).isprintable()


def test_a_password_is_not_shown(tmp_path):
    with serve(a=[status(404)]) as (address, _), pytest.raises(DataError) as caught:
        get(tmp_path, f"{address}/a".replace("http://", "http://me:secret@"))
    assert "secret" not in str(caught.value)
    assert "***@127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("https://user:pass@example.org/a@b", "https://***@example.org/a@b"),
        ("data/raw", "data/raw"),
        ("a\x1b[31m", r"a\x1b[31m"),
    ],
)
def test_shown_url(url, shown):
    assert displayed_url(url) == shown


def test_a_second_call_needs_no_source_and_writes_nothing(tmp_path):
    get(tmp_path, archive(tmp_path, FILES))
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "raw").iterdir()}
    done = get(tmp_path, "not there")
    assert done.written == ()
    assert done.source is None
    assert [origin.name for origin in done.unchanged] == list(NAMES)
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "raw").iterdir()} == before


def test_only_what_is_missing_is_written(tmp_path):
    save(tmp_path / "raw", {"train_FD001.txt": FILES["train_FD001.txt"]})
    done = get(tmp_path, archive(tmp_path, OTHER))
    assert [origin.name for origin in done.written] == ["test_FD001.txt", "RUL_FD001.txt"]
    assert fetched_names(tmp_path / "raw")["train_FD001.txt"] == FILES["train_FD001.txt"]


def test_one_member_alone(tmp_path):
    """Other members are not even read: here they are broken."""
    source = archive(tmp_path, {**FILES, "test_FD001.txt": b"broken", "RUL_FD001.txt": b"x"})
    done = get(tmp_path, source, names=["train_FD001.txt"])
    assert [origin.name for origin in done.written] == ["train_FD001.txt"]
    assert list(fetched_names(tmp_path / "raw")) == ["train_FD001.txt"]


def test_a_single_rul_file_must_match_the_existing_test_file(tmp_path):
    save(tmp_path / "raw", {"test_FD001.txt": fleet_text(1, 1).encode()})
    with pytest.raises(DataError, match=r"found 3 row.s. in the file, expected 2"):
        get(tmp_path, archive(tmp_path, FILES), names=["RUL_FD001.txt"])
    (tmp_path / "raw" / "test_FD001.txt").unlink()
    get(tmp_path, archive(tmp_path, FILES), names=["RUL_FD001.txt"])
    assert list(fetched_names(tmp_path / "raw")) == ["RUL_FD001.txt"]


def test_force_replaces_everything_or_nothing(tmp_path):
    get(tmp_path, archive(tmp_path, FILES))
    with pytest.raises(DataError):
        get(tmp_path, archive(tmp_path, without("RUL_FD001.txt")), force=True)
    assert fetched_names(tmp_path / "raw") == FILES
    get(tmp_path, archive(tmp_path, OTHER), force=True)
    assert fetched_names(tmp_path / "raw") == OTHER


def test_an_invalid_existing_file_is_replaced_only_from_a_valid_source(tmp_path):
    bad = FILES["train_FD001.txt"][:-60]
    save(tmp_path / "raw", {**FILES, "train_FD001.txt": bad})
    with pytest.raises(DataError) as caught:
        get(tmp_path, archive(tmp_path, without("train_FD001.txt")))
    text = f"{tmp_path / 'raw' / 'train_FD001.txt'}, line 7: found 12 column(s)"
    assert str(caught.value).startswith(text)
    assert "it was truncated (it is left as it is); train_FD001.txt could not be fetched" in str(
        caught.value
    )
    assert fetched_names(tmp_path / "raw")["train_FD001.txt"] == bad
    done = get(tmp_path, archive(tmp_path, FILES))
    assert done.refused[0].startswith(text)
    assert [origin.name for origin in done.written] == ["train_FD001.txt"]
    assert fetched_names(tmp_path / "raw") == FILES


def test_a_folder_in_place_of_a_file_is_named(tmp_path):
    (tmp_path / "raw" / "train_FD001.txt").mkdir(parents=True)
    with pytest.raises(DataError, match="found no regular file, expected a text file"):
        get(tmp_path, "nothing")


def test_a_simulated_folder_is_not_mixed_with_others(tmp_path):
    simulate(tmp_path / "raw", engines=2)
    before = fetched_names(tmp_path / "raw")
    done = get(tmp_path)
    assert all(origin.simulated for origin in done.unchanged)
    with pytest.raises(DataError, match=r"contains a simulated FD001, and train_FD001.txt is not"):
        get(tmp_path, archive(tmp_path, FILES), force=True)
    assert fetched_names(tmp_path / "raw") == before


def test_the_data_folder_is_a_file_or_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "raw").write_text("")
    with pytest.raises(DataError, match="raw: found a file, expected a folder"):
        get(tmp_path, archive(tmp_path, FILES))
    (tmp_path / "raw").unlink()

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(DataError, match="raw: cannot be written: No space left on device"):
        get(tmp_path, archive(tmp_path, FILES))
    assert fetched_names(tmp_path / "raw") == {}


def test_a_source_that_changes_while_it_is_read(tmp_path, monkeypatch):
    def other_digest(_stream, name):
        return Provenance(name, "0" * 64, "0" * 64, official=False, simulated=False)

    monkeypatch.setattr(verification, "digest_stream", other_digest)
    with pytest.raises(DataError, match="changed while it was read"):
        get(tmp_path, archive(tmp_path, FILES))
    assert fetched_names(tmp_path / "raw") == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [("FD001", ["FD001"]), ("fd003, FD001", ["FD001", "FD003"]), (",".join(SUBSETS), [*SUBSETS])],
)
def test_subsets(text, found):
    assert list(parse_subsets(text, SUBSETS)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FD01", "subset 'FD01' is unknown; perhaps FD001 was meant; expected any of FD001, "),
        ("FD001,PHM08", "subset 'PHM08' is unknown; expected any of "),
        (" , ", "no subset was named; expected any of FD001, FD002, FD003, FD004"),
    ],
)
def test_unknown_subsets(text, message):
    with pytest.raises(UsageError, match=message):
        parse_subsets(text, SUBSETS)


def test_the_public_sources_are_three_and_secure():
    # as imported before any fixture: the shipped list
    assert [url.split("/")[2] for url in PUBLIC_SOURCES] == [
        "data.nasa.gov",
        "phm-datasets.s3.amazonaws.com",
        "zenodo.org",
    ]
    assert all(url.startswith("https://") for url in PUBLIC_SOURCES)


@pytest.mark.needs_data
def test_the_official_files_byte_for_byte(official):
    assert {path.name for path in official.glob("*.txt")} == set(DIGESTS)
    for name, sha256 in DIGESTS.items():
        assert hashlib.sha256((official / name).read_bytes()).hexdigest() == sha256


@pytest.mark.needs_data
def test_an_altered_official_file(official, tmp_path):
    """Valid text from a user's own source is accepted and marked."""
    files = {name: (official / name).read_bytes() for name in NAMES}
    text = files["train_FD001.txt"]
    files["train_FD001.txt"] = text.replace(b"518.67", b"518.68", 1)
    done = get(tmp_path, archive(tmp_path, files))
    assert [origin.official for origin in done.written] == [False, True, True]
    files["train_FD001.txt"] = text[:2_883_584]
    with pytest.raises(DataError, match=r"train_FD001.txt', line 16928: found 10 column"):
        get(tmp_path, archive(tmp_path, files), force=True)
