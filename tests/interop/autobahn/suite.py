"""Runs Autobahn's cases against an echo server, through the proxy and without it.

What the suite allows through the proxy passes (`OK`, or `NON-STRICT` where it leaves the time of a
failure open); what it does not is the server's own if it fails without the proxy, too.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from dev import Dev

MANIFEST = """
apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata: {name: echo}
spec:
  openapi:
    inline: |
      swagger: "2.0"
      info: {title: Echo, version: "1"}
      host: echo.example.com
      paths:
        /: {get: {responses: {200: {description: ok}}}}
"""
# Framing, pings, reserved bits, opcodes, fragments, UTF-8, closing, limits and performance (messages
# of 16 MiB); of compression, which is between the ends, one of each kind.
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*", "12.1.1", "12.1.10", "13.1.1"]
ALLOWED = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED")


def main():
    here = pathlib.Path(__file__).parent
    command = [sys.executable, here / "echo.py"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    proxy = None
    try:
        port = int(server.stdout.readline())
        proxy = Dev(MANIFEST, f"http://127.0.0.1:{port}")
        with tempfile.TemporaryDirectory() as folder:
            return judge(run(folder, {"proxied": proxy.port, "direct": port}))
    finally:
        if proxy:
            proxy.stop()
        server.terminate()
        server.wait()
        server.stdout.close()


def run(folder, ports):
    """Results by agent and case."""
    servers = [
        {"agent": agent, "url": f"ws://127.0.0.1:{port}"} for agent, port in ports.items()
    ]
    wanted = {"outdir": folder, "servers": servers, "cases": CASES}
    wanted |= {"exclude-cases": [], "exclude-agent-cases": {}}
    specification = pathlib.Path(folder, "specification.json")
    specification.write_text(json.dumps(wanted))
    suite = [os.environ["PYTHON2"], os.environ["SUITE"]]
    subprocess.run(
        [*suite, "--mode", "fuzzingclient", "--spec", specification],
        stdout=subprocess.DEVNULL,
        timeout=1200,
        check=True,
    )
    return json.loads(pathlib.Path(folder, "index.json").read_text())


def judge(results):
    direct, proxied = results["direct"], results["proxied"]
    failed, theirs = [], []
    for case, result in proxied.items():
        if all(result[part] in ALLOWED for part in ("behavior", "behaviorClose")):
            continue
        same = all(result[part] == direct[case][part] for part in ("behavior", "behaviorClose"))
        (theirs if same else failed).append(case)
    for case in failed:
        print(f"{case}: {proxied[case]['behavior']}, without the proxy {direct[case]['behavior']}")
    kinds = collections.Counter(result["behavior"] for result in proxied.values())
    print(f"autobahn: {len(proxied)} cases: {dict(kinds)}; fail without the proxy, too: {theirs}")
    print(f"{len(proxied) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or len(proxied) < 250 else 0


sys.exit(main())
