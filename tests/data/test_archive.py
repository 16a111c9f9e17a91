import contextlib
import io
import stat
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmapss_rul.data import archive as module
from cmapss_rul.data.archive import open_archive
from cmapss_rul.system.errors import DataError
from tests.data._texts import small_set, zipped

NAMES = ("train_FD001.txt", "test_FD001.txt", "RUL_FD001.txt")
FILES = small_set()


def contents(data: bytes, names=NAMES) -> dict[str, bytes]:
    with contextlib.ExitStack() as stack:
        members = open_archive(io.BytesIO(data), "a.zip", names, stack)
        found = {}
        for name, member in members.items():
            with member.reading() as stream:
                found[name] = stream.read()
        return found


def with_member(info: zipfile.ZipInfo, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO(zipped(FILES))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(info, content)
    return buffer.getvalue()


def info_of(name: str, mode: int = 0, flags: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.filename = name  # bypasses the sanitising of names by zipfile
    info.external_attr = mode << 16
    info.flag_bits = flags
    return info


def test_members_in_any_folder():
    assert contents(zipped(FILES)) == FILES
    assert contents(zipped({f"some folder/{name}": c for name, c in FILES.items()})) == FILES
    assert (
        contents(zipped({**FILES, "readme.txt": b"\x96", "__MACOSX/._train_FD001.txt": b""}))
        == FILES
    )


def test_missing_members_are_left_out():
    assert contents(zipped({"RUL_FD001.txt": b"1\n"})) == {"RUL_FD001.txt": b"1\n"}
    assert contents(zipped({"readme.txt": b"1\n"})) == {}


@pytest.mark.parametrize(
    "inner",
    [
        "6. Turbofan Engine Degradation Simulation Data Set/CMAPSSData.zip",
        "CMAPSSData.zip",
        "x.ZIP",
    ],
)
def test_nested_archive(inner):
    assert contents(zipped({"readme.txt": b"", inner: zipped(FILES)})) == FILES


def test_nasas_archive_is_chosen_among_several():
    data = zipped({"a.zip": b"", "b/CMAPSSData.zip": zipped(FILES), "c.zip": b""})
    assert contents(data) == FILES
    assert contents(zipped({"a.zip": zipped(FILES), "b.zip": zipped(FILES)})) == {}


WHOLE = zipped(FILES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.zip: is empty, expected a zip archive"),
        (b"\r\n", "a.zip: is not a zip archive but something else, 2 bytes"),
        (b"<!DOCTYPE html><html>" * 50, "a.zip: is not a zip archive but an HTML or XML page"),
        (b"\x1f\x8b" + bytes(99), "is not a zip archive but a gzip archive"),
        (WHOLE[: len(WHOLE) // 2], "a.zip: is a zip archive without its end: it was truncated"),
        (WHOLE[:-5], "it was truncated"),
        (WHOLE[100:], "cannot be read"),
        (zipped({"o.zip": zipped({"i.zip": zipped(FILES)})}), "nested deeper than NASA's"),
        (zipped({"o.zip": WHOLE[:-9]}), "a.zip, member 'o.zip': is a zip archive without its end"),
        (zipped({**FILES, "b/RUL_FD001.txt": b"1"}), "has 2 members named RUL_FD001.txt"),
        (zipped({"a/CMAPSSData.zip": b"", "CMAPSSData.zip": b""}), "has 2 members named CMAPSS"),
        (with_member(info_of("../x")), "member '../x' is a path that leads out of the target"),
        (with_member(info_of("a/../../x")), "is a path that leads out"),
        (with_member(info_of("a\\..\\x")), "is a path that leads out"),
        (with_member(info_of("/etc/x")), "member '/etc/x' is an absolute path"),
        (with_member(info_of("C:x")), "is an absolute path"),
        (with_member(info_of("\\x")), "is an absolute path"),
        (with_member(info_of("x", stat.S_IFLNK | 0o777)), "member 'x' is a link"),
        (with_member(info_of("x", stat.S_IFIFO)), "is a special file"),
        (with_member(info_of("../" + "x" * 999)), "…' is a path that leads out"),
    ],
)  # fmt: skip
def test_refused_by_name(data, message):
    with pytest.raises(DataError) as caught:
        contents(data)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_an_encrypted_member():
    data = bytearray(zipped({"RUL_FD001.txt": b"1\n"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(DataError, match=r"member 'RUL_FD001.txt' is encrypted"):
        contents(bytes(data))


def test_an_unusual_method():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("RUL_FD001.txt", b"1\n")
    with pytest.raises(DataError, match="is compressed by method 14, expected deflate"):
        contents(buffer.getvalue())


def test_absurd_sizes(monkeypatch):
    with pytest.raises(DataError, match=r"from [0-9]+ to 10000000 bytes, more than texts"):
        contents(zipped({"RUL_FD001.txt": bytes(10**7)}))
    with pytest.raises(DataError, match="more than texts of numbers do"):
        contents(zipped({"CMAPSSData.zip": bytes(10**7)}))
    monkeypatch.setattr(module, "MAX_MEMBER_BYTES", 5)
    with pytest.raises(DataError, match="unpacks to 13 bytes, expected at most 5"):
        contents(WHOLE, ["RUL_FD001.txt"])


def test_a_million_members_are_refused_without_reading_them(monkeypatch):
    """The end record has the number; zipfile would create an object per member."""
    many = b"PK\x01\x02" + bytes(60)
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff" * 2
    data = many * 20_000
    data += end + len(data).to_bytes(4, "little") + bytes(6)

    def refuse(*_args):
        raise AssertionError("zipfile was asked")

    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    with pytest.raises(DataError, match="lists too many members"):
        contents(data)


def test_zip64_is_refused():
    end = WHOLE.rindex(b"PK\x05\x06")
    data = WHOLE[:end] + b"PK\x06\x07" + bytes(16) + WHOLE[end:]
    with pytest.raises(DataError, match="is a ZIP64 archive"):
        contents(data)


def test_a_comment_after_the_end_record():
    buffer = io.BytesIO(WHOLE)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"from afar"
    assert contents(buffer.getvalue()) == FILES


def test_a_damaged_member_is_detected_when_read():
    place = WHOLE.index(b"train_FD001.txt") + 30
    data = WHOLE[:place] + bytes([WHOLE[place] ^ 255]) + WHOLE[place + 1 :]
    with pytest.raises(DataError, match=r"member 'train_FD001.txt': cannot be read: .*damaged"):
        contents(data)


@settings(max_examples=300)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_flipped_byte_is_an_error_or_changes_nothing_needed(place, flip):
    data = WHOLE[:place] + bytes([WHOLE[place] ^ flip]) + WHOLE[place + 1 :]
    with contextlib.suppress(DataError):
        assert all(content == FILES[name] for name, content in contents(data).items())


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes(data, with_end):
    end = WHOLE[-22:] if with_end else b""
    with contextlib.suppress(DataError):
        assert contents(b"PK\x03\x04" + data + end) == {}
