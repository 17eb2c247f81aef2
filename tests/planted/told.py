"""What histories of the simulation must notice: files that are judged, and ends that are told."""

from __future__ import annotations

from tests.planted.mutant import Mutant

HISTORIES = ("tests/simulation/test_histories.py::test_files_are_judged_and_ends_are_told",)

TOLD = (
    Mutant(
        "usual-forgets-imports",
        "Each import that came to its end says what is usual.",
        "shared/waybill/jobs/usual_rows.py",
        "    if known is None or not (is_done and job.takes_turns):\n",
        "    if known is None or not (is_done and job.takes_turns) or len(known['rows']) > 1:\n",
        HISTORIES,
    ),
    Mutant(
        "relaunch-of-an-unusual-file-is-refused-again",
        "A file that was refused for its number of rows is imported when somebody relaunches it.",
        "shared/waybill/imports/relaunch.py",
        "    if child.takes_whole_file:\n        child = replace(child, options=whole_file_options(job))\n",
        "",
        HISTORIES,
    ),
    Mutant(
        "unusual-files-are-never-told",
        "Who lets unusual files in is told of them.",
        "shared/waybill/imports/plan.py",
        "    warnings += [unusual] if unusual is not None else []\n",
        "",
        HISTORIES,
    ),
    Mutant(
        "share-of-rejected-rows-never-stops",
        "A file with too many bad rows stops, where the entity says so.",
        "shared/waybill/imports/policy.py",
        "limits.append(quality.max_rejected(job.counts.total) + 1)",
        "limits.append(quality.max_rejected(job.counts.total) + 1_000)",
        HISTORIES,
    ),
    Mutant(
        "webhook-that-is-refused-is-forgotten",
        "Who did not take a message gets it again.",
        "shared/waybill/webhooks/send.py",
        "        services.webhooks.note_failure(claimed, reason)\n",
        "        services.webhooks.remove(claimed)\n",
        HISTORIES,
    ),
    Mutant(
        "webhook-is-given-up-after-one-attempt",
        "A message is given up after eight attempts in 32 hours, not before.",
        "shared/waybill/webhooks/send.py",
        "    if is_over or claimed.attempts >= MAX_ATTEMPTS:\n",
        "    if is_over or claimed.attempts >= 1:\n",
        HISTORIES,
    ),
    Mutant(
        "webhook-has-a-new-id-each-time",
        "One end of a job has one id, by which receivers know what comes twice.",
        "shared/waybill/jobs/webhook_queue.py",
        'webhook_id=item["sk"].partition("#")[2],',
        'webhook_id=item["sk"].partition("#")[2] + str(attempts_of(item)),',
        HISTORIES,
    ),
    Mutant(
        "webhook-is-signed-without-its-time",
        "The signature is that of Standard Webhooks.",
        "shared/waybill/webhooks/signature.py",
        'signed = f"{webhook_id}.{timestamp}.{body}".encode()',
        'signed = f"{webhook_id}.{body}".encode()',
        HISTORIES,
    ),
)
