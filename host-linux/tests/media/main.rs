//! All media as the daemon sees them. Those in namespaces need root and are skipped without.
#![cfg(test)]

mod host;
mod loopback;
mod namespaces;
mod serial;
