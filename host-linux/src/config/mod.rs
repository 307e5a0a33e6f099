//! The three files of the original: `ha.cf`, `authkeys`, `haresources`. Reads and checks; starts nothing.

mod model;

pub use model::*;
