//! The store through its public door.

mod bench;
mod crash;
mod model;
