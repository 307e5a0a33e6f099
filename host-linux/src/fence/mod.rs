//! Fencing devices: how a dead node is made sure to be dead.
