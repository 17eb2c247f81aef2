"""`python -m waybill_cli`."""

import sys

from waybill_cli.main import main

sys.exit(main())
