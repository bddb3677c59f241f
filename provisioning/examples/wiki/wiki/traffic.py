"""Plays the wiki's visitors.

    python -m wiki.traffic http://127.0.0.1:8000                # 20 users and 15 posts, once
    python -m wiki.traffic http://127.0.0.1:8000 --rate 5       # five requests a second, until Ctrl-C
    python -m wiki.traffic … --rate 5 --errors 0.2 --slow 0.3   # a fifth of them fail, a third are slow

Errors and slow answers need the app to run with WIKI_FAULTS=1. Only the standard library is used.
"""

import argparse
import http.client
import json
import random
import secrets
import sys
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

FIRST_USERS, FIRST_POSTS = 20, 15
FASTEST_RATE = 200.0
# A slow visit holds one of these; visits beyond them are left out and counted, not queued without end.
MOST_AT_ONCE = 64


class Wiki:
    """One request a connection: what a visitor does, not what a benchmark would."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise SystemExit(f"{url!r} is not the address of a wiki, such as http://127.0.0.1:8000")
        self._host, self._port = parts.hostname, parts.port or 80

    def ask(self, method: str, path: str, content: object = None, headers: dict[str, str] | None = None) -> int:
        status, _ = self.answer(method, path, content, headers)
        return status

    def answer(
        self, method: str, path: str, content: object = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        sent = {"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01", **(headers or {})}
        body = None
        if content is not None:
            body = json.dumps(content)
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_until_healthy(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while True:
            try:
                if self.ask("GET", "/healthz") == 200:
                    return
                trouble = "it is not healthy"
            except OSError as error:
                trouble = str(error)
            if time.monotonic() > ends:
                raise SystemExit(f"no wiki at {self._host}:{self._port} after {seconds:g} s: {trouble}")
            time.sleep(0.2)


def first_day(wiki: Wiki, chance: random.Random) -> tuple[int, int]:
    """20 users and 15 posts; names are new each time, because a name can be taken only once."""
    made, written = [], 0
    for _ in range(FIRST_USERS):
        status, content = wiki.answer("POST", "/users", {"name": name()})
        if status == 201:
            made.append(json.loads(content)["id"])
    for number in range(FIRST_POSTS):
        post = {"user_id": chance.choice(made), "title": f"Page {number + 1}", "body": "…"}
        written += wiki.ask("POST", "/posts", post) == 201
    return len(made), written


def name() -> str:
    return f"visitor-{secrets.token_hex(6)}"


def visit(wiki: Wiki, chance: random.Random, headers: dict[str, str]) -> int:
    """Mostly reading, some writing, as a wiki is used."""
    what = chance.random()
    if what < 0.35:
        return wiki.ask("GET", "/posts?limit=20", headers=headers)
    if what < 0.6:
        return wiki.ask("GET", "/users?limit=20", headers=headers)
    if what < 0.8:
        return wiki.ask("POST", "/users", {"name": name()}, headers)
    _, users = wiki.answer("GET", "/users?limit=1")
    first = json.loads(users) if users.startswith(b"[") else []
    if not first:
        return wiki.ask("POST", "/users", {"name": name()}, headers)
    return wiki.ask("POST", "/posts", {"user_id": first[0]["id"], "title": "A page", "body": "…"}, headers)


def steadily(wiki: Wiki, options: argparse.Namespace) -> dict[str, int]:
    chance = random.Random(options.seed)
    told: dict[str, int] = {}
    counted, free = threading.Lock(), threading.Semaphore(MOST_AT_ONCE)

    def count(outcome: str) -> None:
        with counted:
            told[outcome] = told.get(outcome, 0) + 1

    def go(seed: float, headers: dict[str, str]) -> None:
        try:
            count(str(visit(wiki, random.Random(seed), headers)))
        except OSError:
            count("no answer")
        finally:
            free.release()

    started = time.monotonic()
    number = 0
    with ThreadPoolExecutor(MOST_AT_ONCE) as visitors:
        try:
            while options.seconds is None or time.monotonic() - started < options.seconds:
                headers = {}
                if chance.random() < options.errors:
                    headers["X-Wiki-Fault"] = "error"
                if chance.random() < options.slow:
                    headers["X-Wiki-Delay-Seconds"] = str(options.slow_seconds)
                if free.acquire(blocking=False):
                    visitors.submit(go, chance.random(), headers)
                else:
                    count("left out")
                number += 1
                time.sleep(max(0.0, started + number / options.rate - time.monotonic()))
        except KeyboardInterrupt:
            pass
    return told


def share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("a share lies between 0 and 1")
    return value


def rate(text: str) -> float:
    value = float(text)
    if not 0 < value <= FASTEST_RATE:
        raise argparse.ArgumentTypeError(f"a rate lies above 0 and at most at {FASTEST_RATE:g} a second")
    return value


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m wiki.traffic", description="Plays the wiki's visitors.")
    parser.add_argument("url", help="where the wiki is, such as http://127.0.0.1:8000")
    parser.add_argument("--rate", type=rate, help="requests a second; without it 20 users and 15 posts, once")
    parser.add_argument("--seconds", type=float, help="how long; without it until Ctrl-C")
    parser.add_argument("--errors", type=share, default=0.0, help="share of requests that fail")
    parser.add_argument("--slow", type=share, default=0.0, help="share of requests that are slow")
    parser.add_argument("--slow-seconds", type=float, default=3.0, help="how slow")
    parser.add_argument("--wait", type=float, default=30.0, help="seconds that the wiki may take to come up")
    parser.add_argument("--seed", type=int, help="repeats a run's choices")
    options = parser.parse_args(arguments)
    wiki = Wiki(options.url)
    wiki.wait_until_healthy(options.wait)
    if options.rate is None:
        users, posts = first_day(wiki, random.Random(options.seed))
        print(f"{users} users and {posts} posts")
        return 0 if (users, posts) == (FIRST_USERS, FIRST_POSTS) else 1
    told = steadily(wiki, options)
    print(", ".join(f"{outcome}: {count}" for outcome, count in sorted(told.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
