//! ha.cf(5): the directives as the table of the reader has them, each with what `directives.txt` says of it.

use heartline::config::directives::{DIRECTIVES, Directive, Fate};

use crate::roff::{self, head, item, paragraphs, section};

/// What comes before the directives.
const FIRST: &str = include_str!("ha_cf_first.txt");
/// What follows them.
const REST: &str = include_str!("ha_cf_rest.txt");
/// A paragraph or more for each directive, under its name and how its value is written.
const TEXTS: &str = include_str!("directives.txt");

pub(crate) fn page() -> String {
    let mut parts =
        vec![head("ha.cf", 5, "how the nodes of a Heartline cluster hear each other"), crate::prose(FIRST)];
    let mut directives: Vec<&Directive> = DIRECTIVES.iter().collect();
    directives.sort_by_key(|directive| directive.name);
    parts.push(section("Directives"));
    parts.extend(directives.iter().filter(|it| it.fate() == Fate::Obeyed).map(|directive| obeyed(directive)));
    parts.push(section("Directives without effect"));
    parts.push(paragraphs("They are checked as the original checks them, and do nothing:"));
    for directive in &directives {
        if let Fate::WithoutEffect { because } = directive.fate() {
            let tag = format!("`{}`", directive.name);
            parts.push(item(&tag, &format!("{}: {because}.", directive.description)));
        }
    }
    parts.push(section("Directives that are refused"));
    for directive in &directives {
        if let Fate::Refused { because, remedy } = directive.fate() {
            parts.push(item(&format!("`{}`", directive.name), &format!("{because}; {remedy}.")));
        }
    }
    parts.push(crate::prose(REST));
    roff::page(&parts)
}

fn obeyed(directive: &Directive) -> String {
    let entry = texts().find(|entry| entry.name == directive.name);
    let value = entry.as_ref().map_or("*VALUE*", |entry| entry.value);
    let mut text = match &entry {
        Some(entry) => entry.text.to_owned(),
        None => {
            let mut sentence = directive.description.to_owned();
            if let Some(first) = sentence.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            sentence + "."
        }
    };
    if let Some(default) = directive.default {
        text += &format!("\n\nDefault: `{default}`.");
    }
    item(&format!("`{}` {value}", directive.name), &text)
}

pub(crate) struct Text {
    pub(crate) name: &'static str,
    value: &'static str,
    text: &'static str,
}

/// The entries of `directives.txt`: `:: name value`, then its paragraphs.
pub(crate) fn texts() -> impl Iterator<Item = Text> {
    TEXTS.split("\n:: ").map(|entry| {
        let entry = entry.trim_start_matches(":: ");
        let (heading, text) = entry.split_once('\n').unwrap_or((entry, ""));
        let (name, value) = heading.split_once(' ').unwrap_or((heading, ""));
        Text { name, value, text: text.trim_matches('\n') }
    })
}
