//! Raw sequences, and messages that name more than one stream: everything that is named counts.

use pravega_protocol::wire::{
    AppendBlock, AppendBlockEnd, Buf, ConditionalAppend, ConditionalBlockEnd, CreateTransientSegment, Data,
    DelegationToken, DeleteSegment, EventFrame, EventNumber, Frame, GetStreamSegmentInfo, JavaStr, KeepAlive,
    MergeSegments, MergeSegmentsBatch, Offset, Raw, RequestId, SealSegment, Segment, SetupAppend, WireCommand,
};
use serde_json::Value;

use super::callers::{Needs, Resource, Right};
use super::case::Case;
use super::ground::{Found, Target};
use super::messages::ORDERS;
use super::{CHANGE, READ};
use crate::support::Gateway;
use crate::support::wire::framed;

const READ_BOTH: Needs = &[(Resource::Orders, Right::Read), (Resource::Ledger, Right::Read)];
const CHANGE_AND_READ: Needs = &[(Resource::Orders, Right::Change), (Resource::Ledger, Right::Read)];
const CHANGE_BOTH: Needs = &[(Resource::Orders, Right::Change), (Resource::Ledger, Right::Change)];

const CHANGE_LEDGER: Needs = &[(Resource::Ledger, Right::Change)];
const CHANGE_NOWHERE: Needs = &[(Resource::Nowhere, Right::Change)];

const LEDGER: &str = "office/ledger/0.#epoch.0";

/// A code that no table knows.
const UNKNOWN: i32 = 4711;

pub(super) fn cases() -> Vec<Case> {
    [appends(), mixed(), merges()].into_iter().flatten().collect()
}

fn appends() -> Vec<Case> {
    vec![
        sequence("a block", CHANGE, 200, |target| vec![set_up(target), block(target), end(target)]),
        sequence("a block in its end", CHANGE, 200, |target| vec![set_up(target), end(target)]),
        sequence("a conditional append", CHANGE, 200, |target| vec![set_up(target), conditional(target)]),
        sequence("a conditional block", CHANGE, 200, |target| vec![set_up(target), conditional_block(target)]),
        sequence("a block without a writer", CHANGE, 502, |target| vec![end(target)]),
        sequence("a block behind a question", CHANGE, 200, |target| {
            vec![ask(target), set_up(target), block(target), end(target)]
        }),
    ]
}

/// The worst level decides, wherever it stands, and every stream counts.
fn mixed() -> Vec<Case> {
    let unknown = || Frame { code: UNKNOWN, payload: "abc".into() };
    vec![
        sequence("two questions", READ, 200, |target| vec![ask(target), ask(target)]),
        sequence("a question beside KeepAlive", READ, 200, |target| vec![keep_alive(), ask(target)]),
        sequence("a seal behind a question", CHANGE, 200, |target| vec![ask(target), seal(target)]),
        sequence("a seal before a question", CHANGE, 200, |target| vec![seal(target), ask(target)]),
        sequence("an unknown code behind a question", CHANGE, 502, move |target| vec![ask(target), unknown()]),
        sequence("an unknown code before a question", CHANGE, 502, move |target| vec![unknown(), ask(target)]),
        sequence("questions about two streams", READ_BOTH, 200, |target| vec![ask(target), ask_ledger(target)]),
        sequence("questions about two streams, the other first", READ_BOTH, 200, |target| {
            vec![ask_ledger(target), ask(target)]
        }),
        sequence("a seal beside a question about another stream", CHANGE_AND_READ, 200, |target| {
            vec![seal(target), ask_ledger(target)]
        }),
        seal_by_way_of_another_stream(),
    ]
}

/// That the caller may change the stream of the parameters does not matter: the message names another.
fn seal_by_way_of_another_stream() -> Case {
    let case =
        Case::new("PUT SealSegment, parameters of another stream", CHANGE, Found::Segment, 200, |gateway, target| {
            put(gateway, "/v1/events?scope=office&stream=ledger&segment=0.%23epoch.0", &seal(target))
        });
    case.may_need(&[(Resource::Ledger, Right::Read)])
}

/// What is merged is deleted, so the source counts as the target does.
fn merges() -> Vec<Case> {
    let cases = [
        merge_of_two("MergeSegments from another stream", |target| merge(target, &target.name(), &ledger(target))),
        merge_of_two("MergeSegments into another stream", |target| {
            merge(target, &ledger(target), target.source().as_str())
        }),
        merge_of_two("MergeSegmentsBatch from another stream", |target| {
            merge_batch(target, &target.name(), &[target.source().as_str(), &ledger(target)])
        }),
        merge_of_two("MergeSegmentsBatch from another stream first", |target| {
            merge_batch(target, &target.name(), &[&ledger(target), target.source().as_str()])
        }),
        merge_of_two("MergeSegmentsBatch into another stream", |target| {
            merge_batch(target, &ledger(target), &[target.source().as_str()])
        }),
    ];
    cases.into_iter().flatten().map(Case::answered_by_the_store).collect()
}

fn merge_of_two(name: &str, message: fn(&Target) -> WireCommand) -> [Case; 2] {
    let raw = Case::new(format!("PUT {name}"), CHANGE_BOTH, Found::Mergeable, 200, move |gateway, target| {
        put(gateway, "/v1/events", &message(target).frame())
    });
    let by_fields = Case::new(format!("POST {name}"), CHANGE_BOTH, Found::Mergeable, 200, move |gateway, target| {
        let message = message(target);
        let path = format!("/v1/wire/{}", message.command_type().info().name);
        let request = gateway.post(&path).header("Content-Type", "application/json");
        request.body(Value::Object(message.to_fields()).to_string())
    });
    [raw, by_fields]
}

/// A segment of the other stream, which there is not.
fn ledger(target: &Target) -> String {
    format!("office/ledger/{}", target.short_name())
}

/// A way to name a segment that is none of a stream's, to commands whose tokens the store does not check.
pub(super) fn oddly_named() -> Vec<Case> {
    let of_ledger = ["office/ledger/odd", "office/ledger/0.#epoch.0#odd"].map(|name| (name, CHANGE_LEDGER));
    let of_no_stream = ["office/ledger", "ledger"].map(|name| (name, CHANGE_NOWHERE));
    let names = of_ledger.into_iter().chain(of_no_stream);
    names.flat_map(|(name, needs)| [delete_odd(name, needs), create_odd(name, needs)]).collect()
}

fn delete_odd(name: &'static str, needs: Needs) -> Case {
    odd(format!("PUT DeleteSegment {name}"), needs, move |target| {
        let segment = Segment(java(name));
        frame(DeleteSegment { request_id: RequestId(1), segment, delegation_token: token(target) })
    })
}

fn create_odd(name: &'static str, needs: Needs) -> Case {
    odd(format!("PUT CreateTransientSegment {name}"), needs, move |target| {
        let (request_id, parent_segment) = (RequestId(1), Segment(java(name)));
        let (writer_id, delegation_token) = (target.writer, token(target));
        frame(CreateTransientSegment { request_id, writer_id, parent_segment, delegation_token })
    })
}

/// The parameters say where it goes, to those who may use what they name.
fn odd(name: String, needs: Needs, message: impl Fn(&Target) -> Frame + 'static) -> Case {
    let path = format!("/v1/events?{ORDERS}");
    let case =
        Case::new(name, needs, Found::Segment, 200, move |gateway, target| put(gateway, &path, &message(target)));
    case.answered_by_the_store().may_need(CHANGE)
}

fn sequence(name: &str, needs: Needs, status: u16, frames: impl Fn(&Target) -> Vec<Frame> + 'static) -> Case {
    Case::new(format!("PUT a sequence: {name}"), needs, Found::Segment, status, move |gateway, target| {
        let body: Vec<u8> = frames(target).iter().flat_map(|frame| frame.to_bytes()).collect();
        let request =
            gateway.put(&format!("/v1/events?{ORDERS}")).header("Content-Type", "application/vnd.pravega.wire");
        request.body(body)
    })
}

pub(super) fn put(gateway: &Gateway, path: &str, frame: &Frame) -> reqwest::RequestBuilder {
    let request = gateway.put(path).header("Message-Type", frame.code).header("Message-Length", frame.payload.len());
    request.body(frame.payload.clone())
}

fn java(text: &str) -> JavaStr {
    JavaStr::new(text).expect("a short name")
}

fn token(target: &Target) -> DelegationToken {
    target.token.clone()
}

pub(super) fn set_up(target: &Target) -> Frame {
    let (segment, delegation_token) = (target.segment(), token(target));
    frame(SetupAppend { request_id: RequestId(1), writer_id: target.writer, segment, delegation_token })
}

fn block(target: &Target) -> Frame {
    frame(AppendBlock { writer_id: target.writer, data: Raw(framed(b"one").into()) })
}

fn end(target: &Target) -> Frame {
    let whole = framed(b"one").len();
    frame(AppendBlockEnd {
        writer_id: target.writer,
        size_of_whole_events: i32::try_from(whole).expect("a few bytes"),
        data: Data::default(),
        num_events: 1,
        last_event_number: EventNumber(1),
        request_id: RequestId(2),
    })
}

fn conditional(target: &Target) -> Frame {
    frame(ConditionalAppend {
        writer_id: target.writer,
        event_number: EventNumber(1),
        expected_offset: Offset(target.tail),
        event: EventFrame("one".into()),
        request_id: RequestId(2),
    })
}

fn conditional_block(target: &Target) -> Frame {
    frame(ConditionalBlockEnd {
        writer_id: target.writer,
        event_number: EventNumber(1),
        expected_offset: Offset(target.tail),
        data: Data(Buf(framed(b"one").into())),
        request_id: RequestId(2),
    })
}

fn ask(target: &Target) -> Frame {
    ask_about(target, target.segment())
}

fn ask_ledger(target: &Target) -> Frame {
    ask_about(target, Segment(java(LEDGER)))
}

fn ask_about(target: &Target, segment_name: Segment) -> Frame {
    frame(GetStreamSegmentInfo { request_id: RequestId(3), segment_name, delegation_token: token(target) })
}

fn seal(target: &Target) -> Frame {
    frame(SealSegment { request_id: RequestId(4), segment: target.segment(), delegation_token: token(target) })
}

fn keep_alive() -> Frame {
    frame(KeepAlive {})
}

fn merge(message: &Target, target: &str, source: &str) -> WireCommand {
    MergeSegments {
        request_id: RequestId(5),
        target: Segment(java(target)),
        source: java(source),
        delegation_token: token(message),
        attribute_updates: Vec::new(),
    }
    .into()
}

fn merge_batch(message: &Target, target: &str, sources: &[&str]) -> WireCommand {
    MergeSegmentsBatch {
        request_id: RequestId(5),
        target_segment_id: Segment(java(target)),
        source_segment_ids: sources.iter().map(|source| java(source)).collect(),
        delegation_token: token(message),
    }
    .into()
}

fn frame(command: impl Into<WireCommand>) -> Frame {
    command.into().frame()
}
