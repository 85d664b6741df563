"""Load, and what it costs the proxy."""

import pathlib
import re
import subprocess
import tempfile
import threading
import time

CONNECTIONS = 32


def used(pids):
    """Microseconds of CPU that these processes' threads have used, by thread."""
    found = {}
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            try:
                name = (task / "comm").read_text().strip()
                spent = int((task / "schedstat").read_text().split()[0]) / 1000
            except FileNotFoundError:
                continue
            found[name, task.name] = spent
    return found


def spent(before, after):
    return sum(after.values()) - sum(before.get(task, 0) for task in after)


def wrk(stage, proxy, request, seconds, connections=CONNECTIONS):
    """Requests that were answered with 200."""
    script = stage.script(request)
    command = stage.pinned + ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script)]
    command.append(f"http://127.0.0.1:{proxy.port}")
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", text)
    assert not bad, f"{proxy.name}: {text}"
    return int(re.search(r"(\d+) requests in", text).group(1))


def load(stage, proxy, request, seconds):
    """CPU and requests at saturation."""
    seconds = max(1, round(seconds))
    before = used(proxy.pids())
    # Of 10 MiB, so few at once that some are done in the time.
    requests = wrk(stage, proxy, request, seconds, 2 if request == "10m" else CONNECTIONS)
    return spent(before, used(proxy.pids())), requests


def load_http2(stage, proxy, _, seconds):
    """The same over 8 connections of HTTP/2 with 4 streams each."""
    command = stage.pinned + ["h2load", "-t1", "-c8", "-m4", f"-D{max(1, round(seconds))}"]
    command += headers(stage)
    command += [f"http://127.0.0.1:{proxy.port2}/v1/items/42?fields=name"]
    before = used(proxy.pids())
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    requests = int(re.search(r"(\d+) succeeded", text).group(1))
    assert requests and re.search(r" 0 failed, 0 errored", text), f"{proxy.name}: {text}"
    return spent(before, used(proxy.pids())), requests


def headers(stage):
    """The plain request's, for h2load: it calls the host so whatever it speaks, and else sends two."""
    lines = stage.request("plain").split("\r\n")[1:-2]
    return ["-H" + line.replace("host: ", ":authority: ", 1) for line in lines]


def paced(stage, proxy, seconds, during=None):
    """p50 and p99 in ms at 2,000 requests a second over 20 connections; `during` is done each second."""
    seconds = max(2, round(seconds))
    with tempfile.NamedTemporaryFile() as log:
        command = stage.pinned + ["h2load", "--h1", "-t1", "-c20", "--rps=100", f"-n{2000 * seconds}"]
        command += [f"--log-file={log.name}"] + headers(stage)
        command.append(f"http://127.0.0.1:{proxy.port}/v1/items/42?fields=name")
        running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        stop = threading.Event()
        if during:
            def repeat():
                while not stop.wait(0.5):
                    during()
            threading.Thread(target=repeat).start()
        text, _ = running.communicate()
        stop.set()
        assert " 0 failed, 0 errored" in text, f"{proxy.name}: {text}"
        lines = [line.split("\t") for line in pathlib.Path(log.name).read_text().splitlines()]
    times = sorted(int(line[2]) / 1000 for line in lines)
    return times[len(times) // 2], times[len(times) * 99 // 100]


def websocket(stage, proxy, seconds):
    """CPU and messages."""
    before = used(proxy.pids())
    seconds = str(max(1, round(seconds)))
    command = stage.pinned + [stage.tools.helper, "websocket", f"127.0.0.1:{proxy.port}", "16", seconds]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return spent(before, used(proxy.pids())), int(text)


def rate(stage, proxy, connections, seconds):
    """Requests a second, and the workers' shares of the proxy's CPU in percent."""
    before = used(proxy.pids())
    requests = wrk(stage, proxy, "plain", max(1, round(seconds)), connections)
    after = used(proxy.pids())
    own = {task: after[task] - before.get(task, 0) for task in after}
    of_workers = sorted(
        (used for (name, _), used in own.items() if name.startswith("worker-")), reverse=True
    )
    whole = sum(of_workers) or 1
    return requests / max(1, round(seconds)), [100 * used / whole for used in of_workers]
