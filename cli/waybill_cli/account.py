"""`login`, `logout`, `token`, `me`: who the commands act as."""

from __future__ import annotations

import getpass
import sys

from waybill_cli.context import Context
from waybill_cli.failures import UsageFailure
from waybill_cli.output import Output
from waybill_cli.profile import DEFAULT_STACK_USER, remove_profile, save_profile


def login(context: Context) -> int:
    """Sign in and save address and tokens; the password is not kept."""
    connection, options = context.api.connection, context.options
    saved = connection.profile.user if connection.profile is not None else None
    user = options.user or saved or (DEFAULT_STACK_USER if connection.passwords else None) or _ask("User: ")
    if options.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif user in connection.passwords:
        password = connection.passwords[user]
    else:
        password = _ask(f"Password of {user} at {connection.api_url}: ", secret=True)
    if not user or not password:
        raise UsageFailure("A user and a password are needed.")
    profile = context.api.sign_in.with_password(user, password)
    path = save_profile(profile)
    if context.out.as_json:
        context.out.document({"apiUrl": profile.api_url, "user": user, "profile": str(path)})
    else:
        context.out.line(f"Signed in as {user} at {profile.api_url} (saved in {path})")
    return 0


def _ask(prompt: str, *, secret: bool = False) -> str:
    if not sys.stdin.isatty():
        raise UsageFailure("Nobody is here to answer.", "give --user U and --password-stdin")
    try:
        if secret:
            return getpass.getpass(prompt, stream=sys.stderr)
        print(prompt, end="", file=sys.stderr, flush=True)
        return input().strip()
    except EOFError:
        return ""


def logout(out: Output) -> int:
    """Forget the saved profile. Needs no address, so that it also removes a profile that cannot be read."""
    removed = remove_profile()
    if out.as_json:
        out.document({"removed": removed})
    else:
        out.line("Signed out." if removed else "Nobody was signed in.")
    return 0


def token(context: Context) -> int:
    bearer = context.api.sign_in.token()
    if context.out.as_json:
        context.out.document({"token": bearer})
    else:
        context.out.line(bearer)
    return 0


def me(context: Context) -> int:
    document = context.api.get("/me")
    if context.out.as_json:
        context.out.document(document)
    else:
        pairs = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in document.items()]
        context.out.pairs([*pairs, ("api", context.api.connection.api_url)])
    return 0
