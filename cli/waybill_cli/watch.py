"""Following a job until it ends."""

from __future__ import annotations

import httpx

from waybill_cli.client import decode
from waybill_cli.context import Context
from waybill_cli.failures import Interrupted, Unreachable
from waybill_cli.output import Progress
from waybill_cli.show import Job, exit_status, progress_text, show_end, show_job


def follow(context: Context, answer: httpx.Response, watched: bool, *, detailed: bool = False) -> int:
    """Show the job in a response; if it is watched, once it has ended. Returns the exit status."""
    job = watch(context, answer) if watched else decode(answer)
    if context.out.as_json:
        context.out.document(job)
    elif detailed:
        show_job(context.out, job)
    else:
        if not watched:
            context.out.line(f"Job {job['jobId']}")
        show_end(context.out, job)
    return exit_status(job)


def watch(context: Context, answer: httpx.Response) -> Job:
    """Poll a job, as often as the service asks, until it ends.

    Args:
        answer: a response that contains the job.

    Raises:
        Interrupted: by Ctrl-C; the job continues.
        Unreachable, Refusal
    """
    job: Job = decode(answer)
    job_id = str(job["jobId"])
    try:
        with Progress(f"{str(job['process']).capitalize()} of {job['fileName']}", at_once=True) as progress:
            for job in context.api.changes(answer):
                counts = job["counts"]
                progress.update(counts["processed"], counts["total"], progress_text(job))
    except KeyboardInterrupt:
        end = "cancel" if job["status"] == "WAITING" else "stop"
        steps = [f"waybill job {job_id} --watch   (follow it again)"]
        if end in job["allowedActions"]:
            steps.append(f"waybill {end} {job_id}   (end it)")
        raise Interrupted(f"Stopped watching; the {job['process']} continues.", *steps, resource=job) from None
    except Unreachable as failure:
        again = f"waybill job {job_id} --watch   (the {job['process']} continues)"
        raise Unreachable(failure.message, *failure.next_steps, again) from None
    return job
