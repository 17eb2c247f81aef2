"""What each command is given."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from waybill_cli.client import Api
from waybill_cli.output import Output

Options = argparse.Namespace


@dataclass(frozen=True)
class Context:
    api: Api
    out: Output
    options: Options
