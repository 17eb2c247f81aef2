"""Machine clients: programs that sign in as themselves (OAuth's `client_credentials`), and the groups they belong to.

No user pool or issuer says which groups a program belongs to, so the template parameter MachineClients does: a JSON
object of client id → groups. An issuer whose tokens name a program by something else than its client id (Keycloak,
Microsoft Entra) has it under `sub:` and the subject of its tokens.

As a caller a program has the subject and the name `client:{id}`; no person may have a subject or name that begins so.
"""

from __future__ import annotations

import json
from functools import lru_cache

PREFIX = "client:"

Groups = dict[str, frozenset[str]]


@lru_cache(maxsize=8)
def parse(text: str) -> Groups:
    """The groups of each client.

    Args:
        text: the setting; empty for none.

    Raises:
        ValueError: it is not a JSON object of lists of names.
    """
    document = json.loads(text or "{}")
    if not isinstance(document, dict):
        raise ValueError("MachineClients is not a JSON object")
    groups: Groups = {}
    for client, names in document.items():
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise ValueError(f"MachineClients: the groups of {client} are not a list of names")
        groups[client] = frozenset(names)
    return groups


def is_machine(subject: str) -> bool:
    """Whether the subject of a caller is that of a program."""
    return subject.startswith(PREFIX)


def groups_of(setting: str, subject: str) -> frozenset[str]:
    """The groups of a program now; none when it is no longer a machine client.

    Args:
        setting: MachineClients.
        subject: of a caller for whom `is_machine` holds.
    """
    return parse(setting).get(subject.removeprefix(PREFIX), frozenset())
