//! Labels of the metrics: closed sets, never values that callers choose.

use std::fmt::Write;
use std::hash::{Hash, Hasher};

use axum::extract::MatchedPath;
use pravega_protocol::wire::CommandType;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

/// Labels of answered requests.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route, as the router knows it.
    pub route: Route,
    /// The method.
    pub method: Method,
    /// The status; 499 when the caller hung up before there was one.
    pub status: u16,
    /// The error code of a problem, else empty.
    pub code: &'static str,
}

/// The route as the only label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// The route, as the router knows it.
    pub route: Route,
}

/// Labels of sessions with segment stores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SessionLabels {
    /// What it is for.
    pub kind: SessionKind,
}

/// Labels of requests to a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StoreRequestLabels {
    /// The command's name, from the table of commands.
    pub command: &'static str,
    /// How it ended.
    pub outcome: RequestOutcome,
}

/// Labels of failures of segment stores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StoreErrorLabels {
    /// What went wrong.
    pub error: StoreError,
}

/// The limit as the only label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    /// The limit.
    pub limit: Limit,
}

/// Labels of refused requests for bytes of the budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// Why the bytes were refused.
    pub reason: Refusal,
}

/// Labels of requests to the controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerRequestLabels {
    /// The call's name, from the controller's interface.
    pub call: &'static str,
    /// How it ended.
    pub outcome: RequestOutcome,
}

/// What went wrong with a segment store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreError {
    /// It refused the request with this reply.
    Reply(CommandType),
    /// The connection was lost before the answer.
    Lost,
    /// Neither connection nor answer came in time.
    TimedOut,
    /// No connection could be opened.
    Refused,
    /// The TLS handshake failed.
    Tls,
    /// Its reply could not be decoded.
    Undecodable,
}

impl EncodeLabelValue for StoreError {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Reply(command) => command.info().name,
            Self::Lost => "lost",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::Undecodable => "undecodable",
        })
    }
}

macro_rules! label_values {
    ($( $(#[$meta:meta])* pub enum $name:ident { $( $(#[$doc:meta])* $variant:ident = $text:literal, )* } )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$doc])* $variant, )*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),*];

            /// The label's value.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $text, )*
                }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
                encoder.write_str(self.as_str())
            }
        }
    )*};
}

label_values! {
    /// What a session with a segment store is for.
    pub enum SessionKind {
        /// Shared, appends.
        Append = "append",
        /// Shared, reads.
        Read = "read",
        /// Leased to one raw request.
        Exclusive = "exclusive",
    }

    /// How a request to Pravega ended.
    pub enum RequestOutcome {
        /// With the expected reply.
        Ok = "ok",
        /// With a reply that refuses it.
        Refused = "refused",
        /// Without a reply: the connection was lost, or there was none.
        Lost = "lost",
        /// Without a reply in time.
        TimedOut = "timed_out",
    }

    /// A limit, by the setting that holds it.
    pub enum Limit {
        /// One event, one line, one item of a batch.
        Event = "append.max-event",
        /// The body of a request by fields.
        JsonDocument = "limits.json-document",
        /// A raw message.
        RawMessage = "limits.raw-message",
        /// A sequence of raw messages.
        RawSequence = "limits.raw-sequence",
        /// Bytes of all requests together.
        BytesInFlight = "limits.bytes-in-flight",
        /// Bytes of one caller's requests together.
        CallerShare = "limits.caller-share",
        /// Connections at once.
        Connections = "limits.connections",
        /// Bytes of a head.
        Headers = "limits.headers",
        /// Time for a head.
        HeaderTimeout = "limits.header-timeout",
        /// Time of a connection without a request.
        Idle = "limits.idle",
        /// Silence inside a body.
        BodyIdle = "limits.body-idle",
        /// Requests at once on one HTTP/2 connection.
        Http2Streams = "limits.http2-streams",
        /// An event that a page holds.
        BufferedEvent = "read.max-event",
        /// Events of a page.
        PageEvents = "read.page-events",
        /// Bytes of a page.
        PageBytes = "read.page-bytes",
    }

    /// Why bytes were refused.
    pub enum Refusal {
        /// Other requests held the bytes for too long.
        Exhausted = "exhausted",
        /// The caller's other requests held its share for too long.
        OverShare = "over_share",
        /// The request asks for more than the whole budget.
        TooLarge = "too_large",
    }

    /// A request's method.
    pub enum Method {
        /// DELETE
        Delete = "DELETE",
        /// GET
        Get = "GET",
        /// HEAD
        Head = "HEAD",
        /// OPTIONS
        Options = "OPTIONS",
        /// PATCH
        Patch = "PATCH",
        /// POST
        Post = "POST",
        /// PUT
        Put = "PUT",
        /// Any other; callers may make up names.
        Other = "other",
    }
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        match *method {
            http::Method::DELETE => Self::Delete,
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::OPTIONS => Self::Options,
            http::Method::PATCH => Self::Patch,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            _ => Self::Other,
        }
    }
}

/// A route as it stands in the router, or none. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Route(pub Option<MatchedPath>);

impl Route {
    /// The route's text; `none` where no route matched.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("none", MatchedPath::as_str)
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn limits_are_named_by_their_settings() {
        let keys: Vec<_> = Config::default().entries().into_iter().map(|(key, _)| key).collect();
        for limit in Limit::ALL {
            assert!(keys.iter().any(|key| key == limit.as_str()), "{} is no setting", limit.as_str());
        }
    }
}
