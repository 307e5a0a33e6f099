//! The reader of `authkeys`. No message and no diagnostic ever shows a secret.

use heartline_core::limits::MAX_SECRET;

use super::diagnostics::{Diagnostics, Severity};
use super::model::{AuthKey, AuthMethod, KeyFile};
use super::source::{Finding, Line, SourceFile, Span, count};
use super::system::FileInfo;
use super::values::{closest, parse_whole};

const METHODS: [(&str, AuthMethod); 4] = [
    ("crc", AuthMethod::Crc),
    ("md5", AuthMethod::Md5),
    ("sha1", AuthMethod::Sha1),
    ("sha256", AuthMethod::Sha256),
];

const LINE_USAGE: &str = "write `auth NUMBER` or `NUMBER METHOD KEY`, for example `1 sha256 SECRET`";

/// The keys with their places.
pub(super) struct Keys {
    pub(super) key_file: KeyFile,
    /// The place of each key, in the order of `key_file.keys`.
    pub(super) places: Vec<Span>,
}

/// Reads the whole file; nothing if there is an error in it.
pub(super) fn read(
    file: &SourceFile,
    info: FileInfo,
    effective_user: u32,
    diagnostics: &mut Diagnostics,
) -> Option<Keys> {
    check_access(file, info, effective_user, diagnostics);
    let mut reader = Reader { file, diagnostics, signing: None, keys: Vec::new(), failed: false };
    for line in &file.lines {
        if let Err(finding) = reader.read_line(line) {
            reader.diagnostics.error(file, finding);
            reader.failed = true;
        }
    }
    reader.finish()
}

fn check_access(file: &SourceFile, info: FileInfo, effective_user: u32, diagnostics: &mut Diagnostics) {
    let path = file.path.display();
    if info.mode & 0o066 != 0 {
        let message = format!("group or others may read or write the keys (mode {:03o})", info.mode & 0o777);
        diagnostics.about_file(Severity::Error, &file.path, message, format!("chmod 600 {path}"));
    }
    if info.owner != 0 && info.owner != effective_user {
        let message =
            format!("the keys belong to user {}, neither root nor the one that runs this", info.owner);
        diagnostics.about_file(Severity::Error, &file.path, message, format!("chown root {path}"));
    }
}

struct Reader<'a> {
    file: &'a SourceFile,
    diagnostics: &'a mut Diagnostics,
    signing: Option<(u8, Span)>,
    keys: Vec<(AuthKey, Span)>,
    /// Whether a line was refused, so that what is missing may be in it.
    failed: bool,
}

/// A word of bytes: keys need not be text.
#[derive(Clone, Copy)]
struct Field<'a> {
    bytes: &'a [u8],
    span: Span,
}

impl Field<'_> {
    fn text(&self) -> &str {
        std::str::from_utf8(self.bytes).unwrap_or_default()
    }
}

impl Reader<'_> {
    fn read_line(&mut self, line: &Line) -> Result<(), Finding> {
        if !self.file.fits(line, self.diagnostics) {
            self.failed = true;
            return Ok(());
        }
        let fields = fields(line);
        let Some(first) = fields.first().filter(|first| !first.bytes.starts_with(b"#")) else {
            return Ok(());
        };
        let end = fields.last().map_or(first.span, |last| last.span);
        let whole = Span { length: end.column + end.length - first.span.column, ..first.span };
        if let Some(index) = line.bytes.iter().position(|byte| byte.is_ascii_control() && *byte != b'\t') {
            let span = Span { line: line.number, column: column(line, index), length: 1 };
            return Err(span.finding("control character in a line", "remove it; lines end with LF or CR LF"));
        }
        match fields.as_slice() {
            [word, rest @ ..] if word.bytes.starts_with(b"a") => self.read_auth(*word, rest, whole),
            [number, method, rest @ ..] => self.read_key(*number, *method, rest),
            _ => Err(whole.finding("this is neither an `auth` line nor a key", LINE_USAGE)),
        }
    }

    fn read_auth(&mut self, word: Field<'_>, rest: &[Field<'_>], whole: Span) -> Result<(), Finding> {
        let [number, surplus @ ..] = rest else {
            return Err(whole.finding("this line has no key number", "write `auth NUMBER`"));
        };
        if word.bytes != b"auth" {
            return Err(word
                .span
                .finding("a line that begins with `a` must be an `auth` line", "write `auth NUMBER`"));
        }
        let place = number.span;
        let number = key_number(*number)?;
        self.note_ignored(surplus, "after the number of an `auth` line");
        if let Some((_, first)) = self.signing.replace((number, place)) {
            let message = format!("a second `auth` line; the first is line {}", first.line);
            self.diagnostics
                .warning(self.file, place.finding(message, "keep one of them; the last one counts"));
        }
        Ok(())
    }

    fn read_key(&mut self, number: Field<'_>, method: Field<'_>, rest: &[Field<'_>]) -> Result<(), Finding> {
        let place = number.span;
        let number = key_number(number)?;
        let Some((name, method)) = METHODS.into_iter().find(|(name, _)| name.as_bytes() == method.bytes)
        else {
            // The word is not shown: it may be a secret in the wrong place.
            let remedy = closest(method.text(), METHODS.map(|(name, _)| name))
                .map_or("write `crc`, `md5`, `sha1` or `sha256` before the key".to_owned(), |near| {
                    format!("did you mean `{near}`? names are in lower case")
                });
            return Err(method.span.finding("unknown authentication method", remedy));
        };
        let secret = match (method, rest) {
            (AuthMethod::Crc, []) => &[][..],
            (AuthMethod::Crc, [key, surplus @ ..]) if key.bytes.starts_with(b"#") => {
                self.note_ignored(&[&[*key], surplus].concat(), "");
                &[][..]
            }
            (AuthMethod::Crc, [key, ..]) => {
                return Err(key
                    .span
                    .finding("method crc takes no key", "remove the key, or choose `sha256`"));
            }
            (_, [key, surplus @ ..]) => {
                self.note_ignored(surplus, "after the key, which ends at the first blank");
                key.bytes
            }
            (_, []) => {
                return Err(place.finding(
                    format!("method {name} needs a key"),
                    format!("write `{number} {name} SECRET`"),
                ));
            }
        };
        if let ([field, ..], true) = (rest, secret.len() > MAX_SECRET) {
            let message = format!("a key of {} bytes", secret.len());
            return Err(field.span.finding(message, format!("write {MAX_SECRET} bytes at most")));
        }
        let key = AuthKey { number, method, secret: secret.to_vec() };
        match self.keys.iter_mut().find(|(known, _)| known.number == number) {
            Some(entry) => {
                let message = format!("key {number} is defined already in line {}", entry.1.line);
                self.diagnostics
                    .warning(self.file, place.finding(message, "keep one of them; the last one counts"));
                *entry = (key, place);
            }
            None => self.keys.push((key, place)),
        }
        Ok(())
    }

    fn note_ignored(&mut self, surplus: &[Field<'_>], place: &str) {
        let Some(first) = surplus.first() else { return };
        if first.bytes.starts_with(b"#") {
            return;
        }
        let message = format!("this is ignored: it stands {place}");
        let finding = first.span.finding(message, "write the key without blanks, or remove the rest");
        self.diagnostics.warning(self.file, finding);
    }

    fn finish(self) -> Option<Keys> {
        let Some((signing, place)) = self.signing else {
            if !self.failed {
                let remedy = "add `auth NUMBER` with the number of the key to sign with";
                self.diagnostics.about_file(
                    Severity::Error,
                    &self.file.path,
                    "there is no `auth` line",
                    remedy,
                );
            }
            return None;
        };
        if !self.keys.iter().any(|(key, _)| key.number == signing) {
            if !self.failed {
                let finding = place
                    .finding(format!("there is no key {signing}"), format!("add `{signing} sha256 SECRET`"));
                self.diagnostics.error(self.file, finding);
            }
            return None;
        }
        let (keys, places) = self.keys.into_iter().unzip();
        Some(Keys { key_file: KeyFile { signing, keys }, places })
    }
}

fn key_number(field: Field<'_>) -> Result<u8, Finding> {
    parse_whole(field.text(), 0, 15)
        .and_then(|number| u8::try_from(number).ok())
        .ok_or_else(|| field.span.finding("this is not a key number", "write 0 to 15"))
}

fn fields(line: &Line) -> Vec<Field<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    for piece in line.bytes.split_inclusive(|byte| matches!(byte, b' ' | b'\t')) {
        let word = piece.strip_suffix(b" ").or(piece.strip_suffix(b"\t")).unwrap_or(piece);
        if !word.is_empty() {
            let length = count(String::from_utf8_lossy(word).chars().count());
            found.push(Field {
                bytes: word,
                span: Span { line: line.number, column: column(line, start), length },
            });
        }
        start += piece.len();
    }
    found
}

fn column(line: &Line, offset: usize) -> u32 {
    let before = line.bytes.get(..offset).unwrap_or_default();
    count(String::from_utf8_lossy(before).chars().count()) + 1
}
