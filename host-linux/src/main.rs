//! heartline
fn main() {}
