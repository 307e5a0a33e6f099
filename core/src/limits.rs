//! Every capacity of the core, why that much, and what happens when it is full.

/// Cluster members, this node included. A configuration with more is refused.
pub const MAX_MEMBERS: usize = 16;
/// Heartbeat media. A set of links is a 16-bit mask; a configuration with more is refused.
pub const MAX_LINKS: usize = 16;
/// Resource groups. A configuration with more is refused.
pub const MAX_GROUPS: usize = 32;
/// Ping nodes: their number travels in five bits. A configuration with more is refused.
pub const MAX_PINGS: usize = 16;
/// Keys in `authkeys`: numbers 0 to 15 as in the original.
pub const MAX_KEYS: usize = 16;
/// Bytes of one secret. Longer ones are refused when the key file is read.
pub const MAX_SECRET: usize = 128;
/// Bytes of the cluster's name.
pub const MAX_CLUSTER_NAME: usize = 64;
/// Bytes of the longest frame: 15 others, 32 groups and every section need less than 500. A longer input is refused.
pub const MAX_FRAME: usize = 512;
/// Members that one heartbeat tells that they were fenced; further ones learn it from a later one.
pub const MAX_FENCE_REPORTS: usize = 2;
/// Restarts in place that are remembered for each group; a configuration that allows more is refused.
pub const MAX_RESTARTS: usize = 10;
/// Operator's orders that wait for their outcome. One more is refused at once.
pub const MAX_ORDERS: usize = 8;
/// Effects of one step that are not notices: one job and one cancellation a group, one fence a member, an answer
/// for every order, one transmission, one feed, one departure, one reboot, one restart and its answer, one word to
/// keep, two answers of the witness.
pub const MAX_ACTIONS: usize = 2 * MAX_GROUPS + MAX_MEMBERS + MAX_ORDERS + 10;
/// Notices of one step: the claim, the danger and the start of every group, and as much again for what led to it.
/// Notices that find no room are counted, never an action.
pub const MAX_NOTICES: usize = 4 * MAX_GROUPS;
/// Effects of one step.
pub const MAX_EFFECTS: usize = MAX_ACTIONS + MAX_NOTICES;
/// Sources of frames on one link that have brought nothing authentic and are remembered: more than ever flood at once from
/// addresses of their own. Beyond that the quietest is forgotten.
pub const MAX_STRANGERS: usize = 16;
/// Heartbeats sent out of turn within one keepalive, so that no disagreement can flood a line.
pub const MAX_UNSCHEDULED: u8 = 32;
