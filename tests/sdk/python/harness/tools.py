"""Command-line clients in processes of their own: AWS CLI, rclone, s5cmd."""

import os
import pathlib
import subprocess
import sys

BIN = pathlib.Path(sys.executable).parent
TIMEOUT = 120


class Tool:
    """One client, pointed at one door of one environment."""

    def __init__(self, door, environment, home: pathlib.Path, proxy: str | None):
        self.door, self.environment, self.home = door, environment, home
        self.endpoint = door.endpoint(environment)
        self.keys = environment.keys(door.service)
        self.secure = door.scheme == "https"
        self.ca = environment.cloud.ca
        self.env = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(home),
            "AWS_ACCESS_KEY_ID": self.keys.access_key,
            "AWS_SECRET_ACCESS_KEY": self.keys.secret_key,
            "AWS_DEFAULT_REGION": self.keys.region,
            "AWS_REGION": self.keys.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "LC_ALL": "C.UTF-8",
        }
        if self.secure:
            self.env.update({"AWS_CA_BUNDLE": self.ca, "SSL_CERT_FILE": self.ca})
        if proxy:
            self.env.update({"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "http_proxy": proxy, "https_proxy": proxy})

    def run(self, command, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(command, input=stdin, capture_output=True, env=self.env, cwd=self.home, timeout=TIMEOUT)
        assert not check or done.returncode == 0, f"{command}: {done.stderr.decode()[-2000:]}"
        return done


class AwsCli(Tool):
    def __call__(self, *arguments, **options):
        if self.door.virtual:
            config = self.home / "aws.config"
            config.write_text("[default]\ns3 =\n  addressing_style = virtual\n")
            self.env["AWS_CONFIG_FILE"] = str(config)
        return self.run(["aws", "--endpoint-url", self.endpoint, *arguments], **options)


class Rclone(Tool):
    # Its provider `AWS` always puts the bucket into the host; `Other` is what its users of path style choose.
    PROVIDERS = {"aws_s3": "Other", "cloudflare_r2": "Cloudflare", "do_spaces": "DigitalOcean"}

    def __call__(self, *arguments, **options):
        remote = {
            "TYPE": "s3",
            "PROVIDER": "AWS" if self.door.virtual else self.PROVIDERS[self.door.service],
            "ENDPOINT": self.endpoint,
            "ACCESS_KEY_ID": self.keys.access_key,
            "SECRET_ACCESS_KEY": self.keys.secret_key,
            "REGION": self.keys.region,
            "FORCE_PATH_STYLE": str(not self.door.virtual).lower(),
        }
        self.env.update({f"RCLONE_CONFIG_M_{name}": value for name, value in remote.items()})
        self.env["RCLONE_CONFIG"] = str(self.home / "rclone.conf")
        trust = ["--ca-cert", self.ca] if self.secure else []
        return self.run(["rclone", "--retries", "1", "--low-level-retries", "1", *trust, *arguments], **options)


class S5cmd(Tool):
    def __call__(self, *arguments, **options):
        return self.run(["s5cmd", "--endpoint-url", self.endpoint, "--retry-count", "0", *arguments], **options)
