"""Encrypts and decrypts files, each in a process of its own, which reads from a pipe and writes to one: both libraries
stream from file to file, and pysequoia keeps the whole interpreter waiting meanwhile. Neither memory nor disk grows
with the file.

    encrypting = Encrypting({"kind": "age", "recipients": ["age1…"]}, output)
    encrypting.write(data)
    encrypting.end()
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from waybill.encryption import AGE, ARMOR, OPENPGP, BadKey

if TYPE_CHECKING:
    from pysequoia.packet import Packet

_PRIVATE_ARMOR = "-----BEGIN PGP PRIVATE KEY BLOCK-----"
_READ_BYTES = 256 * 1024
_HEAD_BYTES = 64 * 1024  # of age, hundreds of keys
_END_OF_HEADER = b"\n--- "
_PROBED_BYTES = 64  # of the encrypted data: by them the library asks for its key
_MAX_SECRET_CHARS = 60_000
_MEMORY_BYTES, _CPU_SECONDS, _STALL_SECONDS = 1024**3, 180, 60.0
_MARKER = b"\xca\x03PGP"
_PKESK, _SKESK = 1, 3  # a session key for a public key, and for a passphrase
_BEFORE_DATA = {_PKESK, _SKESK, 10, 21}  # and markers, and padding
_ENCRYPTED_TAGS = {1, 3, 9, 18, 20}  # session keys, and what is encrypted with them
_NAMES = {AGE: "age", OPENPGP: "OpenPGP"}
_NOT_FOR_KEY = ("No matching keys", "No key to decrypt")
# Exit codes of the child.
_CRASHED = 1  # Python's
_NO_KEY, _DAMAGED, _BAD_KEY, _STALLED, _NO_MEMORY, _UNSAFE, _MALFORMED = 4, 5, 6, 7, 8, 9, 10
# Of what the libraries say.
_REASONS = {
    **dict.fromkeys(_NOT_FOR_KEY, _NO_KEY),
    "Policy rejected packet type\n\nCaused by:\n    Symmetrically Encrypted Data Packet v0": _UNSAFE,
    "Malformed Message": _MALFORMED,
}
_UNUSABLE = "cannot be read, has expired, or needs another passphrase"
_FAILURES = {
    _NO_KEY: "it is encrypted for other keys than that of the secret",
    _DAMAGED: "it is damaged, ends too early, or was changed after it was encrypted",
    _UNSAFE: "it is encrypted by a method that is no longer safe, such as one without integrity protection",
    _MALFORMED: "it is damaged, or compressed by a method that is not read, such as bzip2 within OpenPGP",
    _STALLED: "that takes too long; it may be encrypted for too many keys",
    -signal.SIGXCPU: "that takes too long; it may be encrypted for too many keys",
}


class EncryptionFailed(Exception):
    """The process that encrypts has died."""


class DecryptionFailed(Exception):
    """A file cannot be decrypted. The text goes on after the words "The file cannot be decrypted:"."""


class ForOtherKeys(DecryptionFailed):
    """It is encrypted for other keys: with another secret it may be read."""


class DecryptionInterrupted(DecryptionFailed):
    """The process that decrypts was killed, most likely for want of memory: the next attempt may succeed."""


class Output(Protocol):
    def write(self, data: bytes, /) -> object: ...


class _Piped:
    """A process that is given a file and gives another, from a pipe to a pipe."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def _start(self, arguments: Sequence[str], secret: bytes = b"") -> None:
        import selectors  # lists of jobs load this module too
        import subprocess

        path = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ.get("PATH", "")}
        library_path = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        reading, writing = os.pipe()  # neither arguments nor environment: other processes could read those
        try:
            # This very Python and module.
            self._child = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", __name__, str(reading), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=path | library_path,
                bufsize=0,
                pass_fds=[reading],
            )
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(reading)
        with suppress(BrokenPipeError), open(writing, "wb") as pipe:  # its status tells of a child that has died
            pipe.write(secret)
        assert self._child.stdin is not None and self._child.stdout is not None  # they are pipes  # noqa: S101
        self._in, self._out = self._child.stdin, self._child.stdout
        os.set_blocking(self._in.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._in, selectors.EVENT_WRITE)
        self._selector.register(self._out, selectors.EVENT_READ)

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            for ready, _ in self._ready():
                if ready.fileobj is self._out:
                    if not self._take():
                        raise self._failure(self._child.wait())
                else:
                    rest = rest[self._give(rest) :]

    def end(self) -> None:
        """Write the rest; nothing is written after it."""
        self._selector.unregister(self._in)
        self._in.close()
        while self._ready() and self._take():
            pass
        if status := self._child.wait():
            raise self._failure(status)
        self.abort()

    def abort(self) -> None:
        """End the process, also in the middle of a file. It may be called twice."""
        self._selector.close()
        self._child.kill()
        self._child.wait()
        self._in.close()
        self._out.close()

    def _failure(self, status: int) -> Exception:
        return EncryptionFailed(f"status {status}")

    def _patience(self) -> float:
        """Seconds that the process may be waited for."""
        return _STALL_SECONDS

    def _ready(self) -> list[Any]:
        """Which pipes can go on, after waiting for one."""
        ready = self._selector.select(self._patience())
        if not ready:
            raise self._failure(_STALLED)
        return ready

    def _give(self, data: memoryview) -> int:
        try:
            return os.write(self._in.fileno(), data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            raise self._failure(self._child.wait()) from None

    def _take(self) -> bool:
        """Pass on what there is so far; False at its end."""
        data = self._out.read(_READ_BYTES)
        if data:
            self._output.write(data)
        return bool(data)


class Encrypting(_Piped):
    """Encrypts what is written to it into an output that it does not close.

    Args:
        encryption: as `check_encryption` accepts it.

    Raises (each method):
        EncryptionFailed
    """

    def __init__(self, encryption: Mapping[str, Any], output: Output) -> None:
        super().__init__(output)
        self._start(["encrypt", json.dumps(encryption)])


class Decrypting(_Piped):
    """Decrypts what is written to it into an output that it does not close. Only after `end` is it certain that the
    output is whole, and as it was encrypted. The process begins once the head of the file is there, which tells the
    keys that it is for.

    Args:
        kind: age or openpgp.
        key: private keys: of age the lines of a key file, of OpenPGP one or several armored texts.
        passphrase: of keys of OpenPGP.
        remaining_seconds: how long the decryption may still take.

    Raises (each method):
        DecryptionFailed: by the file.
        BadKey: the private key cannot be used.
    """

    def __init__(
        self,
        kind: str,
        key: str,
        passphrase: str | None,
        output: Output,
        remaining_seconds: Callable[[], float] = lambda: 60.0,
    ) -> None:
        super().__init__(output)
        check_form(kind, key)
        self._secret = {"kind": kind, "key": key, "passphrase": passphrase}
        self._kind, self._head, self._remaining_seconds = kind, b"", remaining_seconds
        self._has_begun = False

    def write(self, data: bytes) -> None:
        if self._has_begun:
            super().write(data)
            return
        self._head += data
        if len(self._head) >= _HEAD_BYTES:
            self._begin()

    def end(self) -> None:
        if not self._has_begun:
            self._begin()
        super().end()

    def abort(self) -> None:
        if self._has_begun:
            super().abort()

    def _begin(self) -> None:
        head = _from_armor(self._head)
        header = self._header(_without_armor(head[:_HEAD_BYTES]))
        secret = self._secret | {"header": base64.b64encode(header).decode()}
        self._start(["decrypt"], json.dumps(secret).encode())
        self._has_begun, self._head = True, b""
        super().write(head)

    def _header(self, head: bytes) -> bytes:
        """What tells the keys that a file is for. Sequoia passes on what is signed or compressed and not encrypted; and
        both libraries take quadratic time for a header, which is as long as its sender likes."""
        if not _is_encrypted(self._kind, head):
            raise DecryptionFailed(f"it is not encrypted with {_NAMES[self._kind]}")
        if self._kind == AGE:
            header, is_whole = head, _END_OF_HEADER in head
            by_passphrase = b"\n-> scrypt " in head.partition(_END_OF_HEADER)[0]
        else:
            header, is_whole, tags = _openpgp_header(head)
            by_passphrase = _SKESK in tags and _PKESK not in tags
        if by_passphrase:
            raise DecryptionFailed("it is encrypted by a passphrase, and not for a key")
        if not is_whole and len(self._head) >= _HEAD_BYTES:
            raise DecryptionFailed(_FAILURES[_STALLED])
        return b"" if self._kind == AGE else header

    def _patience(self) -> float:
        left = self._remaining_seconds()
        if left <= 0:
            raise self._failure(_STALLED)
        return min(_STALL_SECONDS, left)

    def _failure(self, status: int) -> Exception:
        if status == _BAD_KEY:
            return BadKey(_UNUSABLE)
        if status == _NO_KEY:
            return ForOtherKeys(_FAILURES[_NO_KEY])
        if status in (_CRASHED, _NO_MEMORY) or (status < 0 and status not in _FAILURES):
            return DecryptionInterrupted("the process that does so was interrupted, perhaps for want of memory")
        return DecryptionFailed(_FAILURES.get(status, _FAILURES[_DAMAGED]))


def check_form(kind: str, key: str) -> None:
    """Refuse what by its form is no private key of this kind.

    Raises:
        BadKey
    """
    other = OPENPGP if kind == AGE else AGE
    if len(json.dumps(key)) > _MAX_SECRET_CHARS:
        raise BadKey("is too long")
    has_private = {AGE: "AGE-SECRET-KEY-" in key.upper(), OPENPGP: _PRIVATE_ARMOR in key}
    if has_private[kind]:
        return
    if has_private[other]:
        raise BadKey(f"is a private key of {_NAMES[other]}, and the kind of the decryption is {kind}")
    lines = [line.strip() for line in key.splitlines()]
    if ARMOR in key or any(line.startswith("age1") for line in lines):
        raise BadKey("is a public key: the secret must hold the private key that belongs to it")
    raise BadKey(f"cannot be read: it is not a private key of {_NAMES[kind]}")


def check_private_key(kind: str, key: str, passphrase: str | None) -> None:
    """Refuse a private key that nothing can be decrypted with.

    Raises:
        BadKey
        EncryptionFailed: the process that reads it has died.
    """
    checking = _Checking(kind, key, passphrase)
    try:
        checking.end()
    finally:
        checking.abort()


class _Checking(_Piped):
    """Reads a private key, and no file."""

    def __init__(self, kind: str, key: str, passphrase: str | None) -> None:
        check_form(kind, key)
        super().__init__(io.BytesIO())
        secret = {"kind": kind, "key": key, "passphrase": passphrase, "header": ""}
        self._start(["check"], json.dumps(secret).encode())

    def _failure(self, status: int) -> Exception:
        return BadKey(_UNUSABLE) if status == _BAD_KEY else super()._failure(status)


def _from_armor(data: bytes) -> bytes:
    """An armored file from its armor on, without a byte order mark and blank lines; another as it is."""
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text if text.startswith(b"-----BEGIN ") else data


def _openpgp_header(head: bytes) -> tuple[bytes, bool, set[int]]:
    """The packets before the encrypted data with the first bytes of those, whether they are there, and the kinds of the
    packets (RFC 9580, section 4.2)."""
    at, tags = 0, set[int]()
    while at + 6 <= len(head) and head[at] & 0x80:
        first, size = head[at], head[at + 1]
        tag = first & 0x3F if first & 0x40 else first >> 2 & 0x0F
        if tag not in _BEFORE_DATA:
            return head[: at + _PROBED_BYTES], True, tags
        tags.add(tag)
        if first & 0x40:
            if size < 192:
                at += 2 + size
            elif size < 224:
                at += 3 + ((size - 192) << 8) + head[at + 2] + 192
            elif size == 255:
                at += 6 + int.from_bytes(head[at + 2 : at + 6], "big")
            else:  # in pieces, which only data may be
                break
        elif first & 3 == 3:
            break
        else:
            width = 1 << (first & 3)
            at += 1 + width + int.from_bytes(head[at + 1 : at + 1 + width], "big")
    return head, False, tags


def _without_armor(head: bytes) -> bytes:
    """How a file begins, without the armor of either kind; as it is where that is damaged."""
    lines = head.replace(b"\r", b"")
    if lines.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----\n"):
        body = lines.partition(b"\n")[2]
    elif lines.startswith(b"-----BEGIN PGP MESSAGE-----\n"):
        body = lines.partition(b"\n\n")[2]
    else:
        return head
    body = body.partition(b"-----END")[0].partition(b"\n=")[0].replace(b"\n", b"")
    try:
        return base64.b64decode(body[: len(body) // 4 * 4])
    except ValueError:
        return head


def _is_encrypted(kind: str, head: bytes) -> bool:
    """Whether a file that begins so is one of age, or an encrypted message of OpenPGP (RFC 9580, section 10.3)."""
    if kind == AGE:
        return head.startswith(b"age-encryption.org/v1\n")
    head = head.removeprefix(_MARKER)
    if not head or not head[0] & 0x80:
        return False
    tag = head[0] & 0x3F if head[0] & 0x40 else head[0] >> 2 & 0x0F
    return tag in _ENCRYPTED_TAGS


def _encrypt(encryption: Mapping[str, Any], plain: str, encrypted: str) -> int:
    """The child: encrypt a file."""
    if encryption["kind"] == AGE:
        import pyrage

        keys = [pyrage.x25519.Recipient.from_str(key) for key in encryption["recipients"]]
        pyrage.encrypt_file(plain, encrypted, keys)
    else:
        import pysequoia

        certificates = [pysequoia.Cert.from_bytes(key.encode()) for key in encryption["recipients"]]
        pysequoia.encrypt_file(plain, encrypted, recipients=certificates, armor=False)
    return 0


def _decrypt(work: str, secret: Mapping[str, Any], encrypted: str, plain: str) -> int:
    """The child: decrypt a file, or only read the key."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it would hold the key
    try:
        decrypt = _age_decryption(secret["key"]) if secret["kind"] == AGE else _openpgp_decryption(**secret)
    except ImportError:  # without its layer the function must not blame the key
        raise
    except Exception:
        return _BAD_KEY
    if work == "check":
        return 0
    try:
        decrypt(encrypted, plain)
    except MemoryError:
        return _NO_MEMORY
    except BaseException as error:  # a panic of the library is no Exception
        found = (status for beginning, status in _REASONS.items() if str(error).startswith(beginning))
        return next(found, _DAMAGED)
    return 0


def _age_decryption(key: str) -> Callable[[str, str], object]:
    import pyrage

    lines = [line.strip() for line in key.removeprefix("\ufeff").splitlines()]
    identities = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    if not identities:
        raise ValueError
    return lambda encrypted, plain: pyrage.decrypt_file(encrypted, plain, identities)


def _openpgp_decryption(kind: str, key: str, passphrase: str | None, header: str) -> Callable[[str, str], object]:
    import pysequoia

    decryptors = list(_decryptors(key, passphrase))
    chosen = decryptors[0]
    for decryptor in decryptors if len(decryptors) > 1 else []:
        try:
            pysequoia.decrypt(base64.b64decode(header), decryptor)
        except Exception as error:  # it is only the beginning of a file
            if str(error).startswith(_NOT_FOR_KEY):
                continue
        chosen = decryptor
        break
    return lambda encrypted, plain: pysequoia.decrypt_file(encrypted, plain, chosen)


def _decryptors(key: str, passphrase: str | None) -> Iterator[Any]:
    """One for each part of private keys that is made for decryption and good. The library takes the first part of a key
    that is: it is given each by itself.

    Raises:
        ValueError: a text is no private key.
    """
    import pysequoia
    from pysequoia.packet import PacketPile, Tag

    for text in re.findall(f"{_PRIVATE_ARMOR}.*?(?={_PRIVATE_ARMOR}|$)", key, re.DOTALL):
        groups: list[list[list[Packet]]] = []  # keys; the parts of each; the packets of a part
        for packet in PacketPile.from_bytes(text.encode()):
            if packet.tag in (Tag.SecretKey, Tag.PublicKey):
                groups.append([[]])
            elif packet.tag in (Tag.SecretSubkey, Tag.PublicSubkey):
                groups[-1].append([])
            groups[-1][-1].append(packet)
        for primary, *subkeys in groups:
            for part in ([], *subkeys):
                for each in dict.fromkeys((passphrase, None)):  # the library opens no open key by a passphrase
                    with suppress(Exception):
                        yield pysequoia.Tsk.from_packets(primary + part).decryptor(each)
                        break


def _serve(secret_pipe: int, work: str, *arguments: str) -> int:
    """The child, between standard input and output. Lambda has no /dev/fd, and macOS no /proc."""
    folder = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
    with open(secret_pipe, "rb") as pipe:
        secret = pipe.read()
    if work == "encrypt":
        return _encrypt(json.loads(arguments[0]), f"{folder}/0", f"{folder}/1")
    return _decrypt(work, json.loads(secret), f"{folder}/0", f"{folder}/1")


if __name__ == "__main__":
    sys.exit(_serve(int(sys.argv[1]), *sys.argv[2:]))
