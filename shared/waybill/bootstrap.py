"""The one place that builds things: settings, clients and repositories, each on first use, warm afterwards.

Also the modules: a function loads those of what it uses, which is most of its cold start.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from waybill.clock import SYSTEM_CLOCK, Clock
from waybill.ids import SYSTEM_IDS, Ids
from waybill.settings import Settings

if TYPE_CHECKING:
    from waybill.aws.dynamodb import DynamoDB
    from waybill.aws.events import Events
    from waybill.aws.files import Files
    from waybill.aws.functions import Functions
    from waybill.aws.mail import Mailer
    from waybill.aws.secrets import Secrets
    from waybill.aws.workflow import Workflow
    from waybill.entities.repository import EntityRepository
    from waybill.exports.repository import ExportRepository
    from waybill.jobs.model import Job
    from waybill.jobs.repository import JobRepository


class Services:
    """What operations are handed. Nothing connects before it is used."""

    def __init__(self, settings: Settings, clock: Clock = SYSTEM_CLOCK, ids: Ids = SYSTEM_IDS) -> None:
        self.settings = settings
        self.clock = clock
        self.ids = ids

    @cached_property
    def dynamodb(self) -> DynamoDB:
        from waybill.aws.dynamodb import DynamoDB

        return DynamoDB(self.settings.aws_region, self.settings.aws_endpoint_url, clock=self.clock, ids=self.ids)

    def new_dynamodb(self, timeout_seconds: float) -> DynamoDB:
        """A client of its own, for writes that must not be on their way for longer than that."""
        from waybill.aws.dynamodb import DynamoDB

        return DynamoDB(
            self.settings.aws_region,
            self.settings.aws_endpoint_url,
            timeout_seconds=timeout_seconds,
            clock=self.clock,
            ids=self.ids,
        )

    @cached_property
    def files(self) -> Files:
        from waybill.aws.files import Files

        return Files(self.settings.aws_region, self.settings.aws_endpoint_url)

    @cached_property
    def workflow(self) -> Workflow:
        from waybill.aws.workflow import Workflow

        return Workflow(self.settings.aws_region, self.settings.aws_endpoint_url)

    @cached_property
    def functions(self) -> Functions:
        from waybill.aws.functions import Functions

        return Functions(self.settings.aws_region, self.settings.aws_endpoint_url)

    @cached_property
    def events(self) -> Events:
        from waybill.aws.events import Events

        return Events(self.settings.aws_region, self.settings.aws_endpoint_url)

    @cached_property
    def mailer(self) -> Mailer:
        from waybill.aws.mail import Mailer

        return Mailer(self.settings.aws_region, self.settings.aws_endpoint_url, self.settings.mail_sender)

    @cached_property
    def secrets(self) -> Secrets:
        from waybill.aws.secrets import Secrets

        return Secrets(self.settings.aws_region, self.settings.aws_endpoint_url)

    @cached_property
    def jobs(self) -> JobRepository:
        from waybill.jobs.leases import WRITE_TIMEOUT_SECONDS
        from waybill.jobs.model import Retention
        from waybill.jobs.repository import JobRepository

        settings = self.settings
        retention = Retention(
            settings.import_retention_seconds,
            settings.import_minimum_seconds,
            settings.export_retention_seconds,
            settings.files_retention_seconds,
        )
        # A heartbeat that hangs must leave time for another within its lease.
        heart = self.new_dynamodb(WRITE_TIMEOUT_SECONDS)
        return JobRepository(self.dynamodb, settings.jobs_table, retention, self.clock, heart, self._announce, self.ids)

    def _announce(self, job: Job) -> bool:
        from waybill.upkeep.announcements import announce

        return announce(self, job)

    @cached_property
    def entities(self) -> EntityRepository:
        from waybill.entities.repository import EntityRepository

        return EntityRepository(self.dynamodb, self.settings.catalog_table, self.ids)

    @cached_property
    def exports(self) -> ExportRepository:
        from waybill.exports.repository import ExportRepository

        return ExportRepository(self.dynamodb, self.settings.catalog_table, self.ids)


@cache
def services() -> Services:
    """The services of this process, from its environment."""
    return Services(Settings.from_env())
