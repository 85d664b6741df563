"""The machine, and what it must have."""

import os
import re
import shutil
import subprocess
import sys


def demand():
    """Ends with a sentence where something is missing that cannot be installed here."""
    if os.cpu_count() < 2:
        sys.exit("compare: two cores are needed, one for the proxy and one for everything else")
    missing = [name for name in ("nginx", "wrk", "h2load") if not shutil.which(name)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-qq", "nginx-light", "wrk", "nghttp2-client"],
                       check=True, stdout=subprocess.DEVNULL)
        missing = [name for name in ("nginx", "wrk", "h2load") if not shutil.which(name)]
    if missing:
        sys.exit(f"compare: install {', '.join(missing)} (Debian: nginx-light, wrk, nghttp2-client)")


def describe():
    """One line."""
    with open("/proc/cpuinfo") as file:
        text = file.read()
    model = re.search(r"model name\s*: (.*)", text).group(1)
    kernel = os.uname().release
    return f"{os.cpu_count()} cores, {model}, Linux {kernel}, loopback"
