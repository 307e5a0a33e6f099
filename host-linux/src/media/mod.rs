//! The ways a frame travels: serial lines, UDP sockets; and the echo of ping nodes.
