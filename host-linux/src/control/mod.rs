//! The control socket: newline-delimited JSON between the daemon and its commands.
