"""What was measured, beside the targets, as a document."""

import dataclasses
import json
import statistics

# What `make bench` writes stands between these in docs/performance.md.
BEGIN, END = "<!-- make bench -->", "<!-- end of make bench -->"

# At most this much of Envoy's cost, and for the first two of nginx's.
TARGETS = {
    "a: plain proxying": (0.37, 1.1),
    "b: + CORS on an actual request": (0.37, 1.1),
    "c: + RS256 token, remembered": (0.35, None),
    "c: RS256, verified each time": (0.45, None),
    "c: ES256, verified each time": (0.60, None),
    "d: preflight": (0.40, None),
}


@dataclasses.dataclass
class Report:
    machine: str
    versions: dict
    costs: dict
    bodies: dict
    memory: dict
    starts: dict
    latency: dict
    swaps: tuple
    sockets: dict
    workers: dict

    def write(self, path, full):
        """Puts the numbers between their marks; what stands around them is written by hand."""
        text = self.text(path.parent.parent)
        print("\n" + text)
        if full:
            before, rest = path.read_text().split(BEGIN)
            _, after = rest.split(END)
            path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")

    def text(self, root):
        return "\n".join([
            f"Machine: {self.machine}. Envoy {self.versions['Envoy']} (routes, CORS and token filters as ESPv2 has",
            f"them), nginx {self.versions['nginx']}.", "",
            "## CPU a request at saturation, µs", "",
            *self.cost_table(), "",
            "## Larger answers, HTTP/2 from the client, WebSocket, µs", "",
            *self.table({**self.bodies, "WebSocket message": self.sockets}), "",
            "## Instructions", "",
            *self.instructions(root), "",
            "## Memory, MB", "",
            *self.memory_table(), "",
            "Proportional set size, and in brackets what of it is no page of a file; with 1,000 connections after",
            "one request on each. Targets: 8 idle, 25 with 1,000 connections.", "",
            "## Start to the first 200, ms", "",
            *self.table({"warm": self.starts}), "",
            "Ours dials the operator, gets its policy and serves; the target is 10 ms.", "",
            "## At 2,000 requests a second, ms", "",
            "| | p50 | p99 |", "|---|---|---|",
            *(f"| {name} | {p50:.3f} | {p99:.3f} |" for name, (p50, p99) in self.latency.items()), "",
            f"While policies of 1,000 operations are swapped twice a second: p99 {self.swaps[1]:.3f} ms, undisturbed",
            f"{self.swaps[0]:.3f} ms ({self.swaps[1] / self.swaps[0]:.2f} times; the target is 2).", "",
            "## Workers", "",
            "On all cores, which load and backend share. The kernel hands each connection to one worker; few",
            "connections fall unevenly.", "",
            "| workers | connections | requests a second | share of each worker, % |", "|---|---|---|---|",
            *(f"| {workers} | {connections} | {rate:.0f} | {', '.join(f'{share:.0f}' for share in shares)} |"
              for (workers, connections), (rate, shares) in self.workers.items()), "",
        ])

    def cost_table(self):
        yield "| work | Envoy | nginx | ours | of Envoy | target | of nginx | target |"
        yield "|---|---|---|---|---|---|---|---|"
        for case, found in self.costs.items():
            middle = {name: statistics.median(values) for name, values in found.items()}
            of_envoy = middle["ours"] / middle["envoy"]
            target, of_nginx_target = TARGETS[case]
            cells = [spread(found.get(name)) for name in ("envoy", "nginx", "ours")]
            cells += [mark(of_envoy, target), f"{target:.2f}"]
            if "nginx" in middle:
                of_nginx = middle["ours"] / middle["nginx"]
                goal = f"{of_nginx_target:.2f}" if of_nginx_target else "–"
                cells += [mark(of_nginx, of_nginx_target), goal]
            else:
                cells += ["–", "–"]
            yield f"| {case} | {' | '.join(cells)} |"

    def table(self, rows):
        yield "| | Envoy | nginx | ours |"
        yield "|---|---|---|---|"
        for row, found in rows.items():
            cells = [spread(found.get(name)) for name in ("envoy", "nginx", "ours")]
            yield f"| {row} | {' | '.join(cells)} |"

    def memory_table(self):
        columns = ("idle", "1,000 connections", "20,000 tokens")
        yield f"| | {' | '.join(columns)} |"
        yield "|---|---|---|---|"
        for name, row in self.memory.items():
            cells = ("{:.1f} ({:.1f})".format(*row[column]) if column in row else "–" for column in columns)
            yield f"| {name} | {' | '.join(cells)} |"

    def instructions(self, root):
        counts = json.loads((root / "benches" / "instructions.json").read_text())["cases"]
        yield "User instructions a request (callgrind), as committed in `benches/instructions.json`:"
        yield ""
        yield "| | count | target |"
        yield "|---|---|---|"
        for name in ("plain", "cors", "token", "preflight"):
            yield f"| {name} | {counts[name]['instructions']:,} | {counts[name]['target']:,} |"


def spread(values):
    if not values:
        return "–"
    return f"{min(values):.1f}–{statistics.median(values):.1f}–{max(values):.1f}"


def mark(ratio, target):
    missed = target is not None and ratio > target
    return f"**{ratio:.2f} missed**" if missed else f"{ratio:.2f}"
