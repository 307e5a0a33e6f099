//! The bytes of one configuration file as lines and words that know where they stand.
//! What the words mean is the business of the readers.

use std::path::{Path, PathBuf};

use super::diagnostics::{Diagnostic, Diagnostics, Severity};

/// The longest line that the original reads, in bytes.
const LINE_BYTES_MAX: usize = 5120;

/// Where something stands in a file. Lines and columns count from 1, columns and lengths in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) length: u32,
}

/// Something found wrong or worth saying at one place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Span {
    /// The file as a whole.
    pub(super) const WHOLE_FILE: Self = Self { line: 0, column: 0, length: 0 };

    /// A finding at this place.
    pub(super) fn finding(self, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { span: self, message: message.into(), remedy: remedy.into() }
    }
}

/// A run of characters with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) span: Span,
}

impl Word<'_> {
    /// A finding about this word.
    pub(super) fn finding(&self, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
        self.span.finding(message, remedy)
    }
}

/// Which words of a file must never be shown to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Nothing is secret but the parameters of `stonith_host`.
    FencingParameters,
    /// Every word is secret but numbers, methods and `auth`.
    Keys,
}

/// One line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) bytes: Vec<u8>,
}

/// A file in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    secrecy: Secrecy,
    pub(super) lines: Vec<Line>,
}

impl SourceFile {
    /// Splits `bytes` at LF or CR LF.
    pub(super) fn new(path: &Path, bytes: &[u8], secrecy: Secrecy) -> Self {
        let mut lines: Vec<Line> = (1..)
            .zip(bytes.split(|byte| *byte == b'\n'))
            .map(|(number, line)| Line { number, bytes: line.strip_suffix(b"\r").unwrap_or(line).to_vec() })
            .collect();
        // What follows the last line end is a line only if there is something.
        lines.pop_if(|line| line.bytes.is_empty());
        Self { path: path.to_owned(), secrecy, lines }
    }

    /// The text of a line up to `#`, or nothing (and an error) where it is no text.
    pub(super) fn text_before_comment<'a>(
        &self,
        line: &'a Line,
        diagnostics: &mut Diagnostics,
    ) -> Option<&'a str> {
        let end = line.bytes.iter().position(|byte| *byte == b'#').unwrap_or(line.bytes.len());
        if !self.fits(line, diagnostics) {
            return None;
        }
        let bytes = line.bytes.get(..end).unwrap_or_default();
        match std::str::from_utf8(bytes) {
            Ok(text) => match text.chars().position(|c| c.is_control() && c != '\t') {
                None => Some(text),
                Some(index) => {
                    let span = Span { line: line.number, column: count(index) + 1, length: 1 };
                    diagnostics.error(
                        self,
                        span.finding("control character in a line", "remove it; lines end with LF or CR LF"),
                    );
                    None
                }
            },
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let column = count(String::from_utf8_lossy(valid).chars().count()) + 1;
                let span = Span { line: line.number, column, length: 1 };
                diagnostics
                    .error(self, span.finding("this is not UTF-8 text", "write the value in UTF-8 or ASCII"));
                None
            }
        }
    }

    /// Whether the line is short enough for the original; if not, an error.
    pub(super) fn fits(&self, line: &Line, diagnostics: &mut Diagnostics) -> bool {
        let fits = line.bytes.len() <= LINE_BYTES_MAX;
        if !fits {
            let span = Span { line: line.number, column: 1, length: 1 };
            diagnostics.error(
                self,
                span.finding(
                    format!("line of {} bytes; at most {LINE_BYTES_MAX} are read", line.bytes.len()),
                    "write several shorter lines",
                ),
            );
        }
        fits
    }

    /// The line as it may be shown, with secrets replaced; nothing if there is no such line.
    pub(super) fn shown(&self, number: u32) -> Option<String> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        let bytes = &self.lines.get(index)?.bytes;
        if bytes.len() > LINE_BYTES_MAX {
            return None;
        }
        // One character for one, so that columns stay true.
        let text: String = String::from_utf8_lossy(bytes)
            .chars()
            .map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c })
            .collect();
        Some(match self.secrecy {
            Secrecy::Keys => mask(&text, |_, word| !is_public_key_word(word)),
            Secrecy::FencingParameters if text.trim_start().starts_with("stonith_host") => {
                mask(&text, |index, _| index >= 3)
            }
            Secrecy::FencingParameters => text,
        })
    }

    /// A diagnostic at a place of this file.
    pub(super) fn diagnostic(&self, severity: Severity, finding: Finding) -> Diagnostic {
        Diagnostic {
            severity,
            file: self.path.clone(),
            line: finding.span.line,
            column: finding.span.column,
            length: finding.span.length,
            message: finding.message,
            remedy: finding.remedy,
            source: self.shown(finding.span.line),
        }
    }
}

/// The words of `text`, divided by `separator`; `text` begins at `line`, `column`.
pub(super) fn words(text: &str, line: u32, column: u32, separator: fn(char) -> bool) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut start = None;
    let end = [(text.len(), ' ')];
    for (characters, (offset, c)) in (0_u32..).zip(text.char_indices().chain(end)) {
        if separator(c) || offset == text.len() {
            if let Some((from, first)) = start.take() {
                let span = Span { line, column: column + first, length: characters - first };
                found.push(Word { text: text.get(from..offset).unwrap_or_default(), span });
            }
        } else if start.is_none() {
            start = Some((offset, characters));
        }
    }
    found
}

/// A blank between words.
pub(super) fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

/// A length as a column counts it.
pub(super) fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX - 1)
}

fn is_public_key_word(word: &str) -> bool {
    word.starts_with('#')
        || (word.len() <= 2 && word.bytes().all(|byte| byte.is_ascii_digit()))
        || ["auth", "crc", "md5", "sha1", "sha256"].contains(&word)
}

fn mask(text: &str, secret: fn(usize, &str) -> bool) -> String {
    let mut shown = String::new();
    let mut index = 0;
    for piece in text.split_inclusive(is_blank) {
        let word = piece.trim_end_matches(is_blank);
        if secret(index, word) {
            shown.extend(word.chars().map(|_| '*'));
        } else {
            shown.push_str(word);
        }
        index += usize::from(!word.is_empty());
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_columns() {
        let found = words("  ä bc\td", 7, 1, is_blank);
        let places: Vec<_> =
            found.iter().map(|word| (word.text, word.span.column, word.span.length)).collect();
        assert_eq!(places, [("ä", 3, 1), ("bc", 5, 2), ("d", 8, 1)]);
    }

    #[test]
    fn secrets_are_not_shown() {
        let keys = SourceFile::new(Path::new("k"), b"1 sha1 tops secret\nauth 1\nsha1 oops", Secrecy::Keys);
        assert_eq!(keys.shown(1).as_deref(), Some("1 sha1 **** ******"));
        assert_eq!(keys.shown(2).as_deref(), Some("auth 1"));
        assert_eq!(keys.shown(3).as_deref(), Some("sha1 ****"));
        let fencing = SourceFile::new(
            Path::new("h"),
            b"stonith_host  * external/ipmi ha2 10.0.0.9 root pw",
            Secrecy::FencingParameters,
        );
        assert_eq!(fencing.shown(1).as_deref(), Some("stonith_host  * external/ipmi *** ******** **** **"));
    }

    #[test]
    fn line_ends_of_both_kinds_are_no_text() {
        let file = SourceFile::new(Path::new("x"), b"a\r\nb\n\nc", Secrecy::FencingParameters);
        let lines: Vec<_> = file.lines.iter().map(|line| (line.number, line.bytes.as_slice())).collect();
        assert_eq!(lines, [(1, &b"a"[..]), (2, b"b"), (3, b""), (4, b"c")]);
    }
}
