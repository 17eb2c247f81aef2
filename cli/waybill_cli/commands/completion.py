"""`completion`: what a shell completes after `waybill`, made of the parser itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from waybill_cli.commandline import Commands
from waybill_cli.output import Output

SHELLS = ("bash", "zsh", "fish")
BASH = """_waybill() {{
    local path="" word words
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        case "$path $word" in
{moves}
        esac
    done
    case "$path" in
{words}
    esac
    if [[ -n "$words" ]]; then COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}")); fi
    if [[ ${{#COMPREPLY[@]}} -eq 0 ]]; then COMPREPLY=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}")); fi
}}
complete -o filenames -F _waybill waybill
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def add_command(commands: Commands, whole: argparse.ArgumentParser) -> None:
    """
    Args:
        whole: the parser of the command line, which has all other commands already.
    """
    parser = commands.add("completion", completion, "print what completes commands and options in a shell")
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(whole=whole)


def completion(options: argparse.Namespace, out: Output) -> int:
    """Print the script of a shell. Needs no address."""
    found = dict(_words(options.whole, ""))
    text = _fish(found) if options.shell == "fish" else _bash(found)
    print((ZSH if options.shell == "zsh" else "") + text.rstrip())
    return 0


def _words(parser: argparse.ArgumentParser, path: str) -> Iterator[tuple[str, list[str]]]:
    """Path of commands, as ` exports create` → the commands and options that may follow."""
    words: list[str] = []
    for action in parser._actions:  # argparse has no public way to them
        if isinstance(action, argparse._SubParsersAction):
            words += action.choices
            for name, child in action.choices.items():
                yield from _words(child, f"{path} {name}")
        else:
            words += [option for option in action.option_strings if option.startswith("--")]
    yield path, words


def _bash(found: dict[str, list[str]]) -> str:
    moves = "\n".join(f'            "{path}") path="{path}" ;;' for path in found if path)
    words = "\n".join(f'        "{path}") words="{" ".join(names)}" ;;' for path, names in found.items())
    return BASH.format(moves=moves, words=words)


def _fish(found: dict[str, list[str]]) -> str:
    lines = []
    for path, names in found.items():
        command = path.split()
        if command:
            condition = " && ".join(f"__fish_seen_subcommand_from {name}" for name in command)
        else:
            condition = "__fish_use_subcommand"
        flags = [f"-l {name.removeprefix('--')}" for name in names if name.startswith("--")]
        flags += [f"-a {name}" for name in names if not name.startswith("--")]
        lines += [f"complete -c waybill -n '{condition}' {flag}" for flag in flags]
    return "\n".join(lines)
