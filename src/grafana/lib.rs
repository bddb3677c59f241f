//! Room grafana.
