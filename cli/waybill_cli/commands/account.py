"""`login`, `logout`, `token`, `me`: the user that commands act as."""

from __future__ import annotations

import sys

from waybill_cli.client import Api
from waybill_cli.commandline import Commands
from waybill_cli.context import Context
from waybill_cli.failures import Failure, UsageFailure
from waybill_cli.inputs import ask
from waybill_cli.output import Output
from waybill_cli.profile import DEFAULT_STACK_USER, Connection, load_profile, remove_profile, save_profile


def add_commands(commands: Commands) -> None:
    parser = commands.add("login", login, "sign in, and save the address and tokens")
    parser.add_argument(
        "--no-browser", action="store_true", help="show the address, or a code for another device, to sign in with"
    )
    parser.add_argument("--client-id", metavar="ID", help="sign in as this machine client, not as a person")
    parser.add_argument("--client-secret-env", metavar="NAME", help="environment variable with the client's secret")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    commands.add("logout", logout, "end the saved sign-in and remove it")
    commands.add("token", token, "print a bearer token")
    commands.add("me", me, "show your user name and groups")


def login(context: Context) -> int:
    """Sign in and save the address and tokens, never the password or secret."""
    options, sign_in = context.options, context.api.sign_in
    if bool(options.client_id) != bool(options.client_secret_env):
        raise UsageFailure("A machine client needs both --client-id and --client-secret-env.")
    if options.client_id:
        profile = sign_in.as_program(options.client_id, options.client_secret_env)
    elif options.password_stdin or getattr(options, "user", None) or _is_script_of_local_stack(context):
        profile = sign_in.with_password(*_user_and_password(context))
    else:
        profile = sign_in.with_browser(open_browser=not options.no_browser)
    path = save_profile(profile)
    document = {"apiUrl": profile.api_url, "user": profile.user, "profile": str(path)}
    context.out.result(document, f"Signed in as {profile.user} at {profile.api_url} (saved in {path})")
    return 0


def _is_script_of_local_stack(context: Context) -> bool:
    """Whether nobody is there to sign in, and the passwords are known."""
    return bool(context.api.connection.passwords) and not (sys.stdin.isatty() or context.options.no_browser)


def _user_and_password(context: Context) -> tuple[str, str]:
    connection, options = context.api.connection, context.options
    user = getattr(options, "user", None) or (DEFAULT_STACK_USER if connection.passwords else None) or ask("User: ")
    if options.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif user in connection.passwords:
        password = connection.passwords[user]
    else:
        password = ask(f"Password of {user} at {connection.api_url}: ", secret=True)
    if not user or not password:
        raise UsageFailure("A user name and a password are required.")
    return user, password


def logout(out: Output) -> int:
    """End the saved session at the issuer and remove the profile. Needs no address, so it also removes a profile that
    cannot be read, or whose service is gone."""
    is_ended = _end_session()
    removed = remove_profile()
    text = "Signed out." if removed else "You were not signed in."
    if removed and not is_ended:
        text = "Signed out here. The identity provider could not be told; the session there ends by itself."
    out.result({"removed": removed}, text)
    return 0


def _end_session() -> bool:
    try:
        profile = load_profile()
        if profile is None or not profile.refresh_token:
            return True
        api = Api(Connection(profile.api_url, "saved", profile), None)
        try:
            api.sign_in.sign_out()
        finally:
            api.close()
    except Failure:
        return False
    return True


def token(context: Context) -> int:
    bearer = context.api.sign_in.token()
    context.out.result({"token": bearer}, bearer)
    return 0


def me(context: Context) -> int:
    document = context.api.get("/me")
    if context.out.as_json:
        context.out.document(document)
    else:
        limits = document.pop("limits", {})
        pairs = [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in document.items()]
        left = [(words, _left(limits[name])) for name, words in _LIMITS.items() if name in limits]
        context.out.pairs([*pairs, *left, ("api", context.api.connection.api_url)])
    return 0


_LIMITS = {"unfinishedJobs": "jobs left", "previewsPerMinute": "previews left"}


def _left(limit: dict[str, int]) -> str:
    return f"{limit['left']} of {limit['limit']}"
