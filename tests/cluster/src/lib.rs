//! Whole clusters of the real binary in namespaces.
