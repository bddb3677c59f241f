"""The figures of docs/limits.md: what `gpx_headwater serve` takes for a page of so many series.

    python sizing.py --series 1000 --interval 15s --minutes 60

serves such a page, has it scraped, and prints each five minutes what the process has taken until then.
HEADWATER_BIN names the binary: a release build, or the figures say nothing.

The page is an app's: of a hundred series sixty are buckets of histograms of which half move, twenty
are counters that go up by whole numbers, and twenty are gauges with two decimals.
"""

import argparse
import os
import random
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from conftest import free_port, running, wait_for
from places import headwater

BOUNDS = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
TICK = os.sysconf("SC_CLK_TCK")


class Page:
    """Values go on from scrape to scrape; the series stay the same."""

    def __init__(self, series: int) -> None:
        self._random = random.Random(1)
        self._values = [0.0] * series
        self._rows = [self._name(number) for number in range(series)]

    @staticmethod
    def _name(number: int) -> tuple[str, str]:
        hundred, place = divmod(number, 100)
        if place < 60:
            route, bound = divmod(place, len(BOUNDS))
            labels = f'method="GET",endpoint="/things/{hundred}/{route}",le="{BOUNDS[bound]}"'
            return ("still" if route % 2 else "bucket"), f"http_request_duration_seconds_bucket{{{labels}}}"
        if place < 80:
            return "counter", f'http_requests_total{{method="GET",endpoint="/things/{hundred}/{place - 60}",status="200"}}'
        return "gauge", f'queue_seconds{{queue="things-{hundred}",worker="{place - 80}"}}'

    def text(self) -> bytes:
        lines = []
        grown = 0
        for number, (kind, name) in enumerate(self._rows):
            if kind == "bucket":
                # A bucket holds those below it too, so that it grows by at least as much.
                grown = self._random.randrange(3) + (grown if number % len(BOUNDS) else 0)
                self._values[number] += grown
            elif kind == "counter":
                self._values[number] += self._random.randrange(50)
            elif kind == "gauge":
                self._values[number] = round(self._values[number] + self._random.uniform(-1, 1), 2)
            lines.append(f"{name} {self._values[number]:.10g}\n")
        return "".join(lines).encode()


def serving(page: Page) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            text = page.text()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def taken(process: int) -> tuple[float, float]:
    """Seconds of processor time, and MiB of resident memory."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    [resident] = [line.split()[1] for line in status if line.startswith("VmRSS:")]
    return (int(fields[11]) + int(fields[12])) / TICK, int(resident) / 1024


def on_disk(folder: Path) -> dict[str, int]:
    """Bytes by what they are: log, checkpoint, blocks."""
    sizes = {"wal": 0, "head": 0, "block": 0}
    for file in folder.rglob("*"):
        kind = file.name.split("-")[0]
        if kind in sizes and file.is_file():
            sizes[kind] += file.stat().st_size
    return sizes


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--series", type=int, default=1000)
    arguments.add_argument("--interval", default="15s")
    arguments.add_argument("--minutes", type=float, default=15)
    asked = arguments.parse_args()

    page = Page(asked.series)
    server = serving(page)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        print(f"{asked.series} series, a page of {len(page.text()) / 1024:.0f} KiB, every {asked.interval}, in {folder}", flush=True)
        url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
        command = [headwater(), "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", folder / "data"]
        command += ["--scrape", url, "--scrape-interval", asked.interval]
        with running(command, folder / "serve.log") as process:
            api = f"http://127.0.0.1:{port}"
            wait_for("serve", lambda: urllib.request.urlopen(f"{api}/api/v1/status/buildinfo", timeout=5))
            started = time.monotonic()
            while (elapsed := time.monotonic() - started) < asked.minutes * 60:
                time.sleep(min(300, asked.minutes * 60 - elapsed + 0.1))
                report(folder / "data", process.pid, time.monotonic() - started)
    server.shutdown()


def report(folder: Path, process: int, elapsed: float) -> None:
    processor, memory = taken(process)
    sizes = on_disk(folder)
    disk = ", ".join(f"{kind} {size / 1024:.0f} KiB" for kind, size in sizes.items())
    print(
        f"{time.strftime('%H:%M')} after {elapsed / 60:.0f} min: {memory:.1f} MiB of memory, "
        f"{100 * processor / elapsed:.2f} % of a core, disk {disk}",
        flush=True,
    )


if __name__ == "__main__":
    main()
