"""A fresh instance of the API function that answers one `GET` of the path in `REQUEST_PATH`; prints the body."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "functions" / "api"))  # as Lambda does

import app

PATH = os.environ["REQUEST_PATH"]
ANSWER = app.handler(
    {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": PATH,
        "rawQueryString": "",
        "headers": {"host": "api.example.com", "authorization": f"Bearer {os.environ['BEARER']}"},
        "requestContext": {
            "apiId": "bench",
            "domainName": "api.example.com",
            "http": {"method": "GET", "path": PATH},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    },
    None,
)
if ANSWER["statusCode"] != 200:
    sys.exit(f"{ANSWER}")
print(ANSWER["body"])
