"""Runs a command and writes its resource usage to a file: `usage.py FILE COMMAND…`.

A separate, small process: the kernel counts the memory that the parent holds when it starts the command towards the
command's peak.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def main() -> None:
    process = subprocess.Popen(sys.argv[2:])
    _, status, usage = os.wait4(process.pid, 0)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    with open(sys.argv[1], "w") as file:
        json.dump(
            {
                "status": os.waitstatus_to_exitcode(status),
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
                "peak_mb": usage.ru_maxrss / unit,
            },
            file,
        )


if __name__ == "__main__":
    main()
