"""The proxies under comparison, each with the same backend, policy and limits of workers."""

import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from . import envoy, http, nginx

PROXY_CORE, OTHER_CORE = 0, 1
ORIGIN = "https://app.example.com"


class Stage:
    """Backend, tokens and the folder for configurations."""

    def __init__(self, tools):
        self.tools = tools
        self.pinned = ["taskset", "-c", str(OTHER_CORE)]
        self.running = []

    def __enter__(self):
        os.sched_setaffinity(0, {OTHER_CORE})
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="compare-"))
        self.backend = subprocess.Popen([self.tools.helper, "backend"], stdout=subprocess.PIPE, text=True)
        self.backend_port = int(self.backend.stdout.readline())
        subprocess.run([self.tools.helper, "tokens", self.folder, "20000"], check=True)
        self.keys = self.folder / "keys.json"
        return self

    def __exit__(self, *_):
        for proxy in list(self.running):
            proxy.stop()
        self.backend.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def tokens(self, algorithm):
        return (self.folder / algorithm).read_text().split("\n")

    def operations(self, policy):
        """Method, path template, and whether a token is needed, of each operation."""
        text = subprocess.run([self.tools.helper, "operations", policy], check=True,
                              capture_output=True, text=True).stdout
        return [line.split(" ") for line in text.splitlines()]

    def request(self, kind, token=None):
        """The text of a request."""
        method = "OPTIONS" if kind == "preflight" else "GET"
        paths = {"64k": "/v1/items/64k", "10m": "/v1/items/10m"}
        path = paths.get(kind, "/v1/items/42?fields=name")
        if kind.startswith("token") or kind == "preflight":
            path = "/v1/accounts/42?fields=name"
        lines = [
            f"{method} {path} HTTP/1.1", "host: api.example.com", "user-agent: bench/1",
            "accept: application/json", "accept-encoding: gzip, br", "accept-language: en",
            "cookie: session=0123456789abcdef",
        ]
        if kind in ("cors", "preflight") or kind.startswith("token"):
            lines.append(f"origin: {ORIGIN}")
        if kind == "preflight":
            lines += ["access-control-request-method: GET", "access-control-request-headers: authorization"]
        if kind.startswith("token"):
            algorithm = "ES256" if kind == "token-es256" else "RS256"
            lines.append(f"authorization: Bearer {token or self.tokens(algorithm)[0]}")
        return "\r\n".join(lines) + "\r\n\r\n"

    def script(self, kind):
        """For wrk: the same request again and again."""
        path = self.folder / f"{kind}.lua"
        if not path.exists():
            text = self.request(kind)
            path.write_text(f"request = function() return {json.dumps(text)} end\n")
        return path

    def start(self, name, policy, workers=1, core=PROXY_CORE):
        proxy = self.prepare(name, policy, workers, core)
        proxy.launch()
        try:
            http.first(proxy.port, self.request("plain"))
        except (OSError, AssertionError) as error:
            raise RuntimeError(f"{name} does not serve: {proxy.said()}") from error
        return proxy

    def prepare(self, name, policy, workers=1, core=PROXY_CORE):
        kind = {"envoy": Envoy, "envoy-cache": Envoy, "nginx": Nginx, "ours": Sidecar}[name]
        proxy = kind(self, name, policy, workers, core)
        self.running.append(proxy)
        return proxy


class Proxy:
    def __init__(self, stage, name, policy, workers, core):
        self.stage, self.name, self.policy, self.workers = stage, name, policy, workers
        cores = range(os.cpu_count()) if core is None else [core]
        self.pinned = ["taskset", "-c", ",".join(map(str, cores))]
        self.port, self.port2 = free_port(), free_port()
        self.process = None
        self.log = stage.folder / f"{name}-{self.port}.log"
        self.configure()

    def configure(self):
        pass

    def launch(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.pinned + self.command(), stdout=subprocess.DEVNULL,
                                            stderr=log, env=self.environment())

    def said(self):
        """The last that it wrote on stderr, and whether it still runs."""
        code = self.process.poll()
        state = "it runs" if code is None else f"it ended with {code}"
        return f"{state}; {self.log.read_text(errors='replace')[-2000:]}"

    def environment(self):
        return None

    def pids(self):
        """The process and its children: nginx has its worker there."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [self.process.pid] + [int(pid) for pid in children.read_text().split()]

    def resident(self):
        """Megabytes, and those of them that are no file's; shared pages of several processes are counted
        once, by their share."""
        total = {"Pss:": 0, "Pss_Anon:": 0}
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, size, *_ = line.split()
                if name in total:
                    total[name] += int(size)
        return total["Pss:"] / 1024, total["Pss_Anon:"] / 1024

    def stop(self):
        self.stage.running.remove(self)
        if self.process:
            self.process.send_signal(signal.SIGKILL if self.name.startswith("envoy") else signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Envoy(Proxy):
    def configure(self):
        # Both versions of HTTP on one port.
        self.port2 = self.port
        self.file = self.stage.folder / f"envoy-{self.port}.json"
        remembered = {"envoy": 0, "envoy-cache": 20000}[self.name]
        keys = self.stage.keys.read_text()
        operations = self.stage.operations(self.policy)
        config = envoy.config(self.port, self.stage.backend_port, operations, self.policy, keys, remembered)
        self.file.write_text(json.dumps(config))

    def command(self):
        return [str(self.stage.tools.envoy), "-c", str(self.file), "--concurrency", str(self.workers),
                "--disable-hot-restart", "-l", "error"]


class Nginx(Proxy):
    def configure(self):
        self.file = self.stage.folder / f"nginx-{self.port}.conf"
        operations = self.stage.operations(self.policy)
        self.file.write_text(nginx.config(self.port, self.port2, self.stage.backend_port, operations,
                                          self.policy, self.workers, self.stage.folder))

    def command(self):
        return ["nginx", "-c", str(self.file), "-e", "/dev/null", "-g", "daemon off;"]


class Sidecar(Proxy):
    """Our binary as it runs in a pod, with an operator that pushes the policy."""

    def configure(self):
        self.port2 = self.port
        self.admin = free_port()
        self.operator = subprocess.Popen(
            [self.stage.tools.helper, "operator", self.stage.keys],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.operator_port = int(self.operator.stdout.readline())
        self.trust = json.loads(self.operator.stdout.readline())
        self.token = self.stage.folder / "token"
        self.token.write_text("anything")
        self.publish(self.policy)

    def publish(self, policy):
        self.operator.stdin.write(policy + "\n")
        self.operator.stdin.flush()

    def command(self):
        return [str(self.stage.tools.binary), "proxy"]

    def environment(self):
        # As in the image: with the roots that are built in.
        own = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
        return own | {
            "ENDPOINTS_SERVICE": "shop", "ENDPOINTS_POD_NAME": "shop-0",
            "ENDPOINTS_POD_NAMESPACE": "bench", "ENDPOINTS_POD_UID": "uid-0",
            "ENDPOINTS_OPERATOR_ADDRESS": f"127.0.0.1:{self.operator_port}",
            "ENDPOINTS_TRUST_BUNDLE": self.trust, "ENDPOINTS_TOKEN_FILE": str(self.token),
            "ENDPOINTS_LISTENERS": f"{self.port}={self.stage.backend_port}",
            "ENDPOINTS_ADMIN_PORT": str(self.admin), "ENDPOINTS_WORKERS": str(self.workers),
        }

    def stop(self):
        super().stop()
        self.operator.kill()
        self.operator.wait()


# Below the range that the kernel gives to clients: none of the load's connections gets one of them
# between the look and the proxy's start.
CANDIDATES = itertools.count(20_000 + os.getpid() % 4_000)


def free_port():
    for port in CANDIDATES:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
