//! `cargo xtask tidy`: what no linter sees. `sources` holds the rules for files as they are, `documents` those for
//! what the documents promise; here is the walk through the house.

mod documents;
mod sources;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, Failure, file_failure};
use crate::workspace::{Profile, Workspace};

use documents::Promises;

/// Looks through the repository.
///
/// # Errors
/// If a file breaks a rule, all of which are printed; if a file cannot be read or heartline does not build.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let files = text_files(&workspace.root)?;
    let promises = Promises {
        root: &workspace.root,
        xtask_commands: crate::command_names().into_iter().collect(),
        packages: files.iter().filter_map(package_name).collect(),
        heartline_commands: documented_commands(workspace, &files)?,
    };
    let faults: Vec<Fault> = files
        .iter()
        .flat_map(|file| sources::faults(file).into_iter().chain(promises.broken_in(file)))
        .collect();
    for fault in &faults {
        println!("{fault}");
    }
    if faults.is_empty() {
        println!("{} files are tidy", files.len());
        return Ok(());
    }
    Err(Failure::Other(format!("{} faults in {} files", faults.len(), files.len())))
}

/// A text file of the repository.
#[derive(Debug)]
struct TextFile {
    /// Below the root.
    path: PathBuf,
    text: String,
}

impl TextFile {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }

    /// The lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// A rule broken somewhere.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    path: PathBuf,
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.what)
    }
}

/// Every file below `root` that is text and of our own making, in the order of names.
fn text_files(root: &Path) -> Result<Vec<TextFile>, Failure> {
    let mut files = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).map_err(file_failure(&directory))? {
            let entry = entry.map_err(file_failure(&directory))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(file_failure(&path))?;
            let generated =
                [".git", "target", "Cargo.lock", "corpus"].iter().any(|name| entry.file_name() == *name);
            if generated {
                continue;
            } else if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() {
                let bytes = fs::read(&path).map_err(file_failure(&path))?;
                if let (Ok(text), Ok(below)) = (String::from_utf8(bytes), path.strip_prefix(root)) {
                    files.push(TextFile { path: below.to_owned(), text });
                }
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

/// The name in a package's manifest.
fn package_name(file: &TextFile) -> Option<String> {
    file.path.ends_with("Cargo.toml").then_some(())?;
    let line = file.text.lines().find_map(|line| line.strip_prefix("name = \""))?;
    Some(line.trim_end_matches('"').to_owned())
}

/// Those of the commands of `heartline` in the documents that the binary has.
fn documented_commands(workspace: &Workspace, files: &[TextFile]) -> Result<BTreeSet<String>, Failure> {
    let binary = workspace.build_heartline(Profile::Dev)?;
    let named: BTreeSet<String> = files.iter().flat_map(documents::heartline_commands).collect();
    let exists = |command: &String| process::succeeds(Command::new(&binary).args([command, "--help"]));
    Ok(named.into_iter().filter(exists).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_sees_our_own_text_in_order() {
        let root = tempfile::tempdir().unwrap();
        for path in ["src", "target", ".ci", ".git"] {
            fs::create_dir(root.path().join(path)).unwrap();
        }
        for path in ["src/lib.rs", "target/out.rs", ".ci/run", ".git/config", "README.md"] {
            fs::write(root.path().join(path), "text\n").unwrap();
        }
        fs::write(root.path().join("picture"), [0xff, 0xfe]).unwrap();
        let files = text_files(root.path()).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.to_str().unwrap()).collect();
        assert_eq!(paths, [".ci/run", "README.md", "src/lib.rs"]);
    }

    #[test]
    fn packages_are_known_by_their_manifests() {
        let text = "[package]\nname = \"heartline\"\n".to_owned();
        let manifest = TextFile { path: "host-linux/Cargo.toml".into(), text };
        assert_eq!(package_name(&manifest), Some("heartline".to_owned()));
    }
}
