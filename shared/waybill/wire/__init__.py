"""What Waybill sends: answers of the API, events on the bus, and the reports, as typed dictionaries.

Each shape is written once, here. `mypy` checks those who build it, the OpenAPI description is derived from it (a
docstring below a member is its description), and nothing of that costs anything at run time.
"""
