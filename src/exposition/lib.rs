//! Room exposition.
