"""A Python client of Waybill's HTTP API.

    from waybill_client import Client

    with Client("https://waybill.example.com", token) as waybill:
        job = waybill.wait(waybill.import_file("contacts.csv", "contacts", mode="merge"))
        for error in waybill.items("/jobs", job["jobId"], "errors"):
            print(error["rowNumber"], error["message"])

Requests are repeated where that is safe; what starts a job has its effect once. The `waybill` command is built on it.
"""

from waybill_client.client import Client
from waybill_client.errors import Refused, Unreachable, WaybillError

__version__ = "0.1.0"
__all__ = ["Client", "Refused", "Unreachable", "WaybillError", "__version__"]
