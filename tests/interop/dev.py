"""The real proxy, by `endpoints dev`, for tests that talk to it from outside."""

import os
import re
import subprocess
import tempfile
import threading

# How long something that is bound to happen may take, in seconds.
SOON = 30


class Dev:
    """`endpoints dev` under a manifest, on a free port, in front of a backend."""

    def __init__(self, manifest, backend, *more):
        self._file = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        self._file.write(manifest)
        self._file.flush()
        command = [os.environ["ENDPOINTS"], "dev", self._file.name, "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [*command, "--backend", backend, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = None
        self.said = ""
        listening = threading.Event()
        # Two pipes have no order between them: the commands to paste follow the tokens.
        printed = threading.Event()
        # Both are read to their ends, or the proxy would wait for a reader.
        self._out = []
        self._readers = [
            threading.Thread(target=self._read_out, args=(printed,), daemon=True),
            threading.Thread(target=self._read_said, args=(listening,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        if not listening.wait(SOON) or self.port is None or not printed.wait(SOON):
            self.stop()
            raise RuntimeError(f"endpoints dev does not listen: {self.said}")

    def tokens(self):
        """The tokens that it printed, by name."""
        return dict(re.findall(r"^export (\w*TOKEN)=(.+)$", "".join(self._out), re.MULTILINE))

    def stop(self):
        self._process.terminate()
        self._process.wait(SOON)
        for reader in self._readers:
            reader.join(SOON)
        self._process.stdout.close()
        self._process.stderr.close()
        self._file.close()

    def _read_out(self, printed):
        for line in self._process.stdout:
            self._out.append(line)
            if line.startswith("curl "):
                printed.set()

    def _read_said(self, listening):
        for line in self._process.stderr:
            self.said += line
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                listening.set()
        listening.set()
