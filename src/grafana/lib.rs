//! x
mod codec;
mod frames;
mod proto;
mod response;
