"""Runs a command against an appliance of its own: `python -m harness.serve -- COMMAND …`.

The command finds it in MOCKFACTORY_URL, MOCKFACTORY_HTTPS_URL, MOCKFACTORY_TOKEN and MOCKFACTORY_CA.
"""

import os
import subprocess
import sys

from .appliance import Appliance, Borrowed


def main() -> int:
    command = sys.argv[sys.argv.index("--") + 1 :]
    borrowed = "MOCKFACTORY_URL" in os.environ
    appliance = Borrowed() if borrowed else Appliance().start()
    settings = {
        "MOCKFACTORY_URL": f"http://127.0.0.1:{appliance.http_port}",
        "MOCKFACTORY_HTTPS_URL": f"https://127.0.0.1:{appliance.https_port}",
        "MOCKFACTORY_TOKEN": appliance.token,
        "MOCKFACTORY_CA": appliance.ca,
        "NODE_EXTRA_CA_CERTS": appliance.ca,
    }
    try:
        code = subprocess.run(command, env={**os.environ, **settings}).returncode
        appliance.stop()
        complaints = appliance.complaints()
        for line in complaints:
            print(f"unexpected in the appliance's log: {line}", file=sys.stderr)
        return code or int(bool(complaints))
    finally:
        appliance.dispose()


if __name__ == "__main__":
    sys.exit(main())
