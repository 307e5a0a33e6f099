//! Whole configurations, each a change to a good one.

mod advice;
mod agents;
mod machine;
mod monitoring;
mod original;
mod reports;
mod robustness;
mod witness;
