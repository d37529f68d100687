//! What the controller keeps: records, and the rules by which they follow from each other.
//!
//! Everything here is a value: no store, no clock. A record is kept as JSON under a [`key`] of the node's
//! catalog, its fields by their names; `tests/golden/format/catalog.txt` pins both. The history of a stream is one [`Epoch`] per key, never changed once written, so that a scale
//! costs one record and not the whole history.

pub(crate) mod cut;
mod epoch;
mod group;
mod history;
pub(crate) mod key;
mod mark;
mod page;
mod policy;
pub(crate) mod readers;
pub(crate) mod retention;
mod scale;
mod stream;
mod table;
mod transaction;

pub(crate) use cut::{Cut, CutError, Span};
pub(crate) use epoch::{Epoch, EpochSegment, Range};
pub(crate) use group::{GroupConfig, GroupRetention, ReaderGroup, Subscriber};
pub(crate) use history::{History, successors};
pub(crate) use mark::{MarkRefused, Watermark, WriterMark};
pub(crate) use page::{Page, page};
pub(crate) use policy::{Retention, RetentionKind, Scaling, ScalingKind, StreamConfig};
pub(crate) use retention::RetentionCut;
pub(crate) use scale::{ScaleRefused, even_scale, scale};
pub(crate) use stream::{StreamRecord, mark_stream};
pub(crate) use table::TableConfig;
pub(crate) use transaction::{LeaseRefused, Outcome, Transaction, TransactionId, reaches};
