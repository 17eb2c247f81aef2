"""Files encrypted for public keys and decrypted again: which keys are taken, what each refusal says, who reads what."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
import pysequoia
import pytest
from pysequoia.packet import PacketPile, Tag

from tests.exporting import entity, export, import_file, stored
from waybill import encryption_process
from waybill.encryption import (
    MAX_KEYS,
    BadKey,
    check_decryption,
    check_encryption,
    encrypted_name,
    most_encrypted,
    shown,
)
from waybill.encryption_process import (
    Decrypting,
    DecryptionFailed,
    DecryptionInterrupted,
    Encrypting,
    EncryptionFailed,
    ForOtherKeys,
    check_private_key,
)
from waybill.exports.definition import ExportType
from waybill.exports.destinations.base import Allowed
from waybill.exports.file_names import numbered
from waybill.exports.rules import check_delivery, check_export_destination
from waybill.hosts import AllowedHosts
from waybill.jobs.webhooks import check_webhooks
from waybill.sources.rules import check_location
from waybill.validation import Problems

KEYS = Path(__file__).parents[1] / "stored" / "openpgp"
NOW, LATER = datetime(2024, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# One key for all runs: names of tests have it.
IDENTITY = pyrage.x25519.Identity.from_str("AGE-SECRET-KEY-1ENS5ALRRGM4EGN3SDV54TKQCAKCPZXEQHU0WG0KGA80C54NR58CQRPLPZW")
AGE = str(IDENTITY.to_public())
GOOD = (KEYS / "good.asc").read_text()


def problem_of(kind: str, *keys: Any, now: datetime | None = NOW) -> str:
    """The only problem of an encryption; empty for none."""
    problems = check_encryption({"kind": kind, "recipients": list(keys)}, "/destination/encryption", now)
    assert len(problems) <= 1
    assert all(at.startswith("/destination/encryption/recipients") for at, _ in problems)
    return problems[0][1] if problems else ""


def test_good_keys_are_taken_and_named() -> None:
    assert problem_of("age", AGE) == problem_of("openpgp", GOOD) == ""
    assert shown({"kind": "age", "recipients": [AGE]}) == {"kind": "age", "recipients": [AGE]}
    [name] = shown({"kind": "openpgp", "recipients": [GOOD]})["recipients"]
    assert len(name) == 40 and name == name.upper()


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("signs-only", "has no part that can encrypt"),
        ("subkey-revoked", "has no part that can encrypt"),
        ("rsa-1024", "RSA below 2,048 bits"),
        ("sha-1", "SHA-1"),
    ],
)
def test_an_openpgp_key_that_cannot_encrypt_safely_is_refused(file: str, words: str) -> None:
    assert words in problem_of("openpgp", (KEYS / f"{file}.asc").read_text())


def test_an_expired_key_is_refused_which_the_library_would_take() -> None:
    expires, renewed = ((KEYS / f"{name}.asc").read_text() for name in ("subkey-expires", "renewed"))
    assert pysequoia.encrypt(b"", [pysequoia.Cert.from_bytes(expires.encode())])
    assert problem_of("openpgp", expires) == "" == problem_of("openpgp", renewed, now=LATER)
    assert "expired at 2024-01-03T00:00:00Z" in problem_of("openpgp", expires, now=LATER)
    short = pysequoia.Tsk.generate("Ann", validity_seconds=86_400).extract_certificate()
    assert "expired at" in problem_of("openpgp", str(short), now=LATER)


def test_a_revoked_key_is_refused() -> None:
    secret = pysequoia.Tsk.generate("Ann")
    key = secret.extract_certificate()
    revoked = pysequoia.Cert.from_bytes(bytes(key) + bytes(key.revoke(secret.certifier())))
    assert problem_of("openpgp", str(revoked)).endswith("is revoked")


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_a_private_key_is_refused_in_plain_words_that_do_not_repeat_it(kind: str) -> None:
    secret = str(pysequoia.Tsk.generate("Ann"))
    disguised = secret.replace("PRIVATE KEY", "PUBLIC KEY")
    ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
    keys = [str(IDENTITY), str(IDENTITY).lower(), secret, ssh, *([disguised] if kind == "openpgp" else [])]
    for key in keys:
        assert problem_of(kind, key) == "is a private key: give the public key that belongs to it. It was not saved"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("age1qqqq", "is not a public key of age"),
        ("age1" + "q" * 58, "is not a public key of age"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPkg9sRnwsQLGdZNTVxGMuh9Lq7qRWPDhbNrkZZw+dQ", "SSH keys are not taken"),
        (GOOD, "is not a public key of age"),
        ("", "must be a public key"),
        (7, "must be a public key"),
        ("x" * 20_001, "must be a public key"),
    ],
)
def test_what_is_no_key_of_age_is_refused(key: Any, words: str) -> None:
    assert words in problem_of("age", key)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("age1qqqq", "is not a public key of OpenPGP"),
        (GOOD[:300], "is damaged"),
        (GOOD + GOOD, "holds several keys"),
        ("-----BEGIN PGP PUBLIC KEY BLOCK-----", "is damaged"),
        ("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxxxx\n-----END PGP PUBLIC KEY BLOCK-----", "is damaged"),
    ],
)
def test_what_is_no_key_of_openpgp_is_refused(key: str, words: str) -> None:
    assert words in problem_of("openpgp", key)


def test_no_cut_or_changed_key_is_more_than_a_problem() -> None:
    for at in range(0, len(GOOD), 7):
        check_encryption({"kind": "openpgp", "recipients": [GOOD[:at]]}, "", NOW)
        check_encryption({"kind": "openpgp", "recipients": [GOOD[:at] + "A" + GOOD[at + 1 :]]}, "", NOW)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (None, ""), ("age", ""), ([], ""), ({}, "/kind"), ({"kind": "age"}, "/recipients"),
        ({"kind": "gpg", "recipients": [AGE]}, "/kind"), ({"kind": {}, "recipients": [AGE]}, "/kind"),
        ({"kind": "age", "recipients": []}, "/recipients"),
        ({"kind": "age", "recipients": [AGE] * (MAX_KEYS + 1)}, "/recipients"),
        ({"kind": "age", "recipients": AGE}, "/recipients"),
        ({"kind": "age", "recipients": [AGE], "passphrase": "x"}, "/passphrase"),
        ({"kind": "age", "recipients": [AGE, AGE]}, "/recipients/1"),
    ],
)  # fmt: skip
def test_the_member_has_a_kind_and_a_few_keys(value: Any, at: str) -> None:
    assert at in [where for where, _ in check_encryption(value, "", NOW)]


def test_every_destination_encrypts_and_no_location_does() -> None:
    problems: Problems = []
    encryption = {"kind": "age", "recipients": [AGE]}
    for place in ({"kind": "download"}, {"kind": "s3"}):
        given = check_export_destination(place | {"encryption": encryption}, ExportType.ONE_SHOT, Allowed(), problems)
        assert given["encryption"] == encryption and not problems
    check_delivery({"kind": "s3", "encryption": {}}, Allowed(now=NOW), problems)
    assert {at for at, _ in problems} == {"/destination/encryption/kind", "/destination/encryption/recipients"}
    problems.clear()
    check_location({"kind": "s3", "encryption": encryption}, Allowed(), problems)
    assert [at for at, _ in problems] == ["/location/encryption"]


def test_names_tell_the_encryption() -> None:
    age, openpgp = {"kind": "age"}, {"kind": "openpgp"}
    assert encrypted_name("a.csv", None) == "a.csv"
    assert encrypted_name("a.csv.gz", age) == "a.csv.gz.age" == encrypted_name("a.csv.gz.age", age)
    assert encrypted_name("a.csv", openpgp) == "a.csv.pgp" and encrypted_name("a.GPG", openpgp) == "a.GPG"
    assert numbered("a.csv.gz.age", 2) == "a_2.csv.gz.age" and numbered("a.csv.pgp", 3) == "a_3.csv.pgp"


def decrypt_age(data: bytes) -> bytes:
    return bytes(pyrage.decrypt(data, [IDENTITY]))


def decrypt_openpgp(data: bytes) -> bytes:
    secret = pysequoia.Tsk.from_bytes((KEYS / "good.secret.asc").read_bytes())
    return pysequoia.decrypt(data, secret.decryptor()).bytes or b""


KINDS: list[tuple[str, str, Callable[[bytes], bytes]]] = [
    ("age", AGE, decrypt_age),
    ("openpgp", GOOD, decrypt_openpgp),
]


@pytest.mark.parametrize(("kind", "key", "decrypt"), KINDS, ids=["age", "openpgp"])
def test_what_is_written_is_what_the_holder_of_a_key_reads(
    kind: str, key: str, decrypt: Callable[[bytes], bytes]
) -> None:
    others = {"age": str(pyrage.x25519.Identity.generate().to_public()), "openpgp": (KEYS / "renewed.asc").read_text()}
    encryption = {"kind": kind, "recipients": [others[kind], key]}
    for pieces in ([], [b""], [b"x"], [b"abc" * 100_000] * 7):
        output = io.BytesIO()
        encrypting = Encrypting(encryption, output)
        for piece in pieces:
            encrypting.write(piece)
        encrypting.end()
        assert decrypt(output.getvalue()) == b"".join(pieces)
        assert b"abcabc" not in output.getvalue()


@pytest.mark.parametrize(("kind", "key", "decrypt"), KINDS, ids=["age", "openpgp"])
def test_what_an_export_encrypts_an_import_reads(kind: str, key: str, decrypt: Callable[[bytes], bytes]) -> None:
    of = entity({"name": "id", "type": "string"}, {"name": "n", "type": "integer"}, primaryKey="id")
    items = [stored(of, {"id": f"r{number}", "n": str(number)}) for number in range(3)]
    encryption = {"kind": kind, "recipients": [key]}
    combinations = itertools.product(("csv", "jsonl", "xlsx"), ("none", "gzip", "zip"))
    for format, compression in [*combinations, ("parquet", "none")]:
        destination = {"kind": "download", "encryption": encryption}
        how = {"compression": compression, "file_name": f"a.{format}", "destination": destination}
        data, written = export(of, [items], format, **how)
        assert written.size_bytes == len(data)
        records = [(item["id"], item["n"]) for item in import_file(of, decrypt(data), f"a.{format}")]
        assert records == [(item["id"], item["n"]) for item in items], (format, compression)


def test_a_file_that_is_given_up_leaves_no_process() -> None:
    encrypting = Encrypting({"kind": "age", "recipients": [AGE]}, io.BytesIO())
    encrypting.write(b"x" * 1_000)
    encrypting.abort()
    encrypting.abort()
    assert encrypting._child.returncode is not None


def test_a_process_that_dies_is_an_error_and_no_short_file() -> None:
    encrypting = Encrypting({"kind": "age", "recipients": ["age1nobody"]}, io.BytesIO())
    with pytest.raises(EncryptionFailed):
        for _ in range(100):
            encrypting.write(b"x" * 100_000)
    encrypting.abort()
    encrypting = Encrypting({"kind": "age", "recipients": ["age1nobody"]}, io.BytesIO())
    with pytest.raises(EncryptionFailed):
        encrypting.end()
    encrypting.abort()


# Decryption

SECRET, PROTECTED, ROTATED = ((KEYS / f"{name}.secret.asc").read_text() for name in ("good", "protected", "rotated"))
TEXT = b"id;name\n" + b"1;x\n" * 50_000


def decrypted(
    kind: str, data: bytes, key: str | None = None, passphrase: str | None = None, piece: int = 10_000
) -> bytes:
    output = io.BytesIO()
    decrypting = Decrypting(kind, key or {"age": str(IDENTITY), "openpgp": SECRET}[kind], passphrase, output)
    try:
        for start in range(0, len(data), piece):
            decrypting.write(data[start : start + piece])
        decrypting.end()
    finally:
        decrypting.abort()
    return output.getvalue()


def encrypted(kind: str, data: bytes, armor: bool = False) -> bytes:
    if kind == "age":
        return bytes(pyrage.encrypt(data, [IDENTITY.to_public()], armored=armor))
    return bytes(pysequoia.encrypt(data, [pysequoia.Cert.from_bytes(GOOD.encode())], armor=armor))


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_an_encrypted_text_is_decrypted_binary_and_armored(kind: str) -> None:
    for armor, text, piece in itertools.product((False, True), (TEXT, b"x", b""), (7, 10_000)):
        data = encrypted(kind, text, armor)
        if len(data) / piece < 10_000:
            assert decrypted(kind, data, piece=piece) == text


def test_a_key_file_of_age_has_comments_and_several_keys() -> None:
    other = pyrage.x25519.Identity.generate()
    assert decrypted("age", encrypted("age", b"x"), f"# old\n{other}\n\n# new\r\n{IDENTITY}\n") == b"x"


def test_a_protected_key_needs_its_passphrase() -> None:
    secret = PROTECTED
    certificate = pysequoia.Tsk.from_bytes(secret.encode()).extract_certificate()
    data = pysequoia.encrypt(b"x", [certificate])
    assert decrypted("openpgp", data, secret, "hunter22") == b"x"
    for passphrase in (None, "wrong"):
        with pytest.raises(BadKey, match="needs another passphrase"):
            decrypted("openpgp", data, secret, passphrase)


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_a_private_key_that_cannot_be_used_is_told(kind: str) -> None:
    for key in ("x", "# nothing", AGE, GOOD, SECRET[:200], "x" * 70_000):
        with pytest.raises(BadKey) as bad:
            decrypted(kind, encrypted(kind, TEXT), key)
        assert key[:40] not in str(bad.value) or key == "x"


@pytest.mark.parametrize("kind", ["age", "openpgp"])
@pytest.mark.parametrize("how", ["flipped", "cut", "longer", "twice", "a-little"])
def test_what_is_damaged_is_never_taken_for_whole(kind: str, how: str) -> None:
    data = encrypted(kind, TEXT)
    wrong = {
        "flipped": data[:-40] + bytes([data[-40] ^ 1]) + data[-39:],
        "cut": data[:-100],
        "longer": data + b"x",
        "twice": data * 2,
        "a-little": data[:100],
    }[how]
    with pytest.raises(DecryptionFailed, match="is damaged, ends too early, or was changed"):
        decrypted(kind, wrong)


def test_a_file_that_is_made_to_take_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stanza = b"-> X25519 " + b"A" * 43 + b"\n" + b"A" * 43 + b"\n"
    monkeypatch.setattr(encryption_process, "_STALL_SECONDS", 0.0)
    with pytest.raises(DecryptionFailed, match="takes too long"):
        decrypted("age", b"age-encryption.org/v1\n" + stanza * 200)
    monkeypatch.undo()
    with pytest.raises(DecryptionFailed, match="takes too long"):
        decrypted("age", b"age-encryption.org/v1\n" + stanza * 200_000)
    assert decrypted("age", encrypted("age", stanza * 2_000, armor=True)) == stanza * 2_000
    message = encrypted("openpgp", TEXT)
    [session_key] = [part.body for part in PacketPile.from_bytes(message) if part.tag == Tag.PKESK]
    with pytest.raises(DecryptionFailed, match="takes too long"):
        decrypted("openpgp", packet(1, session_key) * 2_000 + message)
    assert decrypted("openpgp", packet(1, session_key) * 50 + message) == TEXT


def test_a_file_for_others_is_told() -> None:
    other = pysequoia.Tsk.generate("Bob").extract_certificate()
    for_others = pyrage.encrypt(b"x", [pyrage.x25519.Identity.generate().to_public()])
    for kind, data in [
        ("age", for_others),
        ("openpgp", pysequoia.encrypt(b"x", [other])),
        ("openpgp", pysequoia.encrypt(TEXT, [other], armor=False)),
    ]:
        with pytest.raises(ForOtherKeys, match="is encrypted for other keys"):
            decrypted(kind, data)
        with pytest.raises(ForOtherKeys, match="is encrypted for other keys"):
            decrypted(kind, data, {"age": f"{IDENTITY}\n{IDENTITY}", "openpgp": ROTATED + SECRET}[kind])


def test_a_file_by_a_passphrase_is_told() -> None:
    for kind, data in [
        ("age", pyrage.passphrase.encrypt(TEXT, "x")),
        ("openpgp", pysequoia.encrypt(TEXT, passwords=["x"])),
        ("openpgp", pysequoia.encrypt(b"x", passwords=["x"], armor=False)),
    ]:
        with pytest.raises(DecryptionFailed, match="by a passphrase") as told:
            decrypted(kind, data)
        assert not isinstance(told.value, ForOtherKeys)


@pytest.mark.parametrize("key", [ROTATED, ROTATED + SECRET, SECRET + "\n" + ROTATED])
def test_each_part_of_each_private_key_is_tried(key: str) -> None:
    packets = list(PacketPile.from_bytes(ROTATED.encode()))
    first, second = (at for at, packet in enumerate(packets) if packet.tag == Tag.SecretSubkey)
    of_old, of_new = packets[:second], packets[:first] + packets[second:]
    for part in (of_old, of_new):
        certificate = pysequoia.Tsk.from_packets(part).extract_certificate()
        for text, armor in ((b"", False), (TEXT, True)):
            assert decrypted("openpgp", pysequoia.encrypt(text, [certificate], armor=armor), key) == text
    if SECRET in key:
        assert decrypted("openpgp", encrypted("openpgp", TEXT), key) == TEXT


@pytest.mark.parametrize("profile", [pysequoia.Profile.RFC4880, pysequoia.Profile.RFC9580])
def test_each_of_several_keys_is_tried_on_every_kind_of_data(profile: pysequoia.Profile) -> None:
    keys = [pysequoia.Tsk.generate(name, profile=profile) for name in ("Ann", "Bob")]
    for key in keys:
        data = pysequoia.encrypt(TEXT, [key.extract_certificate()], armor=False)
        assert decrypted("openpgp", data, "\n".join(map(str, keys))) == TEXT


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_blank_lines_and_a_mark_may_come_before_the_armor(kind: str) -> None:
    for before in (b"\r\n \n", b"\xef\xbb\xbf\n"):
        assert decrypted(kind, before + encrypted(kind, TEXT, armor=True)) == TEXT


@pytest.mark.parametrize(
    ("kind", "key", "words"),
    [
        ("age", AGE, "is a public key"),
        ("age", SECRET, "is a private key of OpenPGP, and the kind of the decryption is age"),
        ("openpgp", str(IDENTITY), "is a private key of age, and the kind of the decryption is openpgp"),
        ("openpgp", GOOD, "is a public key"),
        ("age", "rubbish", "is not a private key of age"),
        ("openpgp", "rubbish", "is not a private key of OpenPGP"),
        ("age", "AGE-SECRET-KEY-1NOBODY", "cannot be read"),
        ("openpgp", SECRET[:200], "cannot be read"),
        ("openpgp", PROTECTED, "needs another passphrase"),
        ("age", "#" * 60_001, "is too long"),
    ],
)
def test_a_private_key_is_checked_without_a_file(kind: str, key: str, words: str) -> None:
    with pytest.raises(BadKey, match=words):
        check_private_key(kind, key, None)


def test_a_private_key_that_can_be_used_is_one() -> None:
    check_private_key("age", f"# mine\n{IDENTITY}\n", None)
    check_private_key("openpgp", ROTATED + SECRET, None)
    check_private_key("age", f"\ufeff{IDENTITY}", None)
    check_private_key("openpgp", PROTECTED, "hunter22")
    check_private_key("openpgp", SECRET, "hunter22")
    for key in (SECRET, PROTECTED):
        certificate = pysequoia.Tsk.from_bytes(key.encode()).extract_certificate()
        assert decrypted("openpgp", pysequoia.encrypt(b"x", [certificate]), SECRET + PROTECTED, "hunter22") == b"x"


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_a_function_without_the_libraries_does_not_blame_the_key(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = encrypted(kind, TEXT)
    for library in ("pyrage", "pysequoia"):
        (tmp_path / f"{library}.py").write_text("raise ImportError")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EncryptionFailed):
        check_private_key(kind, {"age": str(IDENTITY), "openpgp": SECRET}[kind], None)
    with pytest.raises(DecryptionInterrupted):
        decrypted(kind, data)


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_a_process_that_is_killed_does_not_blame_the_file(kind: str) -> None:
    decrypting = Decrypting(kind, {"age": str(IDENTITY), "openpgp": SECRET}[kind], None, io.BytesIO())
    data = encrypted(kind, os.urandom(200_000))
    decrypting.write(data[:70_000])
    decrypting._child.kill()
    with pytest.raises(DecryptionInterrupted, match="was interrupted"):
        decrypting.end()
    decrypting.abort()


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_a_decryption_ends_when_its_time_does(kind: str) -> None:
    times = iter([5.0, 0.0])
    key = {"age": str(IDENTITY), "openpgp": SECRET}[kind]
    decrypting = Decrypting(kind, key, None, io.BytesIO(), lambda: next(times, 0.0))
    with pytest.raises(DecryptionFailed, match="takes too long"):
        for _ in range(100):
            decrypting.write(encrypted(kind, os.urandom(200_000)))
    decrypting.abort()


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize("kind", ["age", "openpgp"])
def test_what_is_not_encrypted_is_refused_although_the_library_would_pass_it_on(kind: str) -> None:
    signer = pysequoia.Tsk.generate("Ann").signer()
    literal = packet(11, b"b\0\0\0\0\0" + TEXT)
    plain = [
        TEXT,
        b"",
        b"x",
        pysequoia.sign(signer, TEXT, armor=False),
        pysequoia.sign(signer, TEXT),
        literal,
        packet(8, b"\1" + zlib.compress(literal, wbits=-15)),
        packet(10, b"PGP") + literal,
        b"-----BEGIN PGP MESSAGE-----",
        encrypted("openpgp" if kind == "age" else "age", TEXT),
    ]
    for data in plain:
        with pytest.raises(DecryptionFailed, match="is not encrypted with"):
            decrypted(kind, data)


def test_why_a_whole_file_is_not_read() -> None:
    """Else its sender sends the same again."""
    message = encrypted("openpgp", TEXT)
    parts = list(PacketPile.from_bytes(message))
    [session_key] = [part.body for part in parts if part.tag == Tag.PKESK]
    unprotected = packet(1, session_key) + packet(9, b"x" * 100)
    with pytest.raises(DecryptionFailed, match="no longer safe, such as one without integrity protection"):
        decrypted("openpgp", unprotected)


@pytest.fixture
def gnupg(tmp_path: Path) -> Iterator[Callable[..., bytes]]:
    """Runs GnuPG with keys of its own."""
    gpg = shutil.which("gpg")
    if gpg is None:
        pytest.skip("there is no GnuPG")
    tmp_path.chmod(0o700)

    def run(*arguments: str, data: bytes = b"") -> bytes:
        options = ["--homedir", str(tmp_path), "--batch", "--quiet", "--trust-model", "always"]
        return subprocess.run([gpg, *options, *arguments], input=data, capture_output=True, check=True).stdout

    yield run
    subprocess.run(["gpgconf", "--homedir", str(tmp_path), "--kill", "gpg-agent"], check=True)


def test_keys_of_many_parts_add_no_more_than_is_reckoned(gnupg: Callable[..., bytes]) -> None:
    """A file is encrypted for every part of a key that can encrypt."""
    keys = []
    for kinds in (["cv25519"] * 6, ["rsa4096", "rsa2048"]):
        name = f"{kinds[0]}@example.com"
        gnupg("--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
        listed = gnupg("--with-colons", "--list-keys", name).decode()
        fingerprint = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
        for kind in kinds:
            gnupg("--passphrase", "", "--quick-add-key", fingerprint, kind, "encrypt", "never")
        keys.append(gnupg("--armor", "--export-options", "export-minimal", "--export", name).decode())
    encryption = {"kind": "openpgp", "recipients": keys * 4}
    certificates = [pysequoia.Cert.from_bytes(key.encode()) for key in encryption["recipients"]]
    for size in (0, 100_000):
        data = bytes(pysequoia.encrypt(bytes(size), certificates, armor=False))
        assert len(data) - size > 4 * (6 * 80 + 256 + 512), "it has all parts"
        assert len(data) <= most_encrypted(encryption, size)


def test_gnupg_reads_what_is_encrypted_and_is_read(gnupg: Callable[..., bytes]) -> None:
    gnupg("--import", data=SECRET.encode())
    output = io.BytesIO()
    encrypting = Encrypting({"kind": "openpgp", "recipients": [GOOD]}, output)
    encrypting.write(TEXT)
    encrypting.end()
    assert gnupg("--decrypt", data=output.getvalue()) == TEXT
    for options in ([], ["--armor"], ["--compress-algo", "zip"]):
        assert decrypted("openpgp", gnupg("--encrypt", "-r", "good@example.com", *options, data=TEXT)) == TEXT
    for options, why in (
        (["--compress-algo", "bzip2"], "such as bzip2"),
        (["--rfc2440"], "without integrity protection"),
    ):
        with pytest.raises(DecryptionFailed, match=why):
            decrypted("openpgp", gnupg("--encrypt", "-r", "good@example.com", *options, data=TEXT))


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (None, ""), ({}, "/kind"), ({"kind": [], "secretId": "x"}, "/kind"),
        ({"kind": "age"}, "/secretId"), ({"kind": "gpg", "secretId": "x"}, "/kind"),
        ({"kind": "age", "secretId": "a\nb"}, "/secretId"), ({"kind": "age", "secretId": "x", "key": "y"}, "/key"),
    ],
)  # fmt: skip
def test_a_decryption_names_a_secret_and_holds_no_key(value: Any, at: str) -> None:
    assert at in [where for where, _ in check_decryption(value, "")]
    problems: Problems = []
    given = check_location({"kind": "s3", "decryption": {"kind": "age", "secretId": "x"}}, Allowed(), problems)
    assert given["decryption"]["kind"] == "age" and not problems
    check_delivery({"kind": "s3", "decryption": {"kind": "age", "secretId": "x"}}, Allowed(), problems)
    assert [where for where, _ in problems] == ["/destination/decryption"]


@pytest.mark.parametrize(
    "pasted",
    [
        str(IDENTITY), str(IDENTITY).lower(), SECRET, SECRET.replace("\n", ""), "-----BEGIN OPENSSH PRIVATE KEY-----",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "waybill/a\nb", "waybill/a b", "x" * 513, "", "a\n", None, 7,
    ],
)  # fmt: skip
def test_what_is_pasted_instead_of_the_name_of_a_secret_is_refused_by_its_form(pasted: Any) -> None:
    problems: Problems = []
    server = {"host": "files.example.com", "directory": "/in", "secretId": pasted}
    check_location({"kind": "sftp", **server, "hostKey": "SHA256:" + "A" * 43}, Allowed(), problems)
    check_delivery({"kind": "ftps", **server}, Allowed(now=NOW), problems)
    check_location({"kind": "s3", "decryption": {"kind": "age", "secretId": pasted}}, Allowed(), problems)
    check_webhooks([{"url": "https://hooks.example.com", "secretId": pasted}], AllowedHosts(), problems)
    told = [(at, what) for at, what in problems if at.endswith("/secretId")]
    assert [at for at, _ in told] == [
        *("/location/secretId", "/destination/secretId", "/location/decryption/secretId", "/webhooks/0/secretId")
    ]
    if isinstance(pasted, str) and len(pasted) > 7:
        assert not any(pasted[:30] in what for _, what in told)


def test_names_and_arns_of_secrets_are_taken() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:waybill/partner-AbCdEf"
    for name in ("waybill/partner", "a_b+c=d.e@f-g", "x" * 512, arn, arn + "x" * 600):
        assert check_decryption({"kind": "age", "secretId": name}, "") == []
