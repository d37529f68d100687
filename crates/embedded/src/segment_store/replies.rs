//! Replies on their way to the client, which the log may hold back.

use bytes::Bytes;
use futures::FutureExt as _;
use pravega_protocol::wire::{Command as _, Outbox, SegmentRead, WireCommand};

use crate::node::{LogFailed, Node, Position, Undurable};

/// Replies, and bytes of appends that they stand for, above which a connection takes no more commands.
const DUE_BYTES: usize = 8 * 1024 * 1024;

/// Bytes behind a SegmentRead's data: the request id.
const AFTER_DATA: usize = 8;

/// Replies on their way to the client, in order: gathered, then waiting together for the log, then for the socket.
#[derive(Debug, Default)]
pub(super) struct Replies {
    gathered: Batch,
    settling: Option<Batch>,
    /// What may be written.
    pub(super) outbox: Outbox,
}

/// Replies that wait for the log together.
#[derive(Debug, Default)]
struct Batch {
    frames: Outbox,
    position: Position,
    /// Bytes of appends that the log has to take first.
    appended: usize,
}

impl Batch {
    fn cost(&self) -> usize {
        self.frames.bytes() + self.appended
    }

    fn is_empty(&self) -> bool {
        self.frames.bytes() == 0 && self.appended == 0
    }
}

impl Replies {
    /// Adds a reply.
    pub(super) fn push(&mut self, reply: Undurable<WireCommand>) {
        let (reply, position) = reply.into_parts();
        self.gathered.position = self.gathered.position.max(position);
        reply.encode_frame(self.gathered.frames.small());
    }

    /// Adds a reply to a read, whose data are not copied.
    pub(super) fn push_read(&mut self, reply: Undurable<(SegmentRead, Vec<Bytes>)>) {
        let ((read, parts), position) = reply.into_parts();
        self.gathered.position = self.gathered.position.max(position);
        push_read(&mut self.gathered.frames, &read, parts);
    }

    /// Adds bytes of an append that the log has yet to take.
    pub(super) fn appended<T>(&mut self, bytes: usize, undurable: Undurable<T>) -> T {
        let (value, position) = undurable.into_parts();
        self.gathered.position = self.gathered.position.max(position);
        self.gathered.appended += bytes;
        value
    }

    /// Adds what needs no log and may overtake.
    pub(super) fn push_at_once(&mut self, reply: &WireCommand) {
        reply.encode_frame(self.outbox.small());
        self.outbox.seal_small();
    }

    /// Whether more commands may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.cost() < DUE_BYTES
    }

    /// Bytes that are due, and of appends that the log has yet to take.
    pub(super) fn cost(&self) -> usize {
        let settling = self.settling.as_ref().map_or(0, Batch::cost);
        self.gathered.cost() + settling + self.outbox.bytes()
    }

    /// Whether nothing is due.
    pub(super) fn is_empty(&self) -> bool {
        self.gathered.is_empty() && self.settling.is_none() && self.outbox.bytes() == 0
    }

    /// Where the log must be before more can be written.
    pub(super) fn awaited(&self) -> Option<Position> {
        self.settling.as_ref().map(|batch| batch.position)
    }

    /// Lets the socket have what the log holds already.
    ///
    /// # Errors
    /// [`LogFailed`]: what is due can never be sent.
    pub(super) fn settle(&mut self, node: &Node) -> Result<(), LogFailed> {
        loop {
            if self.settling.is_none() && !self.gathered.is_empty() {
                self.settling = Some(std::mem::take(&mut self.gathered));
            }
            let Some(position) = self.awaited() else {
                assert!(self.gathered.is_empty(), "replies that are gathered settle next");
                return Ok(());
            };
            match node.reached(position).now_or_never() {
                Some(reached) => self.settled(reached)?,
                None => return Ok(()),
            }
        }
    }

    /// The log has got where it was awaited, or never will.
    ///
    /// # Errors
    /// [`LogFailed`]: what is due can never be sent.
    pub(super) fn settled(&mut self, reached: Result<(), LogFailed>) -> Result<(), LogFailed> {
        reached?;
        if let Some(batch) = self.settling.take() {
            self.outbox.append(batch.frames);
            self.outbox.seal_small();
        }
        Ok(())
    }
}

/// Lays a read's reply out with its data between the fields of an empty one.
fn push_read(out: &mut Outbox, read: &SegmentRead, parts: Vec<Bytes>) {
    let len = parts.iter().map(Bytes::len).sum();
    let small = out.small();
    let start = small.len();
    read.encode_frame(small);
    let request_id = small.split_off(small.len() - AFTER_DATA);
    let data_len = small.len() - 4;
    lengthen(&mut small[start + 4..start + 8], len);
    lengthen(&mut small[data_len..], len);
    parts.into_iter().for_each(|part| out.push(part));
    out.push(request_id.freeze());
}

/// Adds to a length that is on the wire already.
fn lengthen(field: &mut [u8], more: usize) {
    let length = i32::from_be_bytes(field.try_into().expect("a length has four bytes"));
    let length = length + i32::try_from(more).expect("a read has at most 2 MiB");
    field.copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use bytes::{Buf as _, BytesMut};

    use super::*;
    use pravega_protocol::wire::{Data, JavaStr, Offset, RequestId, Segment};

    fn read(data: Bytes) -> SegmentRead {
        SegmentRead {
            segment: Segment(JavaStr::new("s/t/0.#epoch.0").expect("short")),
            offset: Offset(7),
            at_tail: true,
            end_of_segment: false,
            data: data.into(),
            request_id: RequestId(99),
        }
    }

    #[test]
    fn read_is_laid_out_as_the_table_says_whatever_its_parts() {
        for sizes in [vec![], vec![3], vec![10_000], vec![1, 9_000, 5, 70_000]] {
            let parts: Vec<Bytes> = sizes.iter().map(|size| vec![*size as u8; *size].into()).collect();
            let mut expected = BytesMut::new();
            read(parts.concat().into()).encode_frame(&mut expected);
            let mut out = Outbox::default();
            push_read(&mut out, &read(Data::default().0.0), parts);
            out.seal_small();
            let written = out.copy_to_bytes(out.remaining());
            assert!(written == expected, "{sizes:?}");
        }
    }
}
