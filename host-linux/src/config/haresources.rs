//! The reader of `haresources`: lines to groups. What a single word means is in `resource_words`.

use std::collections::BTreeMap;

use super::diagnostics::Diagnostics;
use super::model::{Group, PingNode, Resource};
use super::resource_words;
use super::source::{Finding, SourceFile, Span, Word, count, is_blank, words};
use super::values::closest;

/// The most resource groups.
pub(super) const GROUPS_MAX: usize = 32;

/// A group with the place of each of its resources.
pub(super) struct PlacedGroup {
    pub(super) group: Group,
    pub(super) places: Vec<Span>,
}

/// Reads the whole file. `nodes` are the members in lower case, none where they are not known;
/// and `pings` the ping nodes.
pub(super) fn read(
    file: &SourceFile,
    nodes: &[String],
    pings: &[PingNode],
    diagnostics: &mut Diagnostics,
) -> Vec<PlacedGroup> {
    let mut groups = Vec::new();
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    for logical in logical_lines(file, diagnostics) {
        let words = logical.words();
        let Some((node, resources)) = words.split_first() else { continue };
        let preferred = match member(*node, nodes, pings) {
            Ok(preferred) => preferred,
            Err(finding) => {
                diagnostics.error(file, finding);
                String::new()
            }
        };
        let (resources, places) = read_resources(file, *node, resources, diagnostics).into_iter().unzip();
        if let Some(first) = words.get(1) {
            if let Some(earlier) = names.get(first.text) {
                let message =
                    format!("`{}` is the first resource of the group in line {earlier} too", first.text);
                let remedy =
                    "a group is known by its first resource: put another one first, or join the lines";
                diagnostics.error(file, first.finding(message, remedy));
                continue;
            }
            names.insert(first.text.to_owned(), node.span.line);
        }
        if groups.len() == GROUPS_MAX {
            let message = format!("more than {GROUPS_MAX} groups");
            diagnostics.error(file, node.finding(message, "join groups of the same node"));
            break;
        }
        groups.push(PlacedGroup { group: Group { preferred, resources, line: node.span.line }, places });
    }
    groups
}

fn member(node: Word<'_>, nodes: &[String], pings: &[PingNode]) -> Result<String, Finding> {
    let name = node.text.to_lowercase();
    if nodes.is_empty() || nodes.contains(&name) {
        return Ok(name);
    }
    if pings.iter().any(|ping| ping.name.eq_ignore_ascii_case(&name)) {
        return Err(
            node.finding(format!("`{}` is a ping node and runs nothing", node.text), "name a cluster member")
        );
    }
    let remedy = closest(&name, nodes.iter().map(String::as_str)).map_or(
        "a group begins with the node that shall run it; list that node in ha.cf".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    Err(node.finding(format!("`{}` is not a member of the cluster", node.text), remedy))
}

fn read_resources(
    file: &SourceFile,
    node: Word<'_>,
    resources: &[Word<'_>],
    diagnostics: &mut Diagnostics,
) -> Vec<(Resource, Span)> {
    if resources.is_empty() {
        let remedy = "add its resources, or remove the line";
        diagnostics
            .error(file, node.finding(format!("the group of `{}` has no resources", node.text), remedy));
    }
    let mut read: Vec<(Resource, Span)> = Vec::new();
    for word in resources {
        if word.text.ends_with('\\') {
            let remedy = "remove what follows the `\\`, or the `\\`";
            diagnostics.error(file, word.finding("`\\` joins lines only as the very last character", remedy));
            continue;
        }
        match resource_words::read(*word) {
            Ok(resource) => {
                if read.iter().any(|(known, _)| known.text == resource.text) {
                    let message = format!("`{}` stands twice in one group", word.text);
                    diagnostics.warning(file, word.finding(message, "remove one of the two"));
                }
                read.push((resource, word.span));
            }
            Err(finding) => diagnostics.error(file, finding),
        }
    }
    read
}

/// Physical lines joined by `\`, without comments.
#[derive(Default)]
struct LogicalLine {
    text: String,
    /// Where each physical line begins: offset in `text` in characters, line number.
    parts: Vec<(u32, u32)>,
}

impl LogicalLine {
    fn push(&mut self, text: &str, number: u32) {
        self.parts.push((count(self.text.chars().count()), number));
        self.text.push_str(text);
    }

    fn words(&self) -> Vec<Word<'_>> {
        let mut words = words(&self.text, 0, 1, is_blank);
        for word in &mut words {
            let start = word.span.column - 1;
            let part = self.parts.iter().rposition(|(offset, _)| *offset <= start).unwrap_or_default();
            let Some((offset, line)) = self.parts.get(part) else { continue };
            // A word that goes on in the next line is marked up to the end of its first one.
            let end = self.parts.get(part + 1).map_or(u32::MAX, |(next, _)| *next);
            let length = word.span.length.min(end - start);
            word.span = Span { line: *line, column: start - offset + 1, length };
        }
        words
    }
}

fn logical_lines(file: &SourceFile, diagnostics: &mut Diagnostics) -> Vec<LogicalLine> {
    let mut logical_lines = Vec::new();
    let mut open: Option<LogicalLine> = None;
    for line in &file.lines {
        // A line that cannot be read says so itself and still ends what it would have ended.
        let text = file.text_before_comment(line, diagnostics).unwrap_or_default();
        let has_comment = line.bytes.contains(&b'#');
        if has_comment && open.is_some() {
            let column = count(text.chars().count()) + 1;
            let whole = count(String::from_utf8_lossy(&line.bytes).chars().count());
            let span = Span { line: line.number, column, length: (whole + 1).saturating_sub(column) };
            let message = "a comment in a continued line; heartbeat took its words for resources";
            diagnostics.warning(file, span.finding(message, "put the comment above the group"));
        }
        let continued = if has_comment { None } else { text.strip_suffix('\\') };
        let mut logical = open.take().unwrap_or_default();
        logical.push(continued.unwrap_or(text), line.number);
        if continued.is_some() {
            open = Some(logical);
        } else {
            logical_lines.push(logical);
        }
    }
    logical_lines.extend(open);
    logical_lines
}
