//! Rules for documents: the commands that they name exist, and so do the files that they point to.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Fault, TextFile};

/// What documents may promise.
#[derive(Debug)]
pub(super) struct Promises<'a> {
    pub(super) root: &'a Path,
    pub(super) xtask_commands: BTreeSet<String>,
    pub(super) heartline_commands: BTreeSet<String>,
    pub(super) packages: BTreeSet<String>,
}

impl Promises<'_> {
    /// The promises of this file that do not hold.
    pub(super) fn broken_in(&self, file: &TextFile) -> Vec<Fault> {
        let fault = |line, what| Fault { path: file.path.clone(), line, what };
        let commands =
            code(file).into_iter().filter_map(|(line, code)| Some(fault(line, self.untrue(code)?)));
        let links = links(file).filter_map(|(line, target)| {
            let directory = file.path.parent().unwrap_or(Path::new(""));
            let exists = self.root.join(directory).join(target).exists();
            (!exists).then(|| fault(line, format!("a link to `{target}`, which does not exist")))
        });
        commands.chain(links).collect()
    }

    /// Why a piece of code promises too much.
    fn untrue(&self, code: &str) -> Option<String> {
        for command in simple_commands(code) {
            let lacks = |known: &BTreeSet<String>, name: &str| !known.contains(name);
            if let ["cargo", "xtask", name, ..] = command[..]
                && is_name(name)
                && lacks(&self.xtask_commands, name)
            {
                return Some(format!("`cargo xtask {name}` does not exist"));
            }
            if let Some(name) = package(&command)
                && lacks(&self.packages, name)
            {
                return Some(format!("there is no package `{name}`"));
            }
            if let Some(name) = heartline_command(&command)
                && lacks(&self.heartline_commands, name)
            {
                return Some(format!("`heartline {name}` does not exist"));
            }
        }
        // What is built is not there before it was built.
        let is_product = |path: &&str| path.starts_with("target/");
        let path = code.split([' ', ':']).next().filter(|path| path.contains('/') && !is_product(path))?;
        let room = self.root.join(path.split('/').next()?);
        let missing =
            path.is_ascii() && !path.starts_with('/') && room.is_dir() && !self.root.join(path).exists();
        missing.then(|| format!("`{path}` does not exist"))
    }
}

/// The commands of `heartline` that a document names.
pub(super) fn heartline_commands(file: &TextFile) -> Vec<String> {
    code(file)
        .into_iter()
        .flat_map(|(_, code)| simple_commands(code))
        .filter_map(|command| heartline_command(&command).map(str::to_owned))
        .collect()
}

/// Lines of fenced blocks and spans between backticks, with their line numbers.
fn code(file: &TextFile) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let mut in_block = false;
    for (number, line) in file.lines().filter(|_| file.has_extension("md")) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            pieces.push((number, line));
        } else {
            pieces.extend(line.split('`').skip(1).step_by(2).map(|span| (number, span)));
        }
    }
    pieces
}

/// The targets of links to files of the repository.
fn links(file: &TextFile) -> impl Iterator<Item = (usize, &str)> {
    file.lines().filter(|_| file.has_extension("md")).flat_map(|(number, line)| {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        targets
            .filter(|target| !target.is_empty() && !target.contains("://"))
            .map(move |target| (number, target))
    })
}

/// The words of each command of a line of shell, without prompt, comment and `sudo`.
fn simple_commands(code: &str) -> Vec<Vec<&str>> {
    let code = code.trim_start_matches("# ").trim_start_matches("$ ");
    let code = code.split(" #").next().unwrap_or(code);
    code.split(['|', ';', '&'])
        .map(|part| part.split_whitespace().skip_while(|word| *word == "sudo").collect())
        .collect()
}

/// The package that a cargo command asks for.
fn package<'a>(command: &[&'a str]) -> Option<&'a str> {
    let before_separator =
        command.split(|word| *word == "--").next().filter(|words| words.first() == Some(&"cargo"))?;
    before_separator.windows(2).find(|pair| ["-p", "--package"].contains(&pair[0])).map(|pair| pair[1])
}

/// The subcommand in `heartline SUBCOMMAND` and in `cargo run ... -- SUBCOMMAND`.
fn heartline_command<'a>(command: &[&'a str]) -> Option<&'a str> {
    let name = match command {
        ["heartline", name, ..] => name,
        ["cargo", "run", ..] => command.split(|word| *word == "--").nth(1)?.first()?,
        _ => return None,
    };
    is_name(name).then_some(name)
}

/// Whether it is the name of a command, not an option or a placeholder.
fn is_name(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(text: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("docs")).unwrap();
        fs::write(root.path().join("docs/house.md"), "").unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let promises = Promises {
            root: root.path(),
            xtask_commands: names(&["test", "core-thumb"]),
            heartline_commands: names(&["status", "demo"]),
            packages: names(&["heartline"]),
        };
        let file = TextFile { path: "docs/guide.md".into(), text: text.to_owned() };
        promises.broken_in(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn promises_that_hold_are_left_alone() {
        let text = "\
Run `target/release/heartline`, `cargo xtask core-thumb` or `cargo test -p heartline --lib`, see [the house](house.md#rooms), [elsewhere](https://a.b/c).
`docs/house.md:12` and `/etc/ha.d/ha.cf` and `read/write` and `heartline SUBCOMMAND` and `heartline --version`

```sh
# cargo xtask test && sudo heartline status --json   # heartline fly
cargo run --release -- demo --keep
```
Words outside of code: cargo xtask fly.
";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn every_broken_promise_is_found_where_it_is_made() {
        for (text, expected) in [
            ("`cargo xtask fly`", "docs/guide.md:1: `cargo xtask fly` does not exist"),
            ("a\n```\n$ heartline fly\n```", "docs/guide.md:3: `heartline fly` does not exist"),
            ("`true && cargo run --release -- fly`", "docs/guide.md:1: `heartline fly` does not exist"),
            ("`cargo test -p kite --lib`", "docs/guide.md:1: there is no package `kite`"),
            ("`docs/gone.md`", "docs/guide.md:1: `docs/gone.md` does not exist"),
            ("see [it](gone.md)", "docs/guide.md:1: a link to `gone.md`, which does not exist"),
        ] {
            assert_eq!(found(text), [expected]);
        }
    }

    #[test]
    fn commands_are_collected_for_the_binary_to_answer() {
        let text = "`heartline status` and `heartline --help`, then\n```\ncargo run -- demo | tee log\n```\n"
            .to_owned();
        let file = TextFile { path: "README.md".into(), text };
        assert_eq!(heartline_commands(&file), ["status", "demo"]);
    }
}
