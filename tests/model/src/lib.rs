//! Explores every interleaving of a small cluster: two real core nodes, one group, a bounded number of faults and
//! orders, and after every action the promises of the design (invariants 1, 2, 3 and 5).
//!
//! ```text
//! setting -> roots -> explore ( possible -> play -> invariant -> fingerprint -> seen ) -> report, timeline
//! ```
//!
//! Explored: the order of frames, jobs, deadlines and faults; frames lost, held up for any time, repeated; links cut in
//! one direction or both; power cuts, killed daemons whose service runs on, stalls of any length, jobs that fail,
//! fencing that fails or is reported late, orders. Jobs may take any time. Not explored: more than two nodes or one
//! group, forged frames, ping nodes, changed configurations, hosts whose stored generation is lost, and fencing
//! devices that lie; those belong to simulations with dice.

pub mod action;
pub mod cluster;
pub mod explore;
pub mod fingerprint;
pub mod invariant;
pub mod play;
pub mod possible;
pub mod roots;
pub mod seen;
pub mod setting;
pub mod timeline;
