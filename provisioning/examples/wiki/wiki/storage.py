"""Users and posts in SQLite."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE IF NOT EXISTS posts (
    id INTEGER PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
"""


class NameTaken(Exception):
    """A user of that name exists."""


class NoSuchUser(Exception):
    """No user has that id."""


@dataclass(frozen=True)
class User:
    id: int
    name: str
    created_at: str


@dataclass(frozen=True)
class Post:
    id: int
    user_id: int
    title: str
    body: str
    created_at: str


class Storage:
    """One connection behind a lock: SQLite has one writer at a time anyway."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False)
        # A reader does not wait for a writer, and a killed process loses nothing it had answered.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA foreign_keys = ON")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def ping(self) -> None:
        """Raises `sqlite3.Error` when the database does not answer."""
        with self._lock:
            self._database.execute("SELECT 1").fetchone()

    def count(self) -> tuple[int, int]:
        """How many users and posts there are."""
        with self._lock:
            (users,) = self._database.execute("SELECT count(*) FROM users").fetchone()
            (posts,) = self._database.execute("SELECT count(*) FROM posts").fetchone()
        return users, posts

    def add_user(self, name: str) -> User:
        try:
            with self._lock, self._database:
                row = self._database.execute(
                    "INSERT INTO users (name) VALUES (?) RETURNING id, name, created_at", (name,)
                ).fetchone()
        except sqlite3.IntegrityError as error:
            raise NameTaken(name) from error
        return User(*row)

    def users(self, limit: int, offset: int) -> list[User]:
        with self._lock:
            rows = self._database.execute(
                "SELECT id, name, created_at FROM users ORDER BY id LIMIT ? OFFSET ?", (limit, offset)
            ).fetchall()
        return [User(*row) for row in rows]

    def add_post(self, user_id: int, title: str, body: str) -> Post:
        try:
            with self._lock, self._database:
                row = self._database.execute(
                    "INSERT INTO posts (user_id, title, body) VALUES (?, ?, ?)"
                    " RETURNING id, user_id, title, body, created_at",
                    (user_id, title, body),
                ).fetchone()
        except sqlite3.IntegrityError as error:
            raise NoSuchUser(user_id) from error
        return Post(*row)

    def posts(self, limit: int, offset: int) -> list[Post]:
        with self._lock:
            rows = self._database.execute(
                "SELECT id, user_id, title, body, created_at FROM posts ORDER BY id LIMIT ? OFFSET ?",
                (limit, offset),
            ).fetchall()
        return [Post(*row) for row in rows]
