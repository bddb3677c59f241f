//! What the system's allocator keeps of memory that is free.
//!
//! glibc gives it back to the system as soon as there are a few hundred kilobytes to some
//! megabytes of it at the end of an arena, and the next query has each page made and zeroed anew
//! by whichever thread touches it first: a seventh of the time of a join of 2,000 series with
//! their sums. Dashboards ask the same again every few seconds, so that it is kept between them,
//! and given back once a minute, when stores are kept tidy (mallopt(3), malloc_trim(3)). Without a
//! store nothing is kept.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
mod glibc {
    use std::ffi::c_int;

    /// Free memory that an arena keeps at its end.
    const KEPT_BYTES: c_int = 32 << 20;

    /// Pieces from this size on come from the system one by one, and go back to it.
    const APART_BYTES: c_int = 16 << 20;

    pub(crate) fn keep_free_memory() {
        // SAFETY: both set a number in the allocator, under its own lock.
        unsafe {
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
            libc::mallopt(libc::M_MMAP_THRESHOLD, APART_BYTES);
        }
    }

    pub(crate) fn give_back_free_memory() {
        // SAFETY: gives back pages that hold nothing, under the locks of the allocator.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod others {
    pub(crate) fn keep_free_memory() {}

    pub(crate) fn give_back_free_memory() {}
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) use glibc::{give_back_free_memory, keep_free_memory};
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) use others::{give_back_free_memory, keep_free_memory};
