#![no_std]
#![forbid(unsafe_code)]
//! core

pub mod framing;
