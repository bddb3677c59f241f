//! Headwater's own look-ups, which its editors in Grafana and its page ask for.

pub(crate) mod metrics;
