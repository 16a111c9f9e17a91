"""A checkpoint whose seal holds is still a stranger's: nothing runs, nothing swells."""

import hashlib
import io
import os
import pickle
import zipfile

import pytest
import torch

from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint_file import open_sealed, seal, unseal

MARK = b"cmapss_rul sha256 "
MEMBERS = {"archive/version": b"3\n", "archive/byteorder": b"little"}


def resealed(archive: bytes) -> bytes:
    """Any archive with a comment and a digest that fit: whoever writes a file can do it."""
    body = archive[:-2] + (len(MARK) + 64).to_bytes(2, "little")
    return body + MARK + hashlib.sha256(body).hexdigest().encode()


def archive_of(pickled: bytes, method=zipfile.ZIP_STORED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in (MEMBERS | members).items():
            archive.writestr(name, content)
    return buffer.getvalue()


def refused(data: bytes, said: str = "cannot be loaded") -> str:
    with pytest.raises(CheckpointError, match=said) as caught:
        unseal(data, "a.pt")
    text = str(caught.value)
    assert text.startswith("a.pt: ")
    assert "\n" not in text
    assert len(text) < 300
    return text


def test_what_is_sealed_is_unsealed():
    content = {"a": [1, 2.5, None, True, "x"], "t": torch.arange(3), 4: (1, 2)}
    again = unseal(seal(content), "a.pt")
    assert torch.equal(again.pop("t"), content.pop("t"))
    assert again == content


def test_an_archive_made_by_hand_is_taken_where_it_is_harmless():
    assert unseal(resealed(archive_of(pickle.dumps({"a": 1}, 2))), "a.pt") == {"a": 1}


# ---- archives ---------------------------------------------------------------------------------


def test_bytes_before_the_archive_are_refused():
    archive = archive_of(pickle.dumps({}, 2))
    refused(resealed(b"#!/bin/sh\n" + archive), "bytes before the archive")


def test_bytes_behind_it_are_refused():
    body = resealed(archive_of(pickle.dumps({}, 2)))[: -len(MARK) - 64] + b"more"
    data = body + MARK + hashlib.sha256(body).hexdigest().encode()
    refused(data, "does not end with its end record")


def test_an_end_record_inside_the_digests_place_is_no_end():
    refused(resealed(b""), "does not end|no checkpoint")
    refused(resealed(b"PK\x05\x06" + bytes(18)), "cannot be loaded")


def test_a_compressed_archive_is_refused_before_it_is_unpacked():
    zeros = {"archive/data/0": bytes(50_000_000)}
    bomb = archive_of(pickle.dumps({}, 2), zipfile.ZIP_DEFLATED, **zeros)
    assert len(bomb) < 100_000
    refused(resealed(bomb), "compressed or encrypted")


def test_a_lying_size_is_refused():
    archive = bytearray(archive_of(pickle.dumps({}, 2), **{"archive/data/0": bytes(64)}))
    for place in (archive.rfind(b"PK\x01\x02"),):
        archive[place + 24 : place + 28] = (2**31).to_bytes(4, "little")
    refused(resealed(bytes(archive)), "larger than the file")


def test_members_that_share_their_bytes_are_refused():
    """Many names for one large member would be read many times."""
    archive = archive_of(pickle.dumps({}, 2), **{"archive/data/0": bytes(100_000)})
    start = archive.rfind(b"PK\x01\x02")
    end = archive.rfind(b"PK\x05\x06")
    record, head = archive[start:end], archive[:start]
    copies = b"".join(record.replace(b"data/0", b"data/%d" % n) for n in range(1, 9))
    directory = archive[archive.find(b"PK\x01\x02") : end] + copies
    tail = bytearray(archive[end:])
    for place in (8, 10):
        tail[place : place + 2] = (len(MEMBERS) + 2 + 8).to_bytes(2, "little")
    tail[12:16] = len(directory).to_bytes(4, "little")
    body = archive[: archive.find(b"PK\x01\x02")] + directory + bytes(tail)
    assert head.startswith(b"PK")
    refused(resealed(body), "larger than the file")


def test_two_members_of_one_name_are_refused():
    buffer = io.BytesIO(archive_of(pickle.dumps({}, 2)))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data.pkl", pickle.dumps({"other": 1}, 2))
    refused(resealed(buffer.getvalue()), "two members of the archive have the same name")


# ---- pickles ----------------------------------------------------------------------------------

COMMANDS = [
    b"\x80\x02cposix\nsystem\nX\x0c\x00\x00\x00touch caughtq\x00\x85R.",
    b"\x80\x02cbuiltins\nexec\nX\x16\x00\x00\x00open('caught','w').close\x85R.",
    b"\x80\x02ccmapss_rul.files\nwrite_whole\nX\x06\x00\x00\x00caughtX\x01\x00\x00\x00x\x86R.",
    b"\x80\x02ctorch\nload\nX\x06\x00\x00\x00caught\x85R.",
    b"\x80\x02cnumpy\nfromfile\nX\x06\x00\x00\x00caught\x85R.",
    b"(S'touch caught'\nios\nsystem\n.",
]


@pytest.mark.parametrize("pickled", COMMANDS)
def test_a_pickle_that_would_run_a_command_does_not(tmp_path, monkeypatch, pickled):
    monkeypatch.chdir(tmp_path)
    refused(resealed(archive_of(pickled)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a": 10**400}, "a number in it is too large"),
        ({"a": {1, 2}}, "of type set"),
        ({"a": b"bytes"}, "cannot be loaded"),
        ({"a": torch.nn.Parameter(torch.ones(2))}, "of type Parameter"),
        ({"a": torch.ones(2).to_sparse()}, "not dense, contiguous and on the CPU"),
        ({"a": torch.ones(2, device="meta")}, "cannot be loaded"),
        ({"a": torch.ones(1).expand(10**12)}, "not dense, contiguous and on the CPU"),
        ({"a": torch.ones(1).expand(10**9, 10**9)}, "not dense, contiguous and on the CPU"),
        ({"a": torch.ones(2, 3).T}, "not dense, contiguous and on the CPU"),
    ],
    ids=str,
)
def test_values_that_no_checkpoint_holds_are_refused(content, said):
    refused(seal(content), said)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def doubling(levels):
    value = ["ha"]
    for _ in range(levels):
        value = [value, value]
    return {"a": value}


def circle():
    value = {}
    value["a"] = value
    return value


@pytest.mark.parametrize("content", [nested(50), doubling(15), doubling(60), circle()])
def test_values_nested_too_deep_or_without_end_are_refused(content):
    refused(seal(content), "nested too deeply, or too many")


def test_a_pickle_a_hundred_thousand_deep_is_refused():
    deep = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    refused(resealed(archive_of(deep)), "nested too deep")


def test_many_names_for_one_value_are_refused_by_their_number():
    shared = list(range(2000))
    refused(seal({"a": [shared] * 2000}), "or too many")


# ---- files ------------------------------------------------------------------------------------


def test_no_regular_file_is_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.pt")
    for path in (tmp_path, tmp_path / "pipe.pt"):
        with pytest.raises(CheckpointError, match="found no regular file"):
            open_sealed(path)


def test_a_file_larger_than_any_checkpoint_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    with path.open("wb") as file:
        file.truncate(checkpoint_file.MAX_BYTES + 1)  # holds no blocks of the disk
    monkeypatch.setattr(type(path), "read_bytes", None)
    with pytest.raises(CheckpointError, match=r"a\.pt: has 2147483649 bytes; a checkpoint has at"):
        open_sealed(path)
