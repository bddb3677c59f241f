//! Keeps samples on disk and finds them again by label.
//!
//! Enters `series`. Knows nothing of PromQL, HTTP, Grafana or configuration files.
//! Start at [`Store::open`]; the bytes are described in FORMAT.md.

mod appender;
mod error;
mod health;
mod maintain;
mod open;
mod options;
mod shared;
mod source;
mod store;

mod block;
mod bytes;
mod codec;
mod disk;
mod format;
mod head;
mod matching;
mod parts;
mod select;
mod wal;

pub mod probe;

pub use codec::kernel_name;
pub use disk::{
    Disk, Entry, Fault, Lock, Locking, MemoryDisk, Outage, ReadFile, RealDisk, WriteFile,
};
pub use error::{Result, StoreError};
pub use health::{Damage, Health, Statistics};
pub use maintain::Maintained;
pub use options::{Clock, Options};
pub use store::Store;
