"""`python -m wiki` serves the wiki at WIKI_HOST:WIKI_PORT, 127.0.0.1:8000 unless they are set."""

import os

import uvicorn

from wiki.app import create_app
from wiki.logs import write_json_lines

if __name__ == "__main__":
    write_json_lines(os.environ.get("WIKI_LOG_LEVEL", "info"))
    uvicorn.run(
        create_app(),
        host=os.environ.get("WIKI_HOST", "127.0.0.1"),
        port=int(os.environ.get("WIKI_PORT", "8000")),
        log_config=None,
        access_log=False,
    )
