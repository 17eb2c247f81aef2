"""Dropped objects and files: each drop makes one job, and each file goes when its time has come, not before."""

from __future__ import annotations

from tests.simulation.oracles.sight import Sight

#: A dropped object is found within a quarter of an hour; the sweep that finds it may be a minute late.
FOUND_SECONDS = 960.0
GRACE_SECONDS = 3_600.0


def every_drop_makes_one_job(watch: Sight) -> None:
    """Section 3: "A dropped object whose event was lost is found by the sweep within 15 minutes and imported once"; an
    object makes one job however often its events come."""
    made, bucket = watch.made_of_drops(), watch.settings.drop_bucket
    for key, found in watch.drops_without_job():
        age = (watch.aws.timeline.now() - found.modified).total_seconds()
        watch.require(age <= FOUND_SECONDS, every_drop_makes_one_job, f"{key} was never imported")
    for (key, etag), number in made.items():
        drops = watch.puts[bucket, key, etag]
        watch.require(number <= drops, every_drop_makes_one_job, f"{key}: {number} jobs of {drops} drops")


def live_source_is_kept(watch: Sight, bucket: str, key: str, etag: str) -> None:
    """Section 4, *Retention*: a deletion takes away no source of a job that has not ended, nor of the newest job of its
    key."""
    if (bucket, key) in watch.removed_by_people:
        return
    owners = [
        seen.job
        for seen in watch.jobs.values()
        if (seen.job.source_bucket, seen.job.source_key, seen.job.source_etag) == (bucket, key, etag)
        and not seen.is_deleted
        and seen.job.error_code != "source-changed"  # its event came after that of the object that is there
    ]
    now = watch.aws.timeline.now()
    for job in owners:
        watch.require(job.is_terminal, live_source_is_kept, f"the source of {job.job_id} ({job.status}) is deleted")
    newest = owners[-1] if owners else None  # registered last, whatever the clocks said
    if newest is not None and newest.job_id not in watch.deleting and newest.files_expire_at is not None:
        left = (newest.files_expire_at - now).total_seconds() - watch.skew_seconds
        watch.require(left <= 0, live_source_is_kept, f"the source of {newest.job_id} is deleted {left} s too early")


def expired_files_are_gone(watch: Sight) -> None:
    """Section 4, *Retention*: after `filesExpireAt`, or when its job was deleted, no file of a job is left, the source
    included, and nothing that bears its id after `expiresAt`."""
    now = watch.aws.timeline.now().timestamp()
    for job_id, seen in watch.jobs.items():
        job = seen.job
        if watch.is_poisoned(job_id) or watch.is_poisoned(str(job.source_key)):
            continue
        expires = now if seen.is_deleted else 0 if job.files_expire_at is None else job.files_expire_at.timestamp()
        if not expires or (expires > now - GRACE_SECONDS and not seen.is_deleted):
            continue
        keys = [key for key in watch.aws.buckets[watch.settings.files_bucket] if f"jobs/{job_id}/" in key]
        watch.require(not keys, expired_files_are_gone, f"{job_id} has left {keys}")
        source = watch.aws.buckets.get(str(job.source_bucket), {}).get(str(job.source_key))
        is_there = source is not None and source.etag == job.source_etag and not watch.has_other_owner(job)
        watch.require(not is_there, expired_files_are_gone, f"{job_id} has left its source {job.source_key}")
        if seen.is_deleted:
            left = [str(item["sk"]) for item in watch.server.tables[watch.settings.jobs_table].query(f"JOB#{job_id}")]
            watch.require(not left, expired_files_are_gone, f"{job_id} has left {left}")
