"""Runs a command and writes what it took to a file: `usage.py FILE COMMAND…`.

A process of its own, and a small one: the kernel counts what a process held when it began the command as the peak
memory of that.
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
