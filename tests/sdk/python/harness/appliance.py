"""Starts, stops and kills the appliance under test, and reads what it says about itself.

The appliance logs into a file beside its data; a WARN, ERROR or panic line that no test announced fails the run.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 40

COMPLAINT = re.compile(r"\b(WARN|ERROR)\b|panicked at|RUST_BACKTRACE")
ANSI = re.compile(r"\x1b\[[0-9;]*m")

# Lines the appliance may write on a healthy run, each with its reason.
ALLOWED = [
    # Volumes are copied where the file system offers nothing better; the log must say so.
    re.compile(r"(reflink|btrfs|copy|copies|copied)", re.IGNORECASE),
]


def binary() -> pathlib.Path:
    """The binary under test, as tests/run-sdk found it."""
    path = os.environ.get("MOCKFACTORY_BIN")
    if not path:
        root = pathlib.Path(__file__).resolve().parents[4]
        target = os.environ.get("CARGO_TARGET_DIR", root / "target")
        path = pathlib.Path(target) / "release" / "mockfactory"
    return pathlib.Path(path)


def free_ports(count: int) -> list[int]:
    """Ports that nobody holds now, on loopback."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Appliance:
    """One appliance process over one data directory, which outlives stops and kills."""

    def __init__(self, *flags: str, data: pathlib.Path | None = None, env: dict | None = None):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="mockfactory-sdk-"))
        self.data = data or self.home / "data"
        self.log = self.home / "appliance.log"
        self.flags = flags
        self.env = env or {}
        self.http_port, self.https_port = free_ports(2)
        self.process: subprocess.Popen | None = None
        self.expected: list[re.Pattern] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def token(self) -> str:
        return (self.data / "admin-token").read_text().strip()

    @property
    def ca(self) -> str:
        answer = json.loads(self.cli("ca", "--data", str(self.data), "--json").stdout)
        return answer["path"]

    def command(self) -> list[str]:
        return [
            str(binary()), "up", "--data", str(self.data),
            "--http-port", str(self.http_port), "--https-port", str(self.https_port), *self.flags,
        ]  # fmt: skip

    def environ(self) -> dict:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MOCKFACTORY_")}
        return {**inherited, "NO_COLOR": "1", **self.env}

    def start(self) -> "Appliance":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=self.environ(), cwd=self.home,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self.ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"the appliance left with {self.process.returncode}:\n{self.log_text()}")
            if time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"the appliance is not ready after {START_SECONDS_MAX} s:\n{self.log_text()}")
            time.sleep(0.005)  # polling, not a wait for an effect
        return self

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> float:
        """Ends it as an operator would; answers the seconds it took."""
        begun = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return time.monotonic() - begun

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nothing is said."""
        self.process.kill()
        self.process.wait()

    def dispose(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def cli(self, *arguments: str, check: bool = True, env: dict | None = None) -> subprocess.CompletedProcess:
        """Runs the binary's own command line."""
        return subprocess.run(
            [str(binary()), *arguments], capture_output=True, text=True, timeout=60, check=check,
            env={**self.environ(), **(env or {})}, cwd=self.home,
        )  # fmt: skip

    def log_text(self) -> str:
        return ANSI.sub("", self.log.read_text(errors="replace"))

    def expect_in_log(self, pattern: str) -> None:
        """A test announces a complaint that it provokes."""
        self.expected.append(re.compile(pattern))

    def complaints(self) -> list[str]:
        allowed = ALLOWED + self.expected
        return [
            line
            for line in self.log_text().splitlines()
            if COMPLAINT.search(line) and not any(one.search(line) for one in allowed)
        ]

    def memory_kib(self, field: str = "VmRSS") -> int:
        """Resident memory of the process, from /proc."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE).group(1))

    def disk_files(self) -> list[pathlib.Path]:
        return [path for path in self.data.rglob("*") if path.is_file()]


class Borrowed:
    """A running appliance that somebody else started (MOCKFACTORY_URL)."""

    process = None

    def __init__(self):
        self.url = os.environ["MOCKFACTORY_URL"].rstrip("/")
        self.http_port = int(self.url.rsplit(":", 1)[1])
        https = os.environ.get("MOCKFACTORY_HTTPS_URL", f"https://127.0.0.1:{self.http_port}")
        self.https_port = int(https.rstrip("/").rsplit(":", 1)[1])
        self.token = os.environ["MOCKFACTORY_TOKEN"]
        self.ca = os.environ.get("MOCKFACTORY_CA", "")

    def complaints(self) -> list[str]:
        return []

    def expect_in_log(self, pattern: str) -> None:
        pass

    def stop(self) -> float:
        return 0.0

    def dispose(self) -> None:
        pass
