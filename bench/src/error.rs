//! What can go wrong in a measurement, in sentences for the person who runs it.

use std::io;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The lab could not do something, or something did not come about in time.
    #[error(transparent)]
    Lab(#[from] heartline_lab::Error),
    /// A system call or a file operation failed.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The program under test is not there.
    #[error("there is no program {0}; build it with `cargo build --release -p heartline`")]
    NoProgram(std::path::PathBuf),
    /// The client's thread has ended.
    #[error("the measuring client has stopped, see above")]
    NoClient,
    /// Something on a host did not go as it must.
    #[error("{host}: {what}: {said}")]
    Host {
        /// The host.
        host: String,
        /// What was tried.
        what: String,
        /// What was said about it.
        said: String,
    },
    /// The measurement of one product failed.
    #[error("{0} could not be measured")]
    NoReport(&'static str),
}

impl Error {
    /// Makes a mapper for `map_err`: `what` follows the word "cannot".
    pub(crate) fn io<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source: source.into() }
    }
}
