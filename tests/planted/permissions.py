"""Who may see and do what."""

from __future__ import annotations

from tests.planted.mutant import Mutant

PERMISSIONS = (
    Mutant(
        "import-begins-without-asking-for-rights",
        "A waiting import of somebody who has lost the right writes nothing.",
        "shared/waybill/imports/plan.py",
        "    if not _starter_still_may(services, job):\n",
        "    if not job.job_id:\n",
        (
            "tests/integration/test_rights_at_run_time.py"
            "::test_a_waiting_import_is_refused_once_its_starter_has_lost_the_right",
        ),
    ),
    Mutant(
        "run-begins-without-asking-for-rights",
        "An export stops when its owner may no longer export.",
        "shared/waybill/exports/extract.py",
        "    if not still_may(services, owner.subject, owner.name, Right.EXPORT, entity.name, entity.uid):\n",
        "    if not owner.subject:\n",
        ("tests/integration/test_rights_at_run_time.py::test_a_schedule_stops_when_its_owner_may_no_longer_export",),
    ),
    Mutant(
        "refused-file-is-hidden",
        "A file that was refused is seen by those who may import into its entity.",
        "shared/waybill/jobs/permissions.py",
        "    return job.refused and _may_on_job(caller, job, entity, Right.IMPORT)\n",
        "    return False\n",
        (
            "tests/integration/test_api_jobs.py"
            "::test_a_refused_file_is_seen_by_those_who_may_import_and_goes_with_the_entity",
        ),
    ),
    Mutant(
        "looking-is-changing",
        "Who may only view an entity stops and deletes none of its jobs.",
        "shared/waybill/jobs/permissions.py",
        "Right.IMPORT if job.process is Process.IMPORT else Right.EXPORT",
        "Right.VIEW",
        ("tests/integration/test_api_jobs.py::test_looking_is_not_changing",),
    ),
    Mutant(
        "viewers-download-exports",
        "Records leave only with those who may export them.",
        "shared/waybill/jobs/permissions.py",
        "job.process is Process.IMPORT or caller.is_admin or _may_on_job(caller, job, entity, Right.EXPORT)",
        "True",
        ("tests/integration/test_api_jobs.py::test_the_files_of_exports_are_offered_to_those_who_may_export",),
    ),
    Mutant(
        "jobs-of-a-deleted-entity-are-shown",
        "Deleting an entity hides its jobs at once, also when the name is used again.",
        "shared/waybill/jobs/permissions.py",
        "    return bool(job.entity_uid) and (entity is None or entity.uid != job.entity_uid)\n",
        "    return bool(job.entity_uid) and entity is None\n",
        (
            "tests/integration/test_api_jobs.py::test_a_refused_file_is_seen_by_those_who_may_import_and_goes_with_the_entity",
        ),
    ),
)
