"""What those who may export an entity could do to others: use their credentials, replace their files, send mail."""

from __future__ import annotations

from tests.planted.mutant import Mutant

EXPORTERS = (
    Mutant(
        "a-secret-for-any-host",
        "The credentials of a partner are sent to that partner's server only.",
        "shared/waybill/jobs/bound_secrets.py",
        """elif not is_for_server(secret["host"], host, port):""",
        """elif False:""",
        ("tests/integration/test_secrets.py::test_a_delivery_sends_a_foreign_secret_to_nobody",),
    ),
    Mutant(
        "a-secret-for-any-entity",
        "The credentials of a partner are used for the entities only that they were given for.",
        "shared/waybill/jobs/bound_secrets.py",
        """elif not {ALL_ENTITIES, entity} & set(secret["entities"]):""",
        """elif False:""",
        ("tests/integration/test_secrets.py::test_a_delivery_sends_a_foreign_secret_to_nobody",),
    ),
    Mutant(
        "a-secret-is-not-looked-at-when-saved",
        "A definition with a secret that is for something else is refused when it is saved.",
        "functions/api/routers/exports.py",
        """    check_secret(request, definition.destination, entity, "destination", _BROKEN)
    check_webhook_secrets(request, definition.webhooks, entity, _BROKEN)
    return definition
""",
        """    check_webhook_secrets(request, definition.webhooks, entity, _BROKEN)
    return definition
""",
        (
            "tests/integration/test_secrets.py"
            "::test_a_foreign_secret_is_refused_in_the_same_words_when_it_is_saved_tested_and_delivered",
        ),
    ),
    Mutant(
        "an-export-replaces-what-others-wrote",
        "An export replaces only objects that it wrote itself.",
        "shared/waybill/exports/destinations/s3.py",
        """        return found.metadata.get(_EXPORT) == delivery.job.export_id
""",
        """        return True
""",
        ("tests/integration/test_transfer_box.py::test_another_export_replaces_neither_file_nor_manifest",),
    ),
    Mutant(
        "a-write-without-its-condition",
        "An object that appears between the look and the write is not replaced.",
        "shared/waybill/aws/bucket.py",
        """    return {"IfNoneMatch": "*"} if replaces is None else {"IfMatch": replaces}
""",
        """    return {}
""",
        ("tests/integration/test_transfer_box.py::test_nothing_is_lost_that_appears_between_the_look_and_the_write",),
    ),
    Mutant(
        "one-delayed-mail-delays-the-others",
        "Each recipient gets the report although the mail to another one is delayed.",
        "shared/waybill/upkeep/announcements.py",
        "            delayed = error\n            continue\n",
        "            raise\n",
        ("tests/integration/test_mail_limits.py::test_a_delayed_mail_delays_no_other_and_repeats_none",),
    ),
    Mutant(
        "who-has-the-report-is-forgotten",
        "Nobody is mailed a report again because the mail to another one is delayed, nor is the event published again.",
        "shared/waybill/jobs/outbox.py",
        '        later |= {"done": sorted(done)} if done else {}\n',
        "",
        ("tests/integration/test_mail_limits.py::test_a_delayed_mail_delays_no_other_and_repeats_none",),
    ),
    Mutant(
        "first-attempt-is-forgotten",
        "Nobody is mailed a report again because the mail to another one was delayed at first.",
        "shared/waybill/jobs/outbox.py",
        '                self._table.update(key, Change(sets={"done": sorted(done)}), Attr("pk").exists())\n',
        "                pass\n",
        ("tests/integration/test_mail_limits.py::test_a_delayed_mail_delays_no_other_and_repeats_none",),
    ),
    Mutant(
        "mail-to-any-domain",
        "Reports are mailed only to the domains that the operator allows.",
        "shared/waybill/upkeep/announcements.py",
        "waiting.items() if may_mail(address, services.settings.mail_domains)}",
        "waiting.items()}",
        ("tests/integration/test_mail_limits.py::test_what_was_saved_before_is_mailed_to_the_domains_of_today_only",),
    ),
    Mutant(
        "report-of-a-deleted-import",
        "The report of an import that was deleted meanwhile is mailed to nobody.",
        "shared/waybill/upkeep/announcements.py",
        "    except NotFound:  # deleted in the meantime: its report is not wanted\n        return\n",
        '    except NotFound:\n        snapshot = {"export": {"recipients": []}}\n',
        ("tests/integration/test_mail_limits.py::test_the_report_of_a_deleted_import_is_not_sent",),
    ),
    Mutant(
        "an-import-mails-any-domain",
        "An import names only recipients of the domains that the operator allows.",
        "shared/waybill/imports/options.py",
        'check_recipients(_addresses(metadata), mail_domains, problems, "recipients")',
        "tuple(_addresses(metadata))",
        ("tests/integration/test_mail_limits.py::test_imports_are_held_to_the_domains_and_the_limit_of_a_day",),
    ),
    Mutant(
        "mail-without-a-limit",
        "Nobody makes Waybill send any number of mails.",
        "shared/waybill/jobs/daily_limit.py",
        'has_room = Attr("sent").is_missing() | Attr("sent").is_below(limit)',
        'has_room = Attr("sent").is_missing() | Attr("sent").exists()',
        ("tests/integration/test_mail_limits.py::test_a_day_has_so_many_mails",),
    ),
    Mutant(
        "a-webhook-that-dies-is-lost",
        "A message to a webhook comes again until the receiver has taken it.",
        "shared/waybill/webhooks/send.py",
        "    claimed = services.webhooks.claim(message)\n",
        "    claimed = services.webhooks.claim(message)\n    services.webhooks.remove(claimed or message)\n",
        ("tests/integration/test_webhooks.py::test_an_attempt_that_dies_is_followed_by_another",),
    ),
    Mutant(
        "webhooks-with-the-words-of-errors",
        "A message to a webhook holds nothing of a file's rows.",
        "shared/waybill/wire/webhooks.py",
        """None if job.error_code is None else {"code": job.error_code}""",
        """work["error"]  # type: ignore[assignment]""",
        ("tests/integration/test_webhooks.py::test_a_failure_is_told_by_its_code_alone",),
    ),
    Mutant(
        "viewers-read-definitions",
        "Whoever may only view an entity is shown nothing of the definitions of its exports.",
        "functions/api/routers/jobs.py",
        "    if not knows_definition(request.caller, job, entity):\n",
        "    if False:\n",
        (
            "tests/integration/test_who_sees_what.py"
            "::test_each_word_of_a_definition_reaches_those_who_may_know_it_and_nobody_else",
        ),
    ),
    Mutant(
        "viewers-read-reasons",
        "Whoever may only view an entity is not told which servers its exports go to.",
        "shared/waybill/jobs/permissions.py",
        "    return message if error_code is None or error_code in _TELLS_NOTHING else HIDDEN_REASON\n",
        "    return message\n",
        ("tests/integration/test_who_sees_what.py::test_what_a_viewer_is_told_of_a_failed_run",),
    ),
    Mutant(
        "links-lead-where-a-header-says",
        "Links lead to the service, whatever a request says in Host.",
        "functions/api/request.py",
        "named if _LOCAL_HOST.fullmatch(named) else endpoint.netloc",
        "named or endpoint.netloc",
        ("tests/integration/test_api_frame.py::test_no_header_decides_where_links_lead",),
    ),
    Mutant(
        "a-run-is-repeated-for-another-entity",
        "The rows of an entity go only where those who may export it say.",
        "shared/waybill/exports/run.py",
        "    return export.entity_uid != job.entity_uid\n",
        "    return False\n",
        (
            "tests/integration/test_api_exports.py"
            "::test_a_run_is_not_repeated_when_its_export_has_moved_to_another_entity",
        ),
    ),
)
