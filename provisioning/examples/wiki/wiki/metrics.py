"""What the app counts about itself."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

# A series `…_created` beside every counter would double them for nothing that is shown.
disable_created_metrics()

# Up to 2 s in small steps, because the alert on slow answers stands there.
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0)


class Metrics:
    """One registry per app, so that tests do not count into each other."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.users_created = Counter(
            "users_created_total", "Users that were created, earlier runs of the app included.", registry=self.registry
        )
        self.posts_created = Counter(
            "posts_created_total", "Posts that were created, earlier runs of the app included.", registry=self.registry
        )
        self.requests = Counter(
            "http_requests_total",
            "Requests answered, by method, route and status.",
            ["method", "endpoint", "status"],
            registry=self.registry,
        )
        self.request_duration = Histogram(
            "http_request_duration_seconds",
            "Time from a request's arrival to the end of its answer.",
            ["method", "endpoint"],
            buckets=DURATION_BUCKETS,
            registry=self.registry,
        )

    def observe(self, method: str, endpoint: str, status: int, seconds: float, trace_id: str) -> None:
        self.requests.labels(method, endpoint, str(status)).inc()
        self.request_duration.labels(method, endpoint).observe(seconds, {"trace_id": trace_id})
