"""Who gets the report of a job by mail: addresses of the domains that this deployment mails to."""

from __future__ import annotations

from collections.abc import Collection

from waybill.entities.text_formats import is_plain_email
from waybill.validation import Problems

MAX_RECIPIENTS = 50


def may_mail(address: str, mail_domains: Collection[str]) -> bool:
    """Whether it is an address, of one of these domains (in lower case)."""
    return is_plain_email(address) and address.rpartition("@")[2].lower() in mail_domains


def check_addresses(value: object, problems: Problems, path: str = "/recipients") -> tuple[str, ...]:
    """The recipients that a definition or an import names. A null counts as left out.

    Args:
        value: the decoded JSON.
        problems: gets an entry for each wrong address, such as `/recipients/0`.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_RECIPIENTS:
        problems.append((path, f"must be a list of at most {MAX_RECIPIENTS} e-mail addresses"))
        return ()
    seen: set[str] = set()
    for position, address in enumerate(value):
        if not isinstance(address, str) or not is_plain_email(address):
            problems.append((f"{path}/{position}", "must be an e-mail address, such as ops@example.com"))
        elif address.lower() in seen:
            problems.append((f"{path}/{position}", "names an address a second time"))
        else:
            seen.add(address.lower())
    return tuple(value)


def check_recipients(
    value: object, mail_domains: Collection[str], problems: Problems, path: str = "/recipients"
) -> tuple[str, ...]:
    """As `check_addresses`, of these domains.

    Args:
        mail_domains: those that mail may go to, in lower case; empty when this deployment sends none.
    """
    recipients = check_addresses(value, problems, path)
    if recipients and not mail_domains:
        problems.append((path, "must be empty: this deployment sends no mail (parameter MailSender)"))
        return recipients
    domains = ", ".join(sorted(mail_domains))
    problems.extend(
        (f"{path}/{position}", f"must be an address of {domains} (parameter RecipientDomains)")
        for position, address in enumerate(recipients)
        if isinstance(address, str) and is_plain_email(address) and not may_mail(address, mail_domains)
    )
    return recipients
