//! The commands of the README that set things up.
fn main() {}
