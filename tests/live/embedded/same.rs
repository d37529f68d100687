//! What must be the same in two replies. Each difference that is allowed stands here with its reason.

use pravega_protocol::wire::{CommandType, SegmentRead, WireCommand};
use serde_json::{Map, Value};

/// Hexadecimal digits at the end of a transient segment's name.
const RANDOM_DIGITS: usize = 32;

/// A reply by its fields, without what may differ.
fn comparable(reply: &WireCommand) -> (CommandType, Map<String, Value>) {
    let mut fields = reply.to_fields();
    for (field, value) in &mut fields {
        level(field, value);
    }
    if let CommandType::TableRead = reply.command_type() {
        fields.entry("entries").and_modify(forget_missing);
    }
    // a hash map's order there
    if let (CommandType::TableEntriesDeltaRead, Some(Value::Array(entries))) =
        (reply.command_type(), fields.get_mut("entries").and_then(|entries| entries.get_mut("entries")))
    {
        entries.sort_by_cached_key(Value::to_string);
    }
    (reply.command_type(), fields)
}

/// Of a key that is missing the real store repeats bytes that it has released, which may hold something else by then.
fn forget_missing(entries: &mut Value) {
    let entries = entries["entries"].as_array_mut().expect("a list of entries");
    for entry in entries.iter_mut().filter(|entry| entry[0]["keyVersion"] == -1) {
        *entry = Value::Null;
    }
}

fn level(field: &str, value: &mut Value) {
    match (field, &mut *value) {
        // stack traces are Java's, and off by default in production
        ("serverStackTrace", _) => *value = Value::Null,
        // the moment of the change, which is not the same moment
        ("lastModified", _) => *value = Value::Null,
        // opaque, and not empty there after keys that were removed a moment ago
        ("continuationToken", _) => *value = Value::Null,
        // counted in the background there, for fixed keys only now and then
        ("entryCount", _) => *value = Value::Null,
        // text for people; the code beside it is compared
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

/// Whether two replies tell a client the same.
pub(crate) fn same(real: &WireCommand, ours: &WireCommand) -> bool {
    match (real, ours) {
        (WireCommand::SegmentRead(real), WireCommand::SegmentRead(ours)) if is_short(real, ours) => true,
        // a source that was merged before is known for a while, which ends at some time
        (WireCommand::NoSuchSegment(real), WireCommand::SegmentsMerged(ours)) if real.segment.0 == ours.source => true,
        _ => comparable(real) == comparable(ours),
    }
}

/// A real store answers with what one look at its cache or its long-term storage brings: perhaps less than there is, and
/// then without telling that the end is reached.
fn is_short(real: &SegmentRead, ours: &SegmentRead) -> bool {
    let (real_data, our_data) = (&real.data.0.0, &ours.data.0.0);
    let same_place = (real.offset, real.request_id) == (ours.offset, ours.request_id);
    let is_hint = !real.at_tail && !real.end_of_segment;
    // merges of a batch come one by one there, so that a waiting read sees the first of them
    let is_first = real.at_tail && ours.at_tail && real_data.len() < our_data.len();
    same_place && !real_data.is_empty() && our_data.starts_with(real_data) && (is_hint || is_first)
}

/// Whether a reply says that an append failed.
pub(crate) fn is_refusal(reply: &WireCommand) -> bool {
    matches!(reply.command_type(), CommandType::SegmentIsSealed | CommandType::NoSuchSegment)
}
