//! The store through its public door.

mod bench;
mod crash;
mod faults;
mod model;
