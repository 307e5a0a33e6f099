//! The commands: one binary, many names.
