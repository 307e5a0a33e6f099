//! Every input that was worth keeping, those that once broke a promise among them, through its target.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};

use heartline_fuzz::TARGETS;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_kept_input_keeps_every_promise() {
    let mut broken = Vec::new();
    for target in TARGETS {
        let directory = corpus().join(target.name);
        for name in names(&directory) {
            let data = fs::read(directory.join(&name)).unwrap();
            if panic::catch_unwind(|| (target.run)(&data)).is_err() {
                broken.push(format!("{}/{name}", target.name));
            }
        }
    }
    assert!(broken.is_empty(), "inputs that break a promise: {broken:#?}");
}

#[test]
fn every_target_has_a_corpus_and_a_program() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(&corpus()), targets);
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("targets/src");
    let programs: BTreeSet<String> =
        names(&programs).iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    assert_eq!(programs, targets);
}
