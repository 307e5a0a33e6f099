//! Text with a little markup to the macros of man(7): `code` becomes bold, *place* italic.

use std::fmt::Write as _;

/// The longest line of the source.
const WIDTH: usize = 100;

/// The head of a page, with its name and what it is, in a few words.
pub(crate) fn head(page: &str, section: u8, what: &str) -> String {
    let manual = match section {
        1 => "User Commands",
        5 => "File Formats",
        _ => "System Administration",
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        ".\\\" Written by `cargo xtask man`; what it is written from is named in host-linux/tests/man.\n\
         .TH {} {section} \"\" \"Heartline {version}\" \"{manual}\"\n.SH NAME\n{page} \\- {what}\n",
        page.to_uppercase()
    )
}

pub(crate) fn section(title: &str) -> String {
    format!(".SH {}\n", title.to_uppercase())
}

pub(crate) fn subsection(title: &str) -> String {
    format!(".SS {}\n", escaped(title))
}

/// Paragraphs, divided by empty lines; one whose lines are all indented stands as it is.
pub(crate) fn paragraphs(text: &str) -> String {
    blocks(text, ".PP\n")
}

/// A tagged paragraph; more paragraphs of it are indented alike.
pub(crate) fn item(tag: &str, text: &str) -> String {
    format!(".TP\n{}{}", line(tag), blocks(text, ".IP\n").trim_start_matches(".IP\n"))
}

/// One line of the source and, with what follows, perhaps of the page.
pub(crate) fn line(text: &str) -> String {
    guarded(&marked(text))
}

fn blocks(text: &str, begin: &str) -> String {
    let mut roff = String::new();
    for block in text.trim_matches('\n').split("\n\n") {
        roff += begin;
        roff +=
            &if block.lines().all(|line| line.starts_with("    ")) { example(block) } else { lines(block) };
    }
    roff
}

/// A whole page: what begins a section needs no paragraph of its own.
pub(crate) fn page(parts: &[String]) -> String {
    let mut page = String::new();
    let mut begins = false;
    for line in parts.concat().lines() {
        if !(begins && line == ".PP") {
            page += &format!("{line}\n");
        }
        begins = line.starts_with(".SH ") || line.starts_with(".SS ");
    }
    page
}

/// What is to be typed or read as it is.
fn example(block: &str) -> String {
    let lines = block.lines().map(|line| guarded(&escaped(line.strip_prefix("    ").unwrap_or(line))));
    format!(".nf\n.RS 4\n{}.RE\n.fi\n", lines.collect::<String>())
}

/// Running text, a sentence a line.
fn lines(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut marked = marked(&words.join(" "));
    let mut roff = String::new();
    while !marked.is_empty() {
        let sentence = [". ", ": ", "! "].iter().filter_map(|end| marked.find(end)).min();
        let mut end = sentence.map_or(marked.len(), |at| at + 1);
        if end > WIDTH {
            let blank = marked.get(..WIDTH).and_then(|line| line.rfind(' ')).or_else(|| marked.find(' '));
            end = blank.unwrap_or(marked.len());
        }
        roff += &guarded(&marked[..end]);
        marked = marked[end..].trim_start().to_owned();
    }
    roff
}

/// A line that no character at its beginning makes a request.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
}

fn marked(text: &str) -> String {
    let mut roff = String::new();
    for (at, piece) in text.split('`').enumerate() {
        if at % 2 == 1 {
            let _ = write!(roff, "\\fB{}\\fR", escaped(piece));
            continue;
        }
        for (at, piece) in piece.split('*').enumerate() {
            let piece = piece.replace('\\', "\\e").replace('\'', "\\(aq");
            let _ = if at % 2 == 1 { write!(roff, "\\fI{piece}\\fR") } else { write!(roff, "{piece}") };
        }
    }
    roff
}

/// Letter by letter as it is typed.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
        .replace('~', "\\(ti")
        .replace('^', "\\(ha")
}
