"""A package as one file: a zip archive whose first member lists every other one with its size and its SHA-256.

What comes from elsewhere is read as if it were made to do harm: the directory is judged as a whole before a byte is
unpacked, and every byte is counted and hashed before anything is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import FormatError, NotFoundError, PackagingError
from ..records import Bento
from ..workspace import file_sha256

__all__ = ["CONTENTS", "FORMAT", "MODEL", "Contents", "unpack", "write_archive"]

FORMAT = 1
CONTENTS = "package.json"
# The one folder that is unpacked. Service, runtime and bento.yaml of an archive are for readers: ours are served.
MODEL = "src/model/"

_MOST_MEMBERS = 1000
# An ONNX file ends at 2 GiB; what is no model or weights is text.
_MOST_BYTES, _MOST_TEXT = 3 * 2**30, 64 * 2**20
_MOST_RATIO, _SMALL = 100, 2**16
_MOST_DIRECTORY = 2**20
_LARGE = (".onnx", ".safetensors")
_CHUNK = 2**20
# What the reader of archives raises for bytes that are none.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    LookupError,
)
_NAME = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_LONGEST_NAME = 200
_END = b"PK\x05\x06"
_END_SIZE, _LOCAL_SIZE = 22, 30
_HINT = "it was not made by lepton package --out, or was changed since; nothing was imported"


@dataclass(frozen=True)
class Contents:
    """What an archive says of itself.

    Args:
        name: of the Bento.
        version: of the Bento.
        files: size in bytes and SHA-256 of each member.
    """

    name: str
    version: str
    files: Mapping[str, tuple[int, str]]


def write_archive(bento: Bento, out: Path) -> None:
    """Write a Bento into one file, whole or not at all.

    Args:
        bento: the Bento.
        out: the file; one that is there is replaced.

    Raises:
        PackagingError: a file of it is too large.
    """
    found = sorted(path for path in bento.path.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files = {path.relative_to(bento.path).as_posix(): path for path in found}
    name, _, version = bento.tag.partition(":")
    listed = {inner: {"size": path.stat().st_size, "sha256": file_sha256(path)} for inner, path in files.items()}
    contents = {"format": FORMAT, "name": name, "version": version, "files": listed}
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            # Weights do not shrink, and what is not compressed cannot be a bomb.
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
                archive.writestr(_member(CONTENTS), json.dumps(contents, indent=1))
                for inner, path in files.items():
                    with path.open("rb") as source, archive.open(_member(inner, path.stat().st_size), "w") as target:
                        shutil.copyfileobj(source, target, _CHUNK)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(out)
    except zipfile.LargeZipFile as cause:
        raise PackagingError(f"Bento {bento.tag} is too large for one file", expected="files up to 2 GiB") from cause
    finally:
        # Gone already when all went well: it bears the name that was asked for.
        Path(temporary).unlink(missing_ok=True)


def _member(name: str, size: int = 0) -> zipfile.ZipInfo:
    # One date for all: the same Bento gives the same bytes.
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.file_size = size
    return info


def unpack(file: Path, place: Path) -> Contents:
    """Check an archive as a whole, then unpack its model folder.

    Args:
        file: the archive.
        place: a new folder for the files of `src/model/`.

    Returns:
        What it says of itself; every member was found to have the size and the SHA-256 that it lists.

    Raises:
        NotFoundError: there is no such file.
        FormatError: it is no package, is broken or changed, or has a member that no package has: a name that leaves
            the folder or is there twice, a link or a device, a size or a number beyond all measure. `place` may hold
            a part of it then.
    """
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError as cause:
        raise NotFoundError(f"{file} does not exist", expected="a file that lepton package --out made") from cause
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise _refusal(file, "no plain file")
        start = _directory_start(file, stream)
        try:
            with zipfile.ZipFile(stream) as archive:
                members = _checked(file, archive.infolist(), start)
                contents = _contents(file, archive, members)
                for name, info in members.items():
                    if name != CONTENTS:
                        target = place / name.removeprefix(MODEL) if name.startswith(MODEL) else None
                        _take(file, archive, info, contents.files[name], target)
        except _BROKEN as cause:
            raise _refusal(file, f"a broken archive ({cause})") from cause
    return contents


def _directory_start(file: Path, stream: IO[bytes]) -> int:
    """Where the directory begins, when the file is that and nothing else: no comment, nothing before or behind."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(size - _END_SIZE, 0))
    end = stream.read()
    if len(end) < _END_SIZE or not end.startswith(_END):
        raise _refusal(file, "no zip archive as lepton writes it")
    count = int.from_bytes(end[10:12], "little")
    directory, start = int.from_bytes(end[12:16], "little"), int.from_bytes(end[16:20], "little")
    if count > _MOST_MEMBERS or directory > _MOST_DIRECTORY:
        raise _refusal(file, f"{count} members", f"up to {_MOST_MEMBERS}")
    if start + directory + _END_SIZE != size or any(end[4:8]) or any(end[20:22]):
        raise _refusal(file, "bytes that belong to no member")
    return start


def _checked(file: Path, infos: list[zipfile.ZipInfo], start: int) -> dict[str, zipfile.ZipInfo]:
    """The members by name, when every one of them could be one of ours."""
    if len(infos) > _MOST_MEMBERS:
        raise _refusal(file, f"{len(infos)} members", f"up to {_MOST_MEMBERS}")
    seen: set[str] = set()
    for info in infos:
        _check_member(file, info)
        if (folded := info.filename.lower()) in seen:
            raise _refusal(file, f"the name {info.filename!r} twice, as some file systems see it")
        seen.add(folded)
    for name in seen:
        if above := next((one for one in _above(name) if one in seen), None):
            raise _refusal(file, f"{above!r} as a file and as a folder")
    if (total := sum(info.file_size for info in infos)) > _MOST_BYTES:
        raise _refusal(file, f"{total:,} bytes when unpacked", f"up to {_MOST_BYTES:,}")
    place = 0
    for info in sorted(infos, key=lambda one: one.header_offset):
        # Members that share their bytes unpack to more than there is.
        if info.header_offset < place:
            raise _refusal(file, f"{info.filename!r} laid over another member")
        place = info.header_offset + _LOCAL_SIZE + len(info.filename) + info.compress_size
    if place > start:
        raise _refusal(file, "a member laid over the directory")
    return {info.filename: info for info in infos}


def _check_member(file: Path, info: zipfile.ZipInfo) -> None:
    name, mode = info.orig_filename, info.external_attr >> 16
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME or name != info.filename or name.endswith("."):
        raise _refusal(file, f"the member name {name[:80]!r}", "a relative path of letters, digits, '_', '-' and '.'")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _refusal(file, f"{name!r}, which is {_kind(mode)}", "plain files alone")
    if info.flag_bits & 0x1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _refusal(file, f"{name!r}, encrypted or compressed in an unknown way")
    if not name.endswith(_LARGE) and info.file_size > _MOST_TEXT:
        raise _refusal(file, f"{name!r} of {info.file_size:,} bytes", f"up to {_MOST_TEXT:,}")
    if info.file_size > max(info.compress_size * _MOST_RATIO, _SMALL):
        raise _refusal(file, f"{name!r}, compressed more than {_MOST_RATIO} times")


def _contents(file: Path, archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> Contents:
    if CONTENTS not in members or members[CONTENTS].file_size > _MOST_DIRECTORY:
        raise _refusal(file, f"no {CONTENTS}", "one that lists every member")
    try:
        value: dict[str, Any] = json.loads(archive.read(members[CONTENTS]))
        if (version := int(value["format"])) > FORMAT:
            raise FormatError(
                f"{file} has format {version}", expected=f"format {FORMAT} or older", hint="upgrade lepton_nb"
            )
        files = {str(name): (int(one["size"]), str(one["sha256"])) for name, one in value["files"].items()}
        contents = Contents(str(value["name"]), str(value["version"]), files)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as cause:
        raise _refusal(file, f"a {CONTENTS} that cannot be read ({type(cause).__name__})") from cause
    if odd := sorted(set(files) ^ (set(members) - {CONTENTS})):
        raise _refusal(file, f"{odd[0]!r} in the archive or in its list, but not in both")
    return contents


def _take(
    file: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, expected: tuple[int, str], target: Path | None
) -> None:
    """Read one member to its end, into `target` where it is wanted, and hold it to what was listed."""
    digest, size = hashlib.sha256(), 0
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, open(target or os.devnull, "wb") as sink:  # noqa: PTH123 - devnull is no Path
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > expected[0]:
                break
            digest.update(chunk)
            sink.write(chunk)
    if (size, digest.hexdigest()) != expected:
        raise _refusal(file, f"another {info.filename!r} than its list says", "the same size and SHA-256")


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _refusal(file: Path, got: str, expected: str = "") -> FormatError:
    return FormatError(f"{file} is not a package that can be imported", expected=expected, got=got, hint=_HINT)
