//! The store through its public door.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what serves tests fails and tells as they do"
)]

mod bench;
mod crash;
mod faults;
mod full;
mod kill;
mod model;
mod natives;
mod writing;
