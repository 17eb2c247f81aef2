"""The one place that builds things: settings, clients and repositories, each on first use, warm afterwards.

Modules are imported on first use as well, because imports are most of a cold start.
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
    from waybill.aws.table import Table
    from waybill.aws.user_pool import UserPool
    from waybill.aws.workflow import Workflow
    from waybill.entities.repository import EntityRepository
    from waybill.exports.repository import ExportRepository
    from waybill.jobs.active import ActiveJobs
    from waybill.jobs.audit import AuditTrail
    from waybill.jobs.caller_groups import CallerGroups
    from waybill.jobs.checkups import Checkups
    from waybill.jobs.daily_limit import DailyLimit
    from waybill.jobs.drop_passes import DropPasses
    from waybill.jobs.drops import Drops
    from waybill.jobs.duplicates import Duplicates
    from waybill.jobs.idempotency import IdempotencyKeys
    from waybill.jobs.ledger import Ledger
    from waybill.jobs.model import Job
    from waybill.jobs.outbox import Outbox
    from waybill.jobs.queue import ImportQueue
    from waybill.jobs.quotas import Previews, UnfinishedJobs
    from waybill.jobs.removals import Removals
    from waybill.jobs.repository import JobRepository
    from waybill.jobs.running import RunningImports
    from waybill.jobs.runs import Runs
    from waybill.jobs.uploads import Uploads
    from waybill.jobs.webhook_queue import WebhookQueue
    from waybill.sources.files import SourceFiles
    from waybill.sources.repository import SourceRepository
    from waybill.webhooks.client import WebhookClient


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
    def webhook_client(self) -> WebhookClient:
        from waybill.hosts import AllowedHosts
        from waybill.webhooks.client import WebhookClient

        return WebhookClient(AllowedHosts.parse(self.settings.allowed_private_hosts), self.clock)

    @cached_property
    def user_pool(self) -> UserPool:
        from waybill.aws.user_pool import UserPool

        return UserPool(self.settings.aws_region, self.settings.aws_endpoint_url, self.settings.user_pool_id)

    # The families of items in the jobs table

    @cached_property
    def jobs_table(self) -> Table:
        from waybill.aws.table import Table

        return Table(self.dynamodb, self.settings.jobs_table)

    @cached_property
    def jobs(self) -> JobRepository:
        from waybill.jobs.model import Retention
        from waybill.jobs.repository import JobRepository

        settings = self.settings
        retention = Retention(
            settings.import_retention_seconds,
            settings.import_minimum_seconds,
            settings.export_retention_seconds,
            settings.files_retention_seconds,
        )
        return JobRepository(self.jobs_table, self.outbox, retention, self.clock)

    @cached_property
    def outbox(self) -> Outbox:
        from waybill.jobs.outbox import Outbox

        return Outbox(self.jobs_table, self.clock, self._publish)

    def _publish(self, job: Job, done: set[str]) -> bool:
        from waybill.upkeep.announcements import publish

        return publish(self, job, done)

    @cached_property
    def ledger(self) -> Ledger:
        from waybill.aws.table import Table
        from waybill.jobs.leases import WRITE_TIMEOUT_SECONDS
        from waybill.jobs.ledger import Ledger

        # A heartbeat that hangs must leave time for another within its lease.
        heartbeats = Table(self.new_dynamodb(WRITE_TIMEOUT_SECONDS), self.settings.jobs_table)
        return Ledger(self.jobs_table, heartbeats, self.jobs, self.clock)

    @cached_property
    def queue(self) -> ImportQueue:
        from waybill.jobs.queue import ImportQueue

        return ImportQueue(self.jobs_table, self.jobs.find)

    @cached_property
    def running_imports(self) -> RunningImports:
        from waybill.jobs.running import RunningImports

        return RunningImports(self.jobs_table)

    @cached_property
    def runs(self) -> Runs:
        from waybill.jobs.runs import Runs

        return Runs(self.jobs_table, self.jobs.live)

    @cached_property
    def active_jobs(self) -> ActiveJobs:
        from waybill.jobs.active import ActiveJobs

        return ActiveJobs(self.jobs_table, self.jobs.find, self.jobs.find_many)

    @cached_property
    def checkups(self) -> Checkups:
        from waybill.jobs.checkups import Checkups

        return Checkups(self.jobs_table, self.clock)

    @cached_property
    def daily_mails(self) -> DailyLimit:
        from waybill.jobs.daily_limit import DailyLimit

        return DailyLimit(self.jobs_table, self.clock, "MAILS", self.settings.mails_per_day)

    @cached_property
    def webhooks(self) -> WebhookQueue:
        from waybill.jobs.webhook_queue import WebhookQueue

        return WebhookQueue(self.jobs_table, self.clock)

    @cached_property
    def daily_webhooks(self) -> DailyLimit:
        from waybill.jobs.daily_limit import DailyLimit

        return DailyLimit(self.jobs_table, self.clock, "WEBHOOKS", self.settings.webhooks_per_day)

    @cached_property
    def drops(self) -> Drops:
        from waybill.jobs.drops import Drops

        return Drops(self.jobs_table, self.clock)

    @cached_property
    def drop_passes(self) -> DropPasses:
        from waybill.jobs.drop_passes import DropPasses

        return DropPasses(self.jobs_table)

    @cached_property
    def removals(self) -> Removals:
        from waybill.jobs.removals import Removals

        return Removals(self.jobs_table, self.clock)

    @cached_property
    def uploads(self) -> Uploads:
        from waybill.jobs.quotas import UnfinishedUploads
        from waybill.jobs.uploads import Uploads

        return Uploads(self.jobs_table, UnfinishedUploads(self.jobs_table, self.clock))

    @cached_property
    def duplicates(self) -> Duplicates:
        from waybill.jobs.duplicates import Duplicates

        return Duplicates(self.jobs_table, self.clock)

    @cached_property
    def idempotency_keys(self) -> IdempotencyKeys:
        from waybill.jobs.idempotency import IdempotencyKeys

        return IdempotencyKeys(self.jobs_table, self.clock, self.ids)

    @cached_property
    def caller_groups(self) -> CallerGroups:
        from waybill.jobs.caller_groups import CallerGroups

        return CallerGroups(self.jobs_table, self.clock, self.settings.owner_groups_max_age_days)

    @cached_property
    def unfinished_jobs(self) -> UnfinishedJobs:
        from waybill.jobs.quotas import UnfinishedJobs

        return UnfinishedJobs(self.jobs_table, self.clock)

    @cached_property
    def previews(self) -> Previews:
        from waybill.jobs.quotas import Previews

        return Previews(self.jobs_table, self.clock)

    @cached_property
    def audit(self) -> AuditTrail:
        from waybill.jobs.audit import AuditTrail

        return AuditTrail(self.jobs_table, self.clock, self.ids, self.settings.audit_retention_days)

    # The catalogue

    @cached_property
    def catalog_table(self) -> Table:
        from waybill.aws.table import Table

        return Table(self.dynamodb, self.settings.catalog_table)

    @cached_property
    def entities(self) -> EntityRepository:
        from waybill.entities.repository import EntityRepository

        return EntityRepository(self.catalog_table, self.ids)

    @cached_property
    def exports(self) -> ExportRepository:
        from waybill.exports.repository import ExportRepository

        return ExportRepository(self.catalog_table, self.ids)

    @cached_property
    def sources(self) -> SourceRepository:
        from waybill.sources.repository import SourceRepository

        return SourceRepository(self.catalog_table)

    @cached_property
    def source_files(self) -> SourceFiles:
        from waybill.sources.files import SourceFiles

        return SourceFiles(self.jobs_table, self.clock)


@cache
def services() -> Services:
    """The services of this process, from its environment."""
    return Services(Settings.from_env())
