//! Readers for what services in the background still write to the streams of the script that started them. Without one
//! the next write would end the service (SIGPIPE); were it the daemon, its restart would. So another program reads, until
//! the last writer is gone, and throws away: the original's scripts wrote to `/dev/null`.

use std::process::{Child, Command, Stdio};

use mio::unix::pipe::Receiver;

/// So many streams are read; one more is closed.
const READERS_MAX: usize = 64;

/// The readers, which are children of this process to be reaped.
#[derive(Debug, Default)]
pub(crate) struct Drains(Vec<Child>);

impl Drains {
    /// Has a stream read whose writers live on. Without a program to do it, it is closed.
    pub(crate) fn begin(&mut self, stream: Receiver) {
        self.reap();
        if self.0.len() < READERS_MAX && stream.set_nonblocking(false).is_ok() {
            self.0.extend(reader(stream));
        }
    }

    /// Buries those that have ended.
    pub(crate) fn reap(&mut self) {
        self.0.retain_mut(|reader| matches!(reader.try_wait(), Ok(None)));
    }
}

/// In a process group of its own: nothing that is done to the script's is done to it.
fn reader(stream: Receiver) -> Option<Child> {
    use std::os::unix::process::CommandExt;
    let stream = Stdio::from(std::os::fd::OwnedFd::from(stream));
    let mut cat = Command::new("cat");
    cat.stdin(stream).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/").process_group(0);
    cat.spawn().ok()
}
