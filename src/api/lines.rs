//! Cuts lines out of a body as it arrives.

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of a body that are not cut into lines yet.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// Bytes at the buffer's beginning that hold no line's end.
    searched: usize,
}

impl Lines {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next line that is complete, without its end, and the bytes that it took with it.
    pub(crate) fn next_line(&mut self) -> Option<(Bytes, usize)> {
        match memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            Some(index) => {
                let line = self.buffer.split_to(self.searched + index).freeze();
                self.buffer.advance(1);
                self.searched = 0;
                let taken = line.len() + 1;
                Some((without_return(line), taken))
            }
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }

    /// Throws the complete lines away; tells how many were not empty.
    pub(crate) fn count_rest(&mut self) -> u64 {
        std::iter::from_fn(|| self.next_line()).filter(|(line, _)| !line.is_empty()).count() as u64
    }

    /// Whether a last line without its end is there.
    pub(crate) fn has_last(&self) -> bool {
        !self.buffer.is_empty() && self.buffer[..] != *b"\r"
    }

    /// What is left when the body is over: a last line without its end.
    pub(crate) fn into_last(self) -> Bytes {
        without_return(self.buffer.freeze())
    }

    /// Bytes of the line that is not complete.
    pub(crate) fn pending(&self) -> usize {
        self.buffer.len()
    }
}

fn without_return(mut line: Bytes) -> Bytes {
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<Bytes> {
        let mut lines = Lines::default();
        let mut cut = Vec::new();
        for chunk in chunks {
            lines.push(chunk);
            cut.extend(std::iter::from_fn(|| lines.next_line()).map(|(line, _)| line));
        }
        cut.push(lines.into_last());
        cut
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let body = b"one\r\n\ntwo\rx\r\r\nthree";
        let expected: &[&[u8]] = &[b"one", b"", b"two\rx\r", b"three"];
        assert_eq!(cut(&[body]), expected);
        assert_eq!(cut(&body.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn final_line_end_leaves_nothing() {
        assert_eq!(cut(&[b"one\n"]), [&b"one"[..], b""]);
    }
}
