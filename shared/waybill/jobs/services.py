"""What operations are handed: settings, time, AWS, and the repositories. `waybill.bootstrap` builds it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from waybill.aws.dynamodb import DynamoDB
    from waybill.aws.events import Events
    from waybill.aws.files import Files
    from waybill.aws.functions import Functions
    from waybill.aws.mail import Mailer
    from waybill.aws.secrets import Secrets
    from waybill.aws.user_pool import UserPool
    from waybill.aws.workflow import Workflow
    from waybill.clock import Clock
    from waybill.entities.repository import EntityRepository
    from waybill.ids import Ids
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
    from waybill.jobs.outbox import Outbox
    from waybill.jobs.queue import ImportQueue
    from waybill.jobs.quotas import UnfinishedJobs
    from waybill.jobs.removals import Removals
    from waybill.jobs.repository import JobRepository
    from waybill.jobs.running import RunningImports
    from waybill.jobs.runs import Runs
    from waybill.jobs.uploads import Uploads
    from waybill.jobs.webhook_queue import WebhookQueue
    from waybill.settings import Settings


class Services(Protocol):
    """Each part is built on first use; nothing connects before."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...

    @property
    def dynamodb(self) -> DynamoDB: ...
    @property
    def files(self) -> Files: ...
    @property
    def workflow(self) -> Workflow: ...
    @property
    def functions(self) -> Functions: ...
    @property
    def events(self) -> Events: ...
    @property
    def mailer(self) -> Mailer: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def user_pool(self) -> UserPool: ...

    @property
    def entities(self) -> EntityRepository: ...
    @property
    def jobs(self) -> JobRepository: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def queue(self) -> ImportQueue: ...
    @property
    def running_imports(self) -> RunningImports: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def active_jobs(self) -> ActiveJobs: ...
    @property
    def checkups(self) -> Checkups: ...
    @property
    def drops(self) -> Drops: ...
    @property
    def daily_mails(self) -> DailyLimit: ...
    @property
    def daily_webhooks(self) -> DailyLimit: ...
    @property
    def webhooks(self) -> WebhookQueue: ...
    @property
    def drop_passes(self) -> DropPasses: ...
    @property
    def removals(self) -> Removals: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def duplicates(self) -> Duplicates: ...
    @property
    def idempotency_keys(self) -> IdempotencyKeys: ...
    @property
    def caller_groups(self) -> CallerGroups: ...
    @property
    def unfinished_jobs(self) -> UnfinishedJobs: ...
    @property
    def audit(self) -> AuditTrail: ...

    def new_dynamodb(self, timeout_seconds: float) -> DynamoDB:
        """A client of its own, for writes that must end within this time."""
