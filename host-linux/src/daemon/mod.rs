//! The main loop: inputs in, effects out.
