"""The wiki's HTTP API.

Started by `python -m wiki`, or by uvicorn as `wiki.app:create_app` with `--factory`.
"""

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from prometheus_client.exposition import choose_encoder
from pydantic import BaseModel, Field

from wiki.metrics import Metrics
from wiki.storage import NameTaken, NoSuchUser, Post, Storage, User
from wiki.tracing import continue_trace

log = logging.getLogger("wiki")

# A slow answer on request is never slower than this.
LONGEST_DELAY_SECONDS = 30.0

# HTTP's methods; any other word a client sends must not make a series of its own.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


@dataclass(frozen=True)
class Settings:
    database: Path = Path("data/wiki.db")
    # Whether a request may ask for an error (X-Wiki-Fault: error) or a delay (X-Wiki-Delay-Seconds: 3).
    faults_on_request: bool = False

    @staticmethod
    def from_environment() -> "Settings":
        return Settings(
            database=Path(os.environ.get("WIKI_DATABASE", "data/wiki.db")),
            faults_on_request=os.environ.get("WIKI_FAULTS", "0") == "1",
        )


class NewUser(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=100)]


class NewPost(BaseModel):
    user_id: int
    title: Annotated[str, Field(min_length=1, max_length=200)]
    body: Annotated[str, Field(max_length=100_000)] = ""


Limit = Annotated[int, Query(ge=1, le=1_000)]
Offset = Annotated[int, Query(ge=0)]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Observed:
    """Counts, times and logs each request, and makes the faults that it asks for."""

    def __init__(self, app: Any, metrics: Metrics, faults_on_request: bool) -> None:
        self._app, self._metrics, self._faults_on_request = app, metrics, faults_on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        trace = continue_trace(headers.get("traceparent"))
        started, status = time.perf_counter(), 500

        async def send_with_trace(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"traceresponse", trace.traceparent.encode())]
            await send(message)

        try:
            if self._faults_on_request and await self._fault(headers):
                await Response("an error on request\n", 500)(scope, receive, send_with_trace)
            else:
                await self._app(scope, receive, send_with_trace)
        finally:
            seconds = time.perf_counter() - started
            method = scope["method"] if scope["method"] in METHODS else "other"
            endpoint = self._endpoint(scope, method)
            self._metrics.observe(method, endpoint, status, seconds, trace.trace_id)
            facts = {
                "trace_id": trace.trace_id,
                "span_id": trace.span_id,
                "method": method,
                "endpoint": endpoint,
                "status": status,
                "duration_seconds": round(seconds, 6),
            }
            level = logging.ERROR if status >= 500 else logging.INFO
            log.log(level, "%s %s", method, scope["path"], extra={"facts": facts})

    @staticmethod
    async def _fault(headers: dict[str, str]) -> bool:
        try:
            delay = float(headers.get("x-wiki-delay-seconds", "0"))
        except ValueError:
            delay = 0.0
        if delay > 0:
            await asyncio.sleep(min(delay, LONGEST_DELAY_SECONDS))
        return headers.get("x-wiki-fault") == "error"

    @staticmethod
    def _endpoint(scope: Scope, method: str) -> str:
        # The route's template, never the path itself: what anybody types must not make a series.
        if route := scope.get("route"):
            return route.path
        paths = {route.path for route in scope["app"].routes} if "app" in scope else set()
        return scope["path"] if scope["path"] in paths else "unmatched"


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or Settings.from_environment()
    metrics = Metrics()
    storage = Storage(settings.database)
    # The counters go on where the last run ended: what was created is still there.
    users, posts = storage.count()
    metrics.users_created.inc(users)
    metrics.posts_created.inc(posts)

    @asynccontextmanager
    async def lifespan(_: FastAPI):
        yield
        storage.close()

    app = FastAPI(title="Wiki", lifespan=lifespan)
    app.add_middleware(Observed, metrics=metrics, faults_on_request=settings.faults_on_request)

    @app.post("/users", status_code=201)
    def add_user(new: NewUser) -> User:
        try:
            user = storage.add_user(new.name)
        except NameTaken as error:
            raise HTTPException(409, f"there is a user {new.name!r} already") from error
        metrics.users_created.inc()
        return user

    @app.get("/users")
    def list_users(limit: Limit = 100, offset: Offset = 0) -> list[User]:
        return storage.users(limit, offset)

    @app.post("/posts", status_code=201)
    def add_post(new: NewPost) -> Post:
        try:
            post = storage.add_post(new.user_id, new.title, new.body)
        except NoSuchUser as error:
            raise HTTPException(404, f"there is no user {new.user_id}") from error
        metrics.posts_created.inc()
        return post

    @app.get("/posts")
    def list_posts(limit: Limit = 100, offset: Offset = 0) -> list[Post]:
        return storage.posts(limit, offset)

    @app.get("/metrics")
    def show_metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"Content-Type": content_type})

    @app.get("/healthz")
    def health() -> dict[str, str]:
        try:
            storage.ping()
        except sqlite3.Error as error:
            raise HTTPException(503, f"the database does not answer: {error}") from error
        return {"status": "ok"}

    return app
