//! Room query.
