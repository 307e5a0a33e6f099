//! What is wrong or worth knowing in a configuration, and how it is shown. Judges nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::source::{Finding, SourceFile};

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; nothing to do.
    Info,
    /// Accepted, but probably not what is wanted.
    Warning,
    /// Refused: there is no configuration.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing found in one place of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// The line from 1; 0 speaks of the file as a whole.
    pub line: u32,
    /// The column of the offending text in characters, from 1; 0 where `line` is 0.
    pub column: u32,
    /// The length of the offending text in characters; 0 where `line` is 0.
    pub length: u32,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub remedy: String,
    /// The line as it may be shown: secrets are masked. None where `line` is 0 or the line cannot be shown.
    pub source: Option<String>,
}

impl Diagnostic {
    /// One line for a log: `FILE:LINE:COLUMN: error: MESSAGE (REMEDY)`.
    #[must_use]
    pub fn one_line(&self) -> String {
        let mut text = self.file.display().to_string();
        if self.line > 0 {
            text.push_str(&format!(":{}:{}", self.line, self.column));
        }
        text.push_str(&format!(": {}: {}", self.severity, self.message));
        if !self.remedy.is_empty() {
            text.push_str(&format!(" ({})", self.remedy));
        }
        text
    }
}

/// All diagnostics for a terminal, each with its source line; with ANSI colours if `color`.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    diagnostics.iter().map(|diagnostic| render_one(&renderer, diagnostic) + "\n\n").collect()
}

fn render_one(renderer: &Renderer, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Info => Level::INFO,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let path = diagnostic.file.display().to_string();
    let title = level.primary_title(printable(&diagnostic.message));
    let mut group = match &diagnostic.source {
        Some(source) => {
            let start = byte_offset(source, diagnostic.column.saturating_sub(1));
            let end = byte_offset(source, diagnostic.column.saturating_sub(1) + diagnostic.length.max(1));
            let line = usize::try_from(diagnostic.line).unwrap_or(usize::MAX);
            title.element(
                Snippet::source(source.as_str())
                    .line_start(line)
                    .path(path)
                    .annotation(AnnotationKind::Primary.span(start..end)),
            )
        }
        None => title.element(Origin::path(path)),
    };
    if !diagnostic.remedy.is_empty() {
        group = group.element(Level::HELP.message(printable(&diagnostic.remedy)));
    }
    renderer.render(&[group])
}

/// Offending text is quoted in messages; it may not move the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn byte_offset(source: &str, characters: u32) -> usize {
    let characters = usize::try_from(characters).unwrap_or(usize::MAX);
    source.char_indices().nth(characters).map_or(source.len(), |(offset, _)| offset)
}

/// The diagnostics of one reading, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Diagnostics(pub(super) Vec<Diagnostic>);

impl Diagnostics {
    pub(super) fn error(&mut self, file: &SourceFile, finding: Finding) {
        self.0.push(file.diagnostic(Severity::Error, finding));
    }

    pub(super) fn warning(&mut self, file: &SourceFile, finding: Finding) {
        self.0.push(file.diagnostic(Severity::Warning, finding));
    }

    pub(super) fn info(&mut self, file: &SourceFile, finding: Finding) {
        self.0.push(file.diagnostic(Severity::Info, finding));
    }

    /// About a file as a whole.
    pub(super) fn about_file(
        &mut self,
        severity: Severity,
        file: &Path,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.0.push(Diagnostic {
            severity,
            file: file.to_owned(),
            line: 0,
            column: 0,
            length: 0,
            message: message.into(),
            remedy: remedy.into(),
            source: None,
        });
    }

    pub(super) fn has_error(&self) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            file: PathBuf::from("/etc/ha.d/ha.cf"),
            line: 3,
            column: 11,
            length: 2,
            message: "`1s` is not a time".to_owned(),
            remedy: "write `1` or `1000ms`".to_owned(),
            source: Some("keepalive 1s".to_owned()),
        }
    }

    #[test]
    fn a_diagnostic_fits_in_a_log_line() {
        assert_eq!(
            example().one_line(),
            "/etc/ha.d/ha.cf:3:11: error: `1s` is not a time (write `1` or `1000ms`)"
        );
        let whole = Diagnostic { line: 0, source: None, remedy: String::new(), ..example() };
        assert_eq!(whole.one_line(), "/etc/ha.d/ha.cf: error: `1s` is not a time");
    }

    #[test]
    fn a_diagnostic_is_rendered_with_its_line() {
        let whole = Diagnostic { line: 0, column: 0, source: None, severity: Severity::Warning, ..example() };
        assert_eq!(
            render(&[example(), whole], false),
            "\
error: `1s` is not a time
 --> /etc/ha.d/ha.cf:3:11
  |
3 | keepalive 1s
  |           ^^
  |
  = help: write `1` or `1000ms`

warning: `1s` is not a time
--> /etc/ha.d/ha.cf
 = help: write `1` or `1000ms`

"
        );
    }

    #[test]
    fn colour_is_only_added_on_request() {
        assert!(!render(&[example()], false).contains('\u{1b}'));
        assert!(render(&[example()], true).contains('\u{1b}'));
    }
}
