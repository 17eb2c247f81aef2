"""The first steps with curl, as the reference shows them. A test runs them as they stand.

Each step is a title, a sentence or two, and lines for a shell. `API` is the address of the reference without `/docs`.
"""

from __future__ import annotations

TOKEN: list[tuple[str, str]] = [
    ("a person, signed in by `waybill login`", "TOKEN=$(waybill token)"),
    (
        "a program with a client of its own, at the `token_endpoint` of the issuer's metadata",
        'TOKEN=$(curl -sf -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials "$TOKEN_ENDPOINT" '
        "| value '[\"access_token\"]')",
    ),
]

STEPS: list[tuple[str, str, str]] = [
    (
        "Prepare",
        "Answers are JSON; `value` takes a member out of one.",
        r"""
value() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
call() { curl -sf -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" "$@"; }
call "$API/me"
""",
    ),
    (
        "Define an entity",
        "Needs the group `admin`. The schema is a Table Schema.",
        r"""
call -X PUT "$API/entities/walkthrough" -d '{"schema": {"primaryKey": "id", "fields": [
  {"name": "id", "type": "string"}, {"name": "spend", "type": "number", "constraints": {"minimum": 0}}]}}'
""",
    ),
    (
        "Upload a file",
        "The upload answers with a form for S3, which takes the file and no token.",
        r"""
printf 'id,spend\nC-1,120.50\nC-2,many\nC-3,7\n' > walkthrough.csv
call "$API/uploads" -d '{"entity": "walkthrough", "fileName": "walkthrough.csv"}' > upload.json
python3 -c 'import json
for name, text in json.load(open("upload.json"))["fields"].items():
    print("form-string =", json.dumps(f"{name}={text}"))' > form.txt
curl -sf -K form.txt -F file=@walkthrough.csv "$(value '["url"]' < upload.json)"
""",
    ),
    (
        "Import it",
        "Send a new `Idempotency-Key` with each import: then the request can be repeated.",
        r"""
UPLOAD=$(value '["uploadId"]' < upload.json)
JOB=$(call "$API/imports" -H "Idempotency-Key: $UPLOAD" -d "{\"uploadId\": \"$UPLOAD\"}" | value '["jobId"]')
until call "$API/jobs/$JOB" > job.json && value '["completedAt"]' < job.json | grep -q Z; do sleep 1; done
value '["message"]' < job.json
""",
    ),
    (
        "See what was rejected",
        "The rejects file can be corrected, and imported with the mode and options of its job. S3 wants no token.",
        r"""
call "$API/jobs/$JOB/errors" | value '["items"][0]["message"]'
curl -sf -o rejects.csv "$(call -o /dev/null -w '%{redirect_url}' "$API/jobs/$JOB/rejects")"
cat rejects.csv
""",
    ),
    (
        "Export the entity",
        "A one-shot export runs when it is activated.",
        r"""
EXPORT=$(call "$API/exports" -d '{"name": "Walkthrough", "entity": "walkthrough"}' | value '["exportId"]')
RUN=$(call -X POST "$API/exports/$EXPORT/activate" | value '["jobId"]')
until call "$API/jobs/$RUN" | value '["completedAt"]' | grep -q Z; do sleep 1; done
curl -sf -o export.csv "$(call -o /dev/null -w '%{redirect_url}' "$API/jobs/$RUN/download")"
cat export.csv
""",
    ),
]
