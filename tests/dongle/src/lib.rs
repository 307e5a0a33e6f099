//! The witness's firmware on the laboratory's emulated board: what its tests share.

pub mod clock;
pub mod forge;
pub mod host;
pub mod speaker;
