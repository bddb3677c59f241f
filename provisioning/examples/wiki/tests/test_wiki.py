import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
import uvicorn
from fastapi.testclient import TestClient

from wiki import traffic
from wiki.app import Settings, create_app
from wiki.logs import JsonLines
from wiki.tracing import continue_trace

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def database(tmp_path):
    return tmp_path / "below" / "wiki.db"


@pytest.fixture
def client(database):
    with TestClient(create_app(Settings(database))) as client:
        yield client


def sample(client, series, accept="text/plain"):
    """The value of a series, its name and labels written as on the page; 0 where it is missing."""
    page = client.get("/metrics", headers={"accept": accept}).text
    values = [line.split()[1] for line in page.splitlines() if line.split()[0:1] == [series]]
    assert len(values) <= 1, page
    return float(values[0]) if values else 0.0


def test_a_user_is_created_counted_and_listed(client):
    answer = client.post("/users", json={"name": "Ada"})
    assert answer.status_code == 201
    assert answer.json()["name"] == "Ada"
    assert [user["name"] for user in client.get("/users").json()] == ["Ada"]
    assert sample(client, "users_created_total") == 1
    assert sample(client, 'http_requests_total{endpoint="/users",method="POST",status="201"}') == 1
    assert sample(client, 'http_request_duration_seconds_count{endpoint="/users",method="POST"}') == 1


def test_a_post_belongs_to_a_user(client):
    user = client.post("/users", json={"name": "Ada"}).json()
    answer = client.post("/posts", json={"user_id": user["id"], "title": "Engines"})
    assert answer.status_code == 201
    assert client.get("/posts").json()[0]["title"] == "Engines"
    assert sample(client, "posts_created_total") == 1


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        ("/users", {"name": "Ada"}, 409),
        ("/users", {"name": ""}, 422),
        ("/users", {}, 422),
        ("/posts", {"user_id": 99, "title": "x"}, 404),
        ("/posts", {"user_id": 1}, 422),
    ],
)
def test_what_cannot_be_stored_is_refused_and_not_counted(client, path, content, status):
    client.post("/users", json={"name": "Ada"})
    assert client.post(path, json=content).status_code == status
    assert sample(client, "users_created_total") == 1
    assert sample(client, "posts_created_total") == 0
    assert sample(client, f'http_requests_total{{endpoint="{path}",method="POST",status="{status}"}}') == 1


def test_users_and_counters_survive_a_restart(database):
    with TestClient(create_app(Settings(database))) as client:
        client.post("/users", json={"name": "Ada"})
    with TestClient(create_app(Settings(database))) as client:
        assert [user["name"] for user in client.get("/users").json()] == ["Ada"]
        assert sample(client, "users_created_total") == 1


def test_an_unknown_path_or_method_makes_no_series_of_its_own(client):
    for path in ("/nowhere", "/users/1/../../etc", "/☃"):
        assert client.get(path).status_code == 404
    client.request("BREW", "/users")
    assert sample(client, 'http_requests_total{endpoint="unmatched",method="GET",status="404"}') == 3
    page = client.get("/metrics").text
    assert "nowhere" not in page and "BREW" not in page
    assert 'method="other"' in page


def test_pages_of_a_list_are_bounded(client):
    for number in range(3):
        client.post("/users", json={"name": str(number)})
    assert [user["name"] for user in client.get("/users?limit=1&offset=1").json()] == ["1"]
    assert client.get("/users?limit=100000").status_code == 422


def test_the_page_speaks_openmetrics_where_asked_and_carries_the_trace(client):
    client.get("/users", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    answer = client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert f'# {{trace_id="{TRACE}"}}' in answer.text


def test_healthz_says_when_the_database_is_gone(database):
    app = create_app(Settings(database))
    with TestClient(app) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
    # The lifespan is over: its database is closed.
    assert TestClient(app).get("/healthz").status_code == 503


def test_faults_are_made_only_where_they_are_allowed(database, client):
    asked = {"X-Wiki-Fault": "error", "X-Wiki-Delay-Seconds": "0.05"}
    assert client.get("/users", headers=asked).status_code == 200
    with TestClient(create_app(Settings(database, faults_on_request=True))) as faulty:
        assert faulty.get("/users", headers=asked).status_code == 500
        assert faulty.get("/users", headers={"X-Wiki-Delay-Seconds": "soon"}).status_code == 200
        assert sample(faulty, 'http_requests_total{endpoint="/users",method="GET",status="500"}') == 1
        assert sample(faulty, 'http_request_duration_seconds_bucket{endpoint="/users",le="0.025",method="GET"}') == 1


def test_a_request_leaves_one_json_line_with_its_trace(client, caplog):
    with caplog.at_level(logging.INFO, "wiki"):
        answer = client.get("/users", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    [record] = [record for record in caplog.records if record.name == "wiki"]
    line = json.loads(JsonLines().format(record))
    assert line["trace_id"] == TRACE
    assert (line["endpoint"], line["status"], line["level"]) == ("/users", 200, "info")
    assert answer.headers["traceresponse"] == f"00-{TRACE}-{line['span_id']}-01"


@pytest.mark.parametrize(
    "header",
    [None, "", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{TRACE}-00f067aa0ba902b7-01", f"00-{TRACE}-1-01"],
)
def test_a_missing_or_wrong_traceparent_begins_a_new_trace(header):
    trace = continue_trace(header)
    assert trace.trace_id != TRACE and len(trace.trace_id) == 32 and int(trace.trace_id, 16)
    assert continue_trace(header).trace_id != trace.trace_id


@pytest.fixture
def served(database):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(create_app(Settings(database, faults_on_request=True)), log_config=None))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def test_the_first_day_has_20_users_and_15_posts(served, capsys):
    assert traffic.main([served]) == 0
    assert capsys.readouterr().out == "20 users and 15 posts\n"
    # A second day has other visitors.
    assert traffic.main([served]) == 0
    wiki = traffic.Wiki(served)
    assert len(json.loads(wiki.answer("GET", "/users?limit=1000")[1])) == 40
    assert len(json.loads(wiki.answer("GET", "/posts?limit=1000")[1])) == 30


def test_steady_traffic_brings_the_errors_that_were_asked_for(served, capsys):
    arguments = ["--rate", "100", "--seconds", "1", "--errors", "1", "--slow", "0.5", "--slow-seconds", "0.01"]
    assert traffic.main([served, *arguments]) == 0
    told = dict(part.split(": ") for part in capsys.readouterr().out.strip().split(", "))
    assert set(told) <= {"500", "left out"} and int(told["500"]) > 10


@pytest.mark.parametrize("arguments", [["--rate", "0"], ["--errors", "2", "--rate", "1"], []])
def test_traffic_refuses_what_it_cannot_do(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        traffic.main([*arguments] if not arguments else ["http://127.0.0.1:9", *arguments])
    assert left.value.code == 2


def test_traffic_says_where_no_wiki_is():
    with pytest.raises(SystemExit, match="no wiki at 127.0.0.1:9"):
        traffic.main(["http://127.0.0.1:9", "--wait", "0.1"])


def test_the_program_serves_and_writes_json_lines_only(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {
        **os.environ,
        "WIKI_PORT": str(port),
        "WIKI_DATABASE": str(tmp_path / "wiki.db"),
        "PYTHONUNBUFFERED": "1",
    }
    program = subprocess.Popen([sys.executable, "-m", "wiki"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        wiki = traffic.Wiki(f"http://127.0.0.1:{port}")
        wiki.wait_until_healthy(30)
        assert wiki.ask("POST", "/users", {"name": "Ada"}) == 201
        time.sleep(0.1)
    finally:
        program.terminate()
        out, _ = program.communicate(timeout=30)
    lines = [json.loads(line) for line in out.splitlines()]
    assert any(line.get("endpoint") == "/users" and line["status"] == 201 and line["trace_id"] for line in lines)
