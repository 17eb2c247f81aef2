"""Mail through SES. boto3 is loaded on first use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from waybill.aws.clients import session

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client


class MailRefused(Exception):
    """SES will not send this mail, however often it is asked (address, sender or account)."""


class MailDelayed(Exception):
    """SES did not take the mail now; worth another attempt later."""


class MailUnreachable(MailDelayed):
    """SES does not respond: it would take no other mail either."""


class Mailer:
    """
    Args:
        sender: a verified address; empty when this deployment sends no mail.
    """

    def __init__(self, region: str, endpoint_url: str | None, sender: str) -> None:
        self._region = region
        self._endpoint_url = endpoint_url
        self._sender = sender

    @cached_property
    def _ses(self) -> SESV2Client:
        return session().client("sesv2", region_name=self._region, endpoint_url=self._endpoint_url)

    def send(self, recipient: str, subject: str, text: str, html: str) -> None:
        """Send a mail to one recipient.

        Raises:
            MailRefused: another attempt cannot help.
            MailDelayed: another attempt may.
            MailUnreachable: another attempt may, but not at once.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        if not self._sender:
            raise MailRefused("this deployment has no sender (parameter MailSender)")
        body = {"Text": {"Data": text, "Charset": "UTF-8"}, "Html": {"Data": html, "Charset": "UTF-8"}}
        try:
            self._ses.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [recipient]},
                Content={"Simple": {"Subject": {"Data": subject, "Charset": "UTF-8"}, "Body": body}},  # type: ignore[typeddict-item]
            )
        except BotoCoreError as error:
            raise MailUnreachable(type(error).__name__) from None
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # Without SES's own words, which name the recipient: they would stand in the log.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (429, 500, 503):
                raise MailDelayed(code) from None
            raise MailRefused(code) from None
