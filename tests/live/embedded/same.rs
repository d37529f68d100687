//! Compares replies. Each allowed difference is listed here with its reason.

use pravega_protocol::wire::{CommandType, SegmentRead, WireCommand};
use serde_json::{Map, Value};

/// Hexadecimal digits at the end of a transient segment's name.
const RANDOM_DIGITS: usize = 32;

/// A reply's fields without those that may differ.
fn comparable(reply: &WireCommand) -> (CommandType, Map<String, Value>) {
    let mut fields = reply.to_fields();
    for (field, value) in &mut fields {
        level(field, value);
    }
    if let CommandType::TableRead = reply.command_type() {
        fields.entry("entries").and_modify(forget_missing);
    }
    // the real store's order is that of a hash map
    if let (CommandType::TableEntriesDeltaRead, Some(Value::Array(entries))) =
        (reply.command_type(), fields.get_mut("entries").and_then(|entries| entries.get_mut("entries")))
    {
        entries.sort_by_cached_key(Value::to_string);
    }
    (reply.command_type(), fields)
}

/// For a missing key the real store repeats bytes from a buffer that it has released, which may hold something else.
fn forget_missing(entries: &mut Value) {
    let entries = entries["entries"].as_array_mut().expect("a list of entries");
    for entry in entries.iter_mut().filter(|entry| entry[0]["keyVersion"] == -1) {
        *entry = Value::Null;
    }
}

fn level(field: &str, value: &mut Value) {
    match (field, &mut *value) {
        // stack traces are specific to Java, and off by default in production
        ("serverStackTrace", _) => *value = Value::Null,
        // the time of the change, which differs
        ("lastModified", _) => *value = Value::Null,
        // opaque, and not empty in the real store just after keys were removed
        ("continuationToken", _) => *value = Value::Null,
        // the real store counts in the background, and only from time to time for fixed keys
        ("entryCount", _) => *value = Value::Null,
        // human-readable; the code next to it is compared
        ("message", _) => *value = Value::Null,
        // the end of a transient segment's name is random
        (_, Value::String(text)) => {
            if let Some((fixed, _)) = text.rsplit_once('.').filter(|(_, random)| random.len() == RANDOM_DIGITS) {
                *value = Value::from(fixed);
            }
        }
        (_, Value::Array(items)) => items.iter_mut().for_each(|item| level("", item)),
        _ => {}
    }
}

/// Whether two replies mean the same to a client.
pub(crate) fn same(real: &WireCommand, ours: &WireCommand) -> bool {
    match (real, ours) {
        (WireCommand::SegmentRead(real), WireCommand::SegmentRead(ours)) if is_short(real, ours) => true,
        // stores remember a merged source only for a while
        (WireCommand::NoSuchSegment(real), WireCommand::SegmentsMerged(ours)) if real.segment.0 == ours.source => true,
        _ => comparable(real) == comparable(ours),
    }
}

/// A real store answers with what a single read of its cache or long-term storage returns. That may be less than there
/// is, and then does not report that the end is reached.
fn is_short(real: &SegmentRead, ours: &SegmentRead) -> bool {
    let (real_data, our_data) = (&real.data.0.0, &ours.data.0.0);
    let same_place = (real.offset, real.request_id) == (ours.offset, ours.request_id);
    let is_hint = !real.at_tail && !real.end_of_segment;
    // the real store merges a batch one by one, so a waiting read sees the first merge
    let is_first = real.at_tail && ours.at_tail && real_data.len() < our_data.len();
    same_place && !real_data.is_empty() && our_data.starts_with(real_data) && (is_hint || is_first)
}

/// Whether a reply says that an append failed.
pub(crate) fn is_refusal(reply: &WireCommand) -> bool {
    matches!(reply.command_type(), CommandType::SegmentIsSealed | CommandType::NoSuchSegment)
}
