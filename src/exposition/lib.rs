//! Reads a page of metrics: bytes in, samples and metadata out.
//!
//! Enters `series`. Knows no network, no clock and no disk.
//! Start at [`Parser::new`]; [`Format::from_content_type`] says which format a page is in.
//!
//! Both formats are as strict as Prometheus 3.12: what its scrape takes is taken, what its
//! scrape refuses is refused. Most of that stands in its `model/textparse`, which [`Parser`]
//! follows; the rest (a label that stands twice, names that are not UTF-8) Prometheus finds
//! only when it makes the labels, and so does [`Sample::labels`]. A page is good when the
//! parser reaches its end *and* the labels of every series that is new to the caller were made.
//!
//! Where Prometheus takes a page but reads something odd from it, this room takes the page and
//! reads what its author meant:
//! - spaces before a metric's name do not become part of the name;
//! - escapes are undone in the quoted names of metadata and in the labels of exemplars;
//! - exemplars whose labels are not UTF-8 or stand twice have labels that cannot be made;
//! - a time beyond 64 bits of milliseconds becomes the nearest that fits, not the earliest;
//! - NUL bytes behind a label's closing quote are skipped and do not bring the quote into the
//!   value.

mod entry;
mod error;
mod escape;
mod family;
mod format;
mod number;
mod parser;
mod scan;
mod series_text;

pub use entry::{Entry, RawExemplar, Sample};
pub use error::{Error, Position, Problem};
pub use family::belongs_to_family;
pub use format::{ACCEPT, ContentTypeError, Format};
pub use number::NORMAL_NAN;
pub use parser::Parser;
