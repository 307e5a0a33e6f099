//! The built-in resource agents: addresses and file systems. They run as children of the daemon.
