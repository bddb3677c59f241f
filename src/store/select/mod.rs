//! What a query selects: a fixed view over blocks and head, stitched to whole timelines.

mod builder;
mod gathered;
mod lists;
mod set;

pub(crate) use gathered::{Gathered, Gathering, Guide, Stretch};
pub(crate) use lists::OpenBlock;
pub(crate) use set::Set;
