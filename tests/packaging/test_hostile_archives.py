"""Archives that were made to do harm: names, members, bytes and lists that are not true refuse the whole, and the store
stays as it was."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
import zipfile

import pytest

REGULAR = stat.S_IFREG | 0o644


def member(name, mode=REGULAR, kind=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type = mode << 16, kind
    return info


@pytest.mark.parametrize(
    "name",
    [
        *("../evil", "src/../../evil", "/tmp/evil", "//evil", "C:\\evil", "C:/evil", "src\\..\\evil", "src//evil"),
        *(
            "./evil",
            "evil/",
            "evil/.",
            "evil.",
            "src/model/../../../evil",
            "~/evil",
            "evil\x01",
            "e:vil",
            "é",
            "a" * 201,
        ),
    ],
)
def test_a_name_that_leaves_the_folder_or_is_odd_refuses_the_whole(name, package, refused):
    refused(package(extra=[(member(name), b"x")]), "the member name|which is a folder")


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        (stat.S_IFLNK | 0o777, "a symbolic link"),
        (stat.S_IFIFO | 0o644, "a pipe"),
        (stat.S_IFCHR | 0o644, "a device"),
        (stat.S_IFBLK | 0o644, "a device"),
        (stat.S_IFSOCK | 0o644, "a device"),
        (stat.S_IFDIR | 0o755, "a folder"),
    ],
)
def test_a_link_a_pipe_or_a_device_refuses_the_whole(mode, words, package, refused):
    refused(package(extra=[(member("src/model/extra.json", mode), b"/etc/passwd")]), words)


@pytest.mark.parametrize("name", ["src/model/model.onnx", "src/model/MODEL.onnx", "SRC/service.py", "Package.json"])
def test_two_members_of_one_name_refuse_the_whole(name, package, refused):
    refused(package(extra=[(member(name), b"x")]), "twice")


def test_a_name_that_is_a_file_and_a_folder_refuses_the_whole(package, refused):
    refused(package(extra=[(member("src/service.py/x"), b"x")]), "as a file and as a folder")


@pytest.mark.parametrize("kind", ["plain", "slip", "symlink", "hardlink", "fifo", "device"])
def test_a_tar_archive_is_no_package_whatever_is_in_it(kind, refused, tmp_path):
    path = tmp_path / "bad.lepton"
    info = tarfile.TarInfo("../evil" if kind == "slip" else "evil")
    info.linkname = "/etc/passwd"
    info.type = {
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
        "fifo": tarfile.FIFOTYPE,
        "device": tarfile.CHRTYPE,
    }.get(kind, tarfile.REGTYPE)
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(info, io.BytesIO(b""))
    refused(path, "no zip archive as lepton writes it")


def test_a_pipe_in_the_place_of_the_file_is_not_waited_for(refused, tmp_path):
    os.mkfifo(tmp_path / "pipe.lepton")
    refused(tmp_path / "pipe.lepton", "no plain file")


def test_a_decompression_bomb_refuses_the_whole(package, refused):
    bomb = (member("src/model/bomb.json", kind=zipfile.ZIP_DEFLATED), bytes(50_000_000))
    refused(package(extra=[bomb]), "compressed more than 100 times")


def test_too_many_members_refuse_the_whole(package, refused):
    refused(package(extra=[(member(f"env/{number}"), b"") for number in range(1000)]), "members.*up to 1000")


def directory_entry(content, name):
    """Where the directory of a zip archive has the entry of a member."""
    at = content.find(b"PK\x01\x02")
    while content[at + 46 : at + 46 + len(name)] != name:
        at = content.find(b"PK\x01\x02", at + 1)
    return at


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (24, 0xFFFFFFF0, "compressed more than|bytes when unpacked"),
        (24, 10, "another|broken archive|laid over"),
        (20, 0xFFFFFFF0, "laid over"),
        (42, 0, "laid over another member"),
        (8, 1, "encrypted"),
        (10, 99, "compressed in an unknown way"),
    ],
)
def test_a_directory_that_lies_about_a_member_refuses_the_whole(field, value, words, package, refused):
    path = package()
    content = bytearray(path.read_bytes())
    at = directory_entry(content, b"src/model/model.onnx") + field
    size = 2 if field in (8, 10) else 4
    content[at : at + size] = value.to_bytes(size, "little")
    path.write_bytes(content)
    refused(path, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: b"MZ" + content, "bytes that belong to no member|broken"),
        (lambda content: content + b"more", "no zip archive"),
        (lambda content: content[:-1], "no zip archive"),
        (lambda content: content[: len(content) // 2], "no zip archive"),
        (lambda content: content.replace(b"lepton_nb", b"lepton_xx", 1), "another|a broken archive"),
        (lambda content: b"", "no zip archive"),
    ],
)
def test_bytes_that_were_changed_are_found(change, words, package, refused):
    path = package()
    path.write_bytes(change(path.read_bytes()))
    refused(path, words)


def outside_in_manifest(files):
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["../../../known.json"] = "0" * 64
    files["manifest.json"] = json.dumps(manifest).encode()


def manifest_with(**values):
    def change(files):
        files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **values}).encode()

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (outside_in_manifest, r"known\.json is listed in manifest\.json but missing"),
        (manifest_with(format=99), "newer than format"),
        (manifest_with(files={}), "is not listed"),
        (manifest_with(run="<script>alert(1)</script>"), "the run or data"),
        (lambda files: files.update({"manifest.json": b"[" * 100_000}), "is not a package|cannot be read|recursion"),
        (lambda files: files.update({"signature.json": b"{}"}), "SHA-256 differs"),
        (lambda files: files.update({"extra.json": b"{}"}), "is not listed"),
        (lambda files: files.pop("golden.json"), "missing"),
    ],
)
def test_a_manifest_that_is_not_of_its_folder_is_refused(change, words, package, refused, tmp_path):
    (tmp_path / "known.json").write_text("{}")
    refused(package(change, seal=False), words)


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        (lambda contents: contents["files"].pop("bento.yaml"), "'bento.yaml' in the archive or in its list"),
        (lambda contents: contents["files"].update(more={"size": 1, "sha256": "0"}), "'more' in the archive or in its"),
        (lambda contents: contents["files"]["src/service.py"].update(sha256="0" * 64), "another 'src/service.py'"),
        (lambda contents: contents["files"]["src/service.py"].update(size=3), "another 'src/service.py'"),
        (lambda contents: contents.update(format=2), "format 2; expected format 1"),
        (lambda contents: contents.update(name="../../evil"), "is not allowed"),
        (lambda contents: contents.update(version="../evil"), "is not allowed"),
        (lambda contents: contents.update(files=[]), "cannot be read"),
        (lambda contents: contents.update(format=float("inf")), "cannot be read"),
    ],
)
def test_a_list_of_contents_that_is_not_true_is_refused(listed, words, package, refused):
    refused(package(listed=listed), words)
