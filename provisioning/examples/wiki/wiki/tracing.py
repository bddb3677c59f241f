"""The trace that a request belongs to, by W3C Trace Context."""

import re
import secrets
from dataclasses import dataclass

# version-trace-parent-flags; a trace or parent of zeros alone is not valid.
TRACEPARENT = re.compile(r"^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$")


@dataclass(frozen=True)
class Trace:
    trace_id: str
    span_id: str
    flags: str

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def continue_trace(traceparent: str | None) -> Trace:
    """The caller's trace with a span of our own, or a new trace where the header is missing or wrong."""
    span_id = secrets.token_hex(8)
    if matched := TRACEPARENT.match((traceparent or "").strip()):
        return Trace(matched[1], span_id, matched[3])
    return Trace(secrets.token_hex(16), span_id, "00")
