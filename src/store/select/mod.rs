//! What a query selects: a fixed view over blocks and head, stitched to whole timelines.

mod builder;
mod gathered;
mod set;

pub(crate) use builder::SetBuilder;
pub(crate) use gathered::{Gathered, Gathering, Guide, Stretch};
pub(crate) use set::Set;
