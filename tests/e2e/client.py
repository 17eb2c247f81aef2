"""An integrator's client: HTTP and a token, nothing of Waybill's own code."""

from __future__ import annotations

import time
from typing import Any

import httpx

TERMINAL = {"COMPLETED", "FAILED", "CANCELED"}


class Client:
    """Calls the API as one of the stack's users."""

    def __init__(self, stack: dict[str, Any], user: str) -> None:
        self.stack = stack
        self._http = httpx.Client(base_url=f"{stack['apiUrl']}/v1", timeout=60, trust_env=False)
        self.token_response = self._sign_in(user)
        self._http.headers["Authorization"] = f"Bearer {self.token_response['AccessToken']}"

    def close(self) -> None:
        self._http.close()

    def _sign_in(self, user: str) -> dict[str, Any]:
        found = self._http.get("/auth-config").json()
        answer = httpx.post(
            found["endpoint"] or found["issuer"].rpartition("/")[0],
            json={
                "AuthFlow": "USER_PASSWORD_AUTH",
                "ClientId": found["clientId"],
                "AuthParameters": {"USERNAME": user, "PASSWORD": self.stack["users"][user]},
            },
            headers={
                "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
                "Content-Type": "application/x-amz-json-1.1",
            },
            trust_env=False,
        )
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()["AuthenticationResult"]
        return result

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self._http.request(method, path, **arguments)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.call("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put_entity(self, name: str, **document: Any) -> None:
        answer = self.call("PUT", f"/entities/{name}", json=document)
        assert answer.status_code in (200, 201), answer.text

    def find_job(self, seconds: float = 60, **filters: str) -> dict[str, Any]:
        """The newest job that the filters match, as soon as there is one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            items: list[dict[str, Any]] = self.get("/jobs", limit=100, **filters)["items"]
            if items:
                return items[0]
            time.sleep(0.1)
        raise AssertionError(f"no job for {filters}")

    def wait(self, job_id: str, seconds: float = 120) -> dict[str, Any]:
        """The job at its end; checks on the way that `processed` never falls."""
        deadline, processed = time.monotonic() + seconds, 0
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.get(f"/jobs/{job_id}")
            assert job["counts"]["processed"] >= processed
            processed = job["counts"]["processed"]
            if job["status"] in TERMINAL:
                return job
            time.sleep(0.1)
        raise AssertionError(f"job {job_id} did not end")

    def follow(self, path: str) -> httpx.Response:
        """What a 303 of the API leads to."""
        answer = self.call("GET", path)
        assert answer.status_code == 303, answer.text
        found = httpx.get(answer.headers["Location"], trust_env=False)
        assert found.status_code == 200, found.text
        return found

    def upload(self, entity: str, file_name: str, data: bytes) -> str:
        """Send a file the way an integrator does; the upload's id."""
        made = self.call("POST", "/uploads", json={"entity": entity, "fileName": file_name})
        assert made.status_code == 201, made.text
        form = made.json()
        sent = httpx.post(form["url"], data=form["fields"], files={"file": (file_name, data)}, trust_env=False)
        assert sent.status_code < 300, sent.text
        upload_id: str = form["uploadId"]
        return upload_id
