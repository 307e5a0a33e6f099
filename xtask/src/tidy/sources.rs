//! Rules for a file as it stands: its length, its header, unfinished work, and paths of one machine.

use super::{Fault, TextFile};

/// A room that swallows the house begins about here.
const LINES_MAX: usize = 600;

/// Words of unfinished work. In two parts, so that this file does not find itself.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
];

/// Directories that exist on the machine of whoever wrote the line.
const ONE_MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// What is wrong with this file.
pub(super) fn faults(file: &TextFile) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut complain = |line, what| faults.push(Fault { path: file.path.clone(), line, what });
    if file.has_extension("rs") {
        let length = file.text.lines().count();
        if length > LINES_MAX {
            complain(length, format!("{length} lines are more than {LINES_MAX}: split it"));
        }
        if !file.text.starts_with("//! ") {
            complain(1, "no header that says what lives here".to_owned());
        }
    }
    for (number, line) in file.lines() {
        for word in UNFINISHED.iter().filter(|word| holds_word(line, word)) {
            complain(number, format!("unfinished: `{word}`"));
        }
        for path in ONE_MACHINE.iter().filter(|path| holds_word(line, path)) {
            complain(number, format!("a path of one machine: `{path}`"));
        }
    }
    faults
}

/// Whether `word` begins there and is not the middle of another (`target/work/`, `AXXXB`).
fn holds_word(line: &str, word: &str) -> bool {
    let touches = |neighbour: Option<char>| neighbour.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let ends_open = word.ends_with(char::is_alphanumeric);
    line.match_indices(word).any(|(start, _)| {
        let continues = ends_open && touches(line[start + word.len()..].chars().next());
        let continued = touches(line[..start].chars().next_back());
        !continues && !continued
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let file = TextFile { path: path.into(), text: text.to_owned() };
        faults(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_file_is_left_alone() {
        assert!(found("src/lib.rs", &"//! Header.\n".repeat(LINES_MAX)).is_empty());
        assert!(found("README.md", &"No header.\n".repeat(LINES_MAX + 1)).is_empty());
    }

    #[test]
    fn a_long_file_is_to_be_split() {
        let text = "//! Header.\n".repeat(LINES_MAX + 1);
        assert_eq!(found("src/lib.rs", &text), ["src/lib.rs:601: 601 lines are more than 600: split it"]);
    }

    #[test]
    fn a_file_without_a_header_is_named() {
        assert_eq!(
            found("src/lib.rs", "fn main() {}\n"),
            ["src/lib.rs:1: no header that says what lives here"]
        );
        assert_eq!(found("src/lib.rs", "//!\nfn main() {}\n").len(), 1, "an empty header says nothing");
    }

    #[test]
    fn unfinished_work_is_found_in_every_kind_of_file() {
        for word in UNFINISHED {
            let text = format!("first line\nthen {word} later\n");
            assert_eq!(found("notes.md", &text), [format!("notes.md:2: unfinished: `{word}`")]);
        }
        assert!(found("notes.md", concat!("mktemp file.XX", "XXXX\n")).is_empty());
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for path in ONE_MACHINE {
            assert_eq!(found(".ci/run", &format!("cd {path}house\n")).len(), 1);
            assert!(found(".ci/run", &format!("cd target{path}house\n")).is_empty());
        }
    }
}
