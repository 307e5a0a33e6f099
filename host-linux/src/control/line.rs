//! Bytes in, lines out, with a limit on how long a line may be.

/// Collects bytes until a line is complete.
#[derive(Debug)]
pub(super) struct LineBuffer {
    /// The longest line in bytes, without its newline.
    limit: usize,
    bytes: Vec<u8>,
    /// Where the first line begins that was not handed out.
    start: usize,
    /// Up to where there is no newline after `start`.
    searched: usize,
}

/// A line exceeded the limit; nothing that follows can be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl LineBuffer {
    pub(super) fn with_limit(limit: usize) -> Self {
        Self { limit, bytes: Vec::new(), start: 0, searched: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        // Moving the rest to the front here, and not at each line, keeps many short lines cheap.
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next complete line without its newline; nothing while none is complete.
    pub(super) fn next_line(&mut self) -> Result<Option<&[u8]>, TooLong> {
        let newline = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
        let end = newline.map_or(self.bytes.len(), |offset| self.searched + offset);
        if end - self.start > self.limit {
            return Err(TooLong);
        }
        if newline.is_none() {
            self.searched = end;
            return Ok(None);
        }
        let line = &self.bytes[self.start..end];
        self.start = end + 1;
        self.searched = end + 1;
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_changes_no_line(
            text in "([a-z]{0,9}\n){0,9}[a-z]{0,9}",
            size in 1_usize..8,
        ) {
            let mut buffer = LineBuffer::with_limit(9);
            let mut lines = Vec::new();
            for part in text.as_bytes().chunks(size) {
                buffer.push(part);
                while let Some(line) = buffer.next_line().unwrap() {
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            let (complete, _) = text.rsplit_once('\n').unwrap_or_default();
            let expected: Vec<_> = if text.contains('\n') { complete.split('\n').collect() } else { vec![] };
            prop_assert_eq!(lines, expected);
        }
    }

    #[test]
    fn a_line_has_a_limit() {
        let mut buffer = LineBuffer::with_limit(9);
        buffer.push(&[b'x'; 9]);
        assert_eq!(buffer.next_line(), Ok(None));
        buffer.push(b"\n");
        assert_eq!(buffer.next_line().unwrap().unwrap().len(), 9);
        buffer.push(&[b'x'; 10]);
        assert_eq!(buffer.next_line(), Err(TooLong));
    }
}
