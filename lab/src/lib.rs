//! Test hosts in Linux namespaces.
