"""The address to connect to, and the sign-in for it: `--api-url`, else the saved profile, else the local stack."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from waybill_cli.failures import UsageFailure

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

STACK_FOLDER = Path(".waybill")
STACK_FILE = STACK_FOLDER / "stack.json"
DEFAULT_STACK_USER = "admin"


@dataclass(frozen=True)
class Profile:
    """What `waybill login` saves: tokens, and never a password or secret.

    Attributes:
        expires_at: the expiry of `token`, in epoch seconds.
        client_id: of a program that signs in as itself; None for a person.
        secret_variable: the environment variable with its secret.
    """

    api_url: str
    user: str
    token: str
    refresh_token: str | None
    expires_at: float
    client_id: str | None = None
    secret_variable: str | None = None


@dataclass(frozen=True)
class Stack:
    """A local stack, from the `stack.json` that `make up` writes. `users` maps user names to passwords."""

    api_url: str
    users: dict[str, str]
    path: Path


@dataclass(frozen=True)
class Connection:
    """Where to send requests, and how to sign in there.

    Attributes:
        api_url: without `/v1` and without a trailing slash.
        source: where the address comes from, in words.
        profile: the saved sign-in, if it is for this address.
        passwords: those of the local stack's users, if the stack has this address.
    """

    api_url: str
    source: str
    profile: Profile | None = None
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)


def find_connection(api_url: str | None) -> Connection:
    """The connection that a command uses.

    Args:
        api_url: from the command line.

    Raises:
        UsageFailure: no address is configured, or one is invalid.
    """
    profile, stack = load_profile(), find_stack(Path.cwd())
    if api_url is not None:
        address, source = normal_url(api_url), "given as --api-url"
        stack = next((other for other in _stacks(Path.cwd()) if other.api_url == address), None)
    elif profile is not None:
        address, source = profile.api_url, f"saved in {profile_path()}"
    elif stack is not None:
        address, source = stack.api_url, f"from {stack.path}"
    else:
        raise UsageFailure(
            "No API address is configured.",
            "give --api-url URL, or save it with `waybill login --api-url URL`",
            "or start the local stack with `make up` and run the command in that folder",
        )
    return Connection(
        address,
        source,
        profile if profile is not None and profile.api_url == address else None,
        stack.users if stack is not None and stack.api_url == address else {},
    )


def normal_url(text: str) -> str:
    """The normalized address: `https://host/` and `https://host/v1` become `https://host`.

    Raises:
        UsageFailure: it is not an http(s) address.
    """
    try:
        parts = urllib.parse.urlsplit(text.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment:
        raise UsageFailure(f"{text!r} is not a valid API address.", "an address looks like https://waybill.example.com")
    return text.strip().rstrip("/").removesuffix("/v1").rstrip("/")


def find_stack(folder: Path) -> Stack | None:
    """The local stack of `folder`, or of the nearest parent folder that has one.

    Raises:
        UsageFailure: its `stack.json` cannot be read.
    """
    for parent in (folder, *folder.parents):
        path = parent / STACK_FILE
        if path.is_file():
            return _read_stack(path)
    return None


def _stacks(folder: Path) -> Iterator[Stack]:
    """All local stacks of `folder` or the nearest parent folder that has some: each port has its own file."""
    for parent in (folder, *folder.parents):
        if (parent / STACK_FOLDER).is_dir():
            yield from map(_read_stack, sorted((parent / STACK_FOLDER).glob("stack*.json")))
            return


def _read_stack(path: Path) -> Stack:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        users = {str(name): str(password) for name, password in document.get("users", {}).items()}
        return Stack(normal_url(document["apiUrl"]), users, path)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise UsageFailure(f"Cannot read {path}.", "start the local stack again with `make up`") from None


def profile_path() -> Path:
    """Where the profile is saved. As the XDG Base Directory Specification asks, a relative folder is ignored."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(configured) if os.path.isabs(configured) else Path.home() / ".config"
    return folder / "waybill" / "profile.json"


def load_profile() -> Profile | None:
    """The saved profile, if there is one.

    Raises:
        UsageFailure: the file cannot be read.
    """
    path = profile_path()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Profile(
            normal_url(document["apiUrl"]),
            str(document["user"]),
            str(document["token"]),
            document["refreshToken"],
            float(document["expiresAt"]),
            document.get("clientId"),
            document.get("secretVariable"),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, UsageFailure):
        raise UsageFailure(f"Cannot read {path}.", "remove it with `waybill logout`, then sign in again") from None


def save_profile(profile: Profile) -> Path:
    """Save the profile atomically, readable by its owner only.

    Raises:
        UsageFailure: the folder cannot be written.
    """
    path = profile_path()
    values = asdict(profile)
    names = {
        "api_url": "apiUrl",
        "refresh_token": "refreshToken",
        "expires_at": "expiresAt",
        "client_id": "clientId",
        "secret_variable": "secretVariable",
    }
    text = json.dumps({names.get(name, name): value for name, value in values.items()}, indent=2)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp creates files with mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise UsageFailure(f"Cannot write {path}: {error.strerror}.") from None
    return path


@contextlib.contextmanager
def renewing() -> Iterator[None]:
    """Only one process at a time renews the saved tokens: an issuer that rotates refresh tokens takes the second use of
    one for a theft, and ends the session."""
    with contextlib.ExitStack() as held:
        if fcntl is not None:
            with contextlib.suppress(OSError):  # a folder that cannot be written holds no profile either
                lock = held.enter_context(profile_path().with_suffix(".lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_profile() -> bool:
    """Remove the profile. Returns False if there was none."""
    try:
        profile_path().unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageFailure(f"Cannot remove {profile_path()}: {error.strerror}.") from None
    return True
