//! What a caller must be allowed so that a message goes on its way, and the tokens that go with it.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use pravega_protocol::stream::{Scope, ScopedStream, SegmentName, StreamName};
use pravega_protocol::wire::{
    CommandType, DelegationToken, Frame, JavaStr, Level, MAX_PAYLOAD_TO_STORE, Places, WireCommand, WireField as _,
    sniff,
};

use crate::api::edge::header_limit::too_large;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::wire::route::{malformed, merged_sources};
use crate::app::App;
use crate::budget::Permit;
use crate::controller::{Access, Grant};
use crate::telemetry::labels::Limit;

/// Streams that the frames of one request name: for each a token is bought.
const MOST_STREAMS: usize = 64;

/// What a caller has shown to be allowed for a message: at least to read the stream by which its store is found.
#[derive(Debug)]
pub(crate) struct Rights {
    route: Grant,
    of_streams: HashMap<ScopedStream, Grant>,
}

/// What a frame asks for.
struct Demand {
    access: Access,
    /// Of every segment that it names.
    streams: Vec<ScopedStream>,
}

impl Rights {
    /// Shows that the caller may send every one of these frames to the store of `route`, whatever tokens they carry: each
    /// at its own level, on each stream that it names, or on the route's if it names none.
    ///
    /// # Errors
    /// `401`, `403`; what the controller says.
    pub(crate) async fn show(app: &App, route: &SegmentName, frames: &[Frame]) -> Result<Self, ApiError> {
        let route_grant = app.grant(&route.stream, Access::Read).await?;
        let mut rights = Self { route: route_grant, of_streams: HashMap::new() };
        if rights.route.is_open() {
            return Ok(rights);
        }
        let mut demands: HashMap<ScopedStream, Access> = HashMap::new();
        for frame in frames {
            let Some(Demand { access, streams }) = demand(frame, route)? else { continue };
            for stream in streams {
                let most = demands.entry(stream).or_insert(access);
                *most = if *most == Access::Read { access } else { *most };
            }
            if demands.len() > MOST_STREAMS {
                let detail = format!("a message names at most {MOST_STREAMS} streams");
                return Err(ApiError::new(ErrorCode::BodyInvalid, detail).member("limit", MOST_STREAMS));
            }
        }
        for (stream, access) in demands {
            let grant = app.grant(&stream, access).await?;
            rights.of_streams.insert(stream, grant);
        }
        Ok(rights)
    }

    /// The right to have the store of the route found.
    pub(crate) fn route(&self) -> &Grant {
        &self.route
    }

    /// A store did not take a token that may be one of these: others are bought for the next message.
    pub(crate) fn doubt_tokens(&self) {
        self.of_streams.values().for_each(Grant::doubt_token);
    }

    /// The caller's token for a segment, the empty one if no right to it was asked for.
    ///
    /// # Errors
    /// What the controller says.
    pub(crate) async fn token_for(&self, segment: &str) -> Result<DelegationToken, ApiError> {
        match stream_of(segment).and_then(|stream| self.of_streams.get(&stream)) {
            Some(grant) => Ok(grant.token().await?.shown()),
            None => Ok(DelegationToken::none()),
        }
    }

    /// Puts a token that was bought for the caller into every frame whose token is empty. Others stay as they are. `permit`
    /// grows by the copies.
    ///
    /// # Errors
    /// `413` if a frame has no room for it, `503` or `429` if the budget has none; what the controller says.
    pub(crate) async fn fill_in(&self, frames: &mut [Frame], permit: &mut Permit) -> Result<(), ApiError> {
        for frame in frames {
            let Some(Ok(Places { segment: Some(segment), token: Some(token) })) =
                CommandType::from_code(frame.code).map(|command| sniff(command, &frame.payload))
            else {
                continue;
            };
            if token.is_empty() && !self.route.is_open() {
                let bought = self.token_for(&checked_segment(frame, segment)).await?;
                permit.grow_to(permit.bytes() + frame.payload.len() + bought.encoded_len()).await?;
                frame.payload = with_token(&frame.payload, token.at, &bought);
                let length = frame.payload.len();
                if length > MAX_PAYLOAD_TO_STORE {
                    let detail = format!(
                        "with a delegation token the message has {length} bytes of payload; the limit is \
                         {MAX_PAYLOAD_TO_STORE}"
                    );
                    return Err(too_large(Limit::RawMessage, detail).member("limit", MAX_PAYLOAD_TO_STORE));
                }
            }
        }
        Ok(())
    }
}

/// What a frame asks for; `None` for one that needs no right. One that the table does not know may do anything.
fn demand(frame: &Frame, route: &SegmentName) -> Result<Option<Demand>, ApiError> {
    let Some(command) = CommandType::from_code(frame.code) else {
        return Ok(Some(Demand { access: Access::ReadWrite, streams: vec![route.stream.clone()] }));
    };
    let access = match command.info().level {
        Level::None => return Ok(None),
        Level::Read => Access::Read,
        Level::Write | Level::Admin => Access::ReadWrite,
    };
    let mut streams = Vec::new();
    for segment in named_segments(command, frame)? {
        streams.push(stream_of(&segment).ok_or_else(|| no_one_s(&segment))?);
    }
    if streams.is_empty() {
        streams.push(route.stream.clone());
    }
    Ok(Some(Demand { access, streams }))
}

/// The segments that a frame is about, those that are merged into another one included.
fn named_segments(command: CommandType, frame: &Frame) -> Result<Vec<String>, ApiError> {
    let places = sniff(command, &frame.payload).map_err(|error| malformed(&error))?;
    let mut named: Vec<_> = places.segment.iter().map(|segment| segment.as_str().to_owned()).collect();
    named.extend(merged_sources(frame)?);
    Ok(named)
}

/// The segment for which a store checks the token, given the one that routes the command. Source:
/// PravegaRequestProcessor.java, `mergeSegments`.
fn checked_segment(frame: &Frame, route: JavaStr) -> String {
    match frame.to_command() {
        Ok((WireCommand::MergeSegments(merge), _)) => merge.source.as_str().to_owned(),
        _ => route.as_str().to_owned(),
    }
}

/// The stream, or table, whose rights decide about a segment: the first two parts of its name, as for the store.
/// Source: DelegationTokenVerifier's match of resources, TokenVerifierImpl.java.
fn stream_of(segment: &str) -> Option<ScopedStream> {
    let mut parts = segment.split('/');
    let (scope, stream, _segment) = (parts.next()?, parts.next()?, parts.next()?);
    Some(ScopedStream::new(Scope::new(scope).ok()?, StreamName::of_segment(stream).ok()?))
}

fn no_one_s(segment: &str) -> ApiError {
    let detail = format!("segment {segment:?} is of no stream, so that no caller can be shown to have a right to it");
    ApiError::new(ErrorCode::Forbidden, detail)
}

/// The payload with another token in the place of the empty one.
fn with_token(payload: &Bytes, at: usize, token: &DelegationToken) -> Bytes {
    let empty = DelegationToken::none().encoded_len();
    let mut filled = BytesMut::with_capacity(payload.len() + token.encoded_len());
    filled.extend_from_slice(&payload[..at]);
    token.encode(&mut filled);
    filled.extend_from_slice(&payload[at + empty..]);
    filled.freeze()
}

#[cfg(test)]
mod tests {
    use pravega_protocol::wire::{MergeSegments, RequestId, SealSegment, Segment};

    use super::*;

    fn seal(segment: &str, token: &str) -> Frame {
        let [segment, token] = [segment, token].map(|text| JavaStr::new(text).expect("short"));
        let delegation_token = DelegationToken(token);
        WireCommand::from(SealSegment { request_id: RequestId(7), segment: Segment(segment), delegation_token }).frame()
    }

    fn route() -> SegmentName {
        "sc/route/0.#epoch.0".parse().expect("a name")
    }

    fn demanded(frame: &Frame) -> Vec<String> {
        let demand = demand(frame, &route()).expect("streams").expect("a right");
        assert_eq!(demand.access, Access::ReadWrite);
        demand.streams.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_segment_that_is_named_counts() {
        assert_eq!(demanded(&seal("sc/st/0.#epoch.0", "")), ["sc/st"]);
        assert_eq!(demanded(&seal("sc/st/0.#epoch.0#transaction.1", "")), ["sc/st"]);
        assert_eq!(demanded(&Frame { code: 4711, payload: Bytes::new() }), ["sc/route"]);
        let [target, source] =
            ["sc/one/0.#epoch.0", "sc/other/0.#epoch.0"].map(|name| JavaStr::new(name).expect("short"));
        let merge = MergeSegments {
            request_id: RequestId(7),
            target: Segment(target),
            source,
            delegation_token: DelegationToken::none(),
            attribute_updates: Vec::new(),
        };
        let merge = WireCommand::from(merge).frame();
        assert_eq!(demanded(&merge), ["sc/one", "sc/other"]);
        let target = JavaStr::new("sc/one/0.#epoch.0").expect("short");
        assert_eq!(checked_segment(&merge, target), "sc/other/0.#epoch.0", "whose token a store wants to see");
    }

    #[test]
    fn segment_of_no_stream_is_no_one_s() {
        for name in ["0.#epoch.0", "st/0", "", "a b/st/0"] {
            let refused = demand(&seal(name, ""), &route()).err().expect("no stream");
            assert_eq!(refused.code(), ErrorCode::Forbidden, "{name}");
        }
    }

    #[test]
    fn token_takes_the_place_of_the_empty_one() {
        let empty = seal("sc/st/0", "");
        let places = sniff(CommandType::SealSegment, &empty.payload).expect("well formed");
        let token = places.token.expect("it has one");
        assert!(token.is_empty());
        let filled = with_token(&empty.payload, token.at, &DelegationToken(JavaStr::new("bought").expect("short")));
        assert_eq!(filled, seal("sc/st/0", "bought").payload);
    }
}
