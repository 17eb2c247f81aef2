"""The MiniStack process: one port on loopback, its own process group, its state in one folder.

Run as a module, this file *is* that process: it asks the kernel to end it with its parent, then becomes MiniStack.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from infra.local.claim import HOST, LocalStackError, check_port

REGION = "us-east-1"
START_TIMEOUT_SECONDS = 60.0
LOAD_TIMEOUT_SECONDS = 600.0  # with a state of millions of records
STOP_TIMEOUT_SECONDS = 30.0
SAVE_TIMEOUT_SECONDS = 600.0  # 1.2 million records took more than 30 s
_NOT_SAVED = ("failed to save", "error getting state")  # what MiniStack logs, and goes on
ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "infra.local.embedded"]


class EmbeddedAws:
    """A running MiniStack.

    Attributes:
        endpoint: its address, without a slash at the end.
        pid: its process id, which is also the id of its process group.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        persist: bool,
        auth: bool = False,
        concurrency: int | None = None,
        claim: int | None = None,
    ) -> None:
        """Start the process and wait until it answers.

        Args:
            folder: where it keeps state, temporary files and its log; created if missing.
            port: the loopback port to listen on.
            persist: save the state on a graceful stop, and load it on the next start.
            auth: enforce IAM policies, signatures and the expiry of presigned addresses.
            concurrency: invocations that the account may run at once; None for as many as the machine bears.
            claim: the descriptor of a lock that the process holds until it has exited.

        Raises:
            LocalStackError: the port is taken, or the process ended or did not answer in time.
        """
        check_port(port)
        self._persist = persist
        self._state = folder / "aws"
        self.endpoint = f"http://{HOST}:{port}"
        self._log_path = folder / "ministack.log"
        self._temporary = folder / "tmp"  # above all the unpacked code of functions
        shutil.rmtree(self._temporary, ignore_errors=True)  # left behind by one that was killed
        self._temporary.mkdir(parents=True)
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(  # this Python with our module  # noqa: S603
                [*COMMAND, str(os.getpid())],
                cwd=ROOT,
                env=_environment(folder, port, persist, auth, concurrency) | {"TMPDIR": str(self._temporary)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=() if claim is None else (claim,),
                start_new_session=True,  # a Ctrl-C in the terminal reaches only us; we then stop it in order
            )
        self.pid = self._process.pid
        self._answered = False
        try:
            self._wait_until_ready()
            self._answered = True
        except BaseException:
            self.stop()
            raise

    def is_running(self) -> bool:
        """Return whether the process is still running."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop the process with SIGTERM, so that it saves its state; wait until it and its functions have exited.

        Raises:
            LocalStackError: it did not save its state; the one that it started with is still there.
        """
        asked_at = time.time()
        if self.is_running():
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SAVE_TIMEOUT_SECONDS if self._persist else STOP_TIMEOUT_SECONDS)
        exit_status = self._process.poll()  # None or negative: it was, or has to be, killed
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # functions that outlived it; the group holds nothing else
        self._process.wait()
        shutil.rmtree(self._temporary, ignore_errors=True)
        ended = exit_status is not None and exit_status >= 0
        if self._persist and self._answered and not (ended and self._has_saved(asked_at)):
            raise LocalStackError(f"the state was not saved, or only in part; see {self._log_path}")

    def _has_saved(self, asked_at: float) -> bool:
        """Whether files of the state were written after `asked_at`, epoch seconds, and all of them whole."""
        complaints = self._log_path.read_text(errors="replace")
        written = any(file.stat().st_mtime >= int(asked_at) for file in self._state.glob("*.json"))
        is_partial = any(self._state.glob("*.tmp")) or any(text in complaints for text in _NOT_SAVED)
        return written and not is_partial

    def _wait_until_ready(self) -> None:
        timeout_seconds = LOAD_TIMEOUT_SECONDS if self._state.exists() else START_TIMEOUT_SECONDS
        deadline = time.monotonic() + timeout_seconds
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while time.monotonic() < deadline:
            if not self.is_running():
                raise LocalStackError(f"the embedded AWS did not start: {self._last_log_line()}")
            try:
                with opener.open(f"{self.endpoint}/_ministack/health", timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise LocalStackError(f"the embedded AWS did not answer within {timeout_seconds:.0f} s")

    def _last_log_line(self) -> str:
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"see {self._log_path}"


def _environment(folder: Path, port: int, persist: bool, auth: bool, concurrency: int | None) -> dict[str, str]:
    """The complete environment of MiniStack and the functions, without the user's own AWS settings."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "TZ") if name in os.environ}
    environment |= {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "LOG_LEVEL": "WARNING",
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",  # its reaper must not look at this machine's containers
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # the embedded AWS takes any
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONWARNINGS": "ignore",
    }
    if persist:
        environment |= {
            "PERSIST_STATE": "1",
            "STATE_DIR": str(folder / "aws"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder / "s3"),
        }
    if auth:
        environment["AUTH"] = "true"
    if concurrency is not None:
        environment["LAMBDA_ACCOUNT_CONCURRENCY"] = str(concurrency)
    return environment


def _end_with_parent(parent_pid: int) -> None:
    """Ask the kernel for a SIGTERM when the parent ends, so that no server is left behind (Linux only)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
        if os.getppid() != parent_pid:  # it went before we could ask
            sys.exit(1)


if __name__ == "__main__":
    _end_with_parent(int(sys.argv[1]))
    from ministack.app import main

    sys.argv = ["ministack"]
    main()
