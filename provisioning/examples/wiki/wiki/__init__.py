"""A small wiki, the app that the example dashboards show.

`app` answers requests, `storage` keeps users and posts in SQLite, `metrics` counts,
`tracing` and `logs` write one JSON line a request, `traffic` plays the visitors.
"""
