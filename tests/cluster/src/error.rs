//! What can go wrong in a scenario, in sentences for the person who reads the report.

use std::io;

/// Why a cluster is not as it should be, or could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lab could not do something.
    #[error(transparent)]
    Lab(#[from] heartline_lab::Error),
    /// Something expected did not come about in time.
    #[error("waited in vain until {expected}; at last {seen}")]
    NotYet {
        /// What was waited for, a clause.
        expected: String,
        /// What was the case instead, a clause.
        seen: String,
    },
    /// Something is not as it must be.
    #[error("{0}")]
    Wrong(String),
    /// A file or a socket failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The daemon did not answer.
    #[error("{node}: {source}")]
    Control {
        /// Whose daemon.
        node: String,
        /// Why.
        source: heartline::control::ClientError,
    },
}

impl Error {
    /// A closure for `map_err`, naming what was tried.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
