//! Room promql.
