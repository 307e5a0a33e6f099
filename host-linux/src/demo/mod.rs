//! A whole cluster on one machine, playing the story of two hosts.
