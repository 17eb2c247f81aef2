"""`login`, `logout`, `token`, `me`: the user that commands act as."""

from __future__ import annotations

import sys

from waybill_cli.commandline import Commands
from waybill_cli.context import Context
from waybill_cli.failures import UsageFailure
from waybill_cli.inputs import ask
from waybill_cli.output import Output
from waybill_cli.profile import DEFAULT_STACK_USER, remove_profile, save_profile


def add_commands(commands: Commands) -> None:
    parser = commands.add("login", login, "sign in, and save the address and tokens")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    commands.add("logout", logout, "remove the saved sign-in")
    commands.add("token", token, "print a bearer token")
    commands.add("me", me, "show your user name and groups")


def login(context: Context) -> int:
    """Sign in and save the address and tokens, never the password."""
    connection, options = context.api.connection, context.options
    saved = connection.profile.user if connection.profile is not None else None
    user = options.user or saved or (DEFAULT_STACK_USER if connection.passwords else None) or ask("User: ")
    if options.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif user in connection.passwords:
        password = connection.passwords[user]
    else:
        password = ask(f"Password of {user} at {connection.api_url}: ", secret=True)
    if not user or not password:
        raise UsageFailure("A user name and a password are required.")
    profile = context.api.sign_in.with_password(user, password)
    path = save_profile(profile)
    document = {"apiUrl": profile.api_url, "user": user, "profile": str(path)}
    context.out.result(document, f"Signed in as {user} at {profile.api_url} (saved in {path})")
    return 0


def logout(out: Output) -> int:
    """Remove the saved profile. Needs no address, so it also removes a profile that cannot be read."""
    removed = remove_profile()
    out.result({"removed": removed}, "Signed out." if removed else "You were not signed in.")
    return 0


def token(context: Context) -> int:
    bearer = context.api.sign_in.token()
    context.out.result({"token": bearer}, bearer)
    return 0


def me(context: Context) -> int:
    document = context.api.get("/me")
    if context.out.as_json:
        context.out.document(document)
    else:
        pairs = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in document.items()]
        context.out.pairs([*pairs, ("api", context.api.connection.api_url)])
    return 0
