//! Keeps newly installed packages from starting their services, by the means that Debian has for it: `policy-rc.d`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The program that maintainer scripts ask before they start a service.
pub(crate) const POLICY: &str = "/usr/sbin/policy-rc.d";

/// First lines of our policy, to know it again after a crash.
const MARK: &str = "#!/bin/sh\n# Of cargo xtask, for the time of one installation.\n";

/// While it lives, no installation starts a service. A policy that was there before is put back, by the next one of
/// these if this program was killed.
#[derive(Debug)]
pub(crate) struct StartsForbidden {
    policy: PathBuf,
    before: PathBuf,
}

impl StartsForbidden {
    /// Sets the policy.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn by(policy: &Path) -> io::Result<Self> {
        let forbidden = Self { policy: policy.to_owned(), before: policy.with_extension("d.before-xtask") };
        forbidden.restore()?;
        rename_if_there(&forbidden.policy, &forbidden.before)?;
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(policy)?;
        writeln!(file, "{MARK}exit 101")?;
        Ok(forbidden)
    }

    /// Puts everything back.
    ///
    /// # Errors
    /// If it cannot.
    pub(crate) fn lift(self) -> io::Result<()> {
        self.restore()
    }

    fn restore(&self) -> io::Result<()> {
        if fs::read_to_string(&self.policy).is_ok_and(|text| text.starts_with(MARK)) {
            fs::remove_file(&self.policy)?;
        }
        rename_if_there(&self.before, &self.policy)
    }
}

impl Drop for StartsForbidden {
    fn drop(&mut self) {
        // `lift` reports; here it is too late for more than trying.
        let _ = self.restore();
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn verdict(policy: &Path) -> Option<i32> {
        Command::new("/bin/sh").arg(policy).args(["apache2", "start"]).status().unwrap().code()
    }

    #[test]
    fn starts_are_forbidden_for_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("policy-rc.d");
        let forbidden = StartsForbidden::by(&policy).unwrap();
        assert_eq!(verdict(&policy), Some(101));
        forbidden.lift().unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_administrators_policy_comes_back_even_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("policy-rc.d");
        fs::write(&policy, "#!/bin/sh\nexit 104\n").unwrap();
        std::mem::forget(StartsForbidden::by(&policy).unwrap());
        let forbidden = StartsForbidden::by(&policy).unwrap();
        assert_eq!(verdict(&policy), Some(101));
        drop(forbidden);
        assert_eq!(fs::read_to_string(&policy).unwrap(), "#!/bin/sh\nexit 104\n");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
