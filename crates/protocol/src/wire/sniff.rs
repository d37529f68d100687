//! Finds the segment that routes a command, without decoding all of it.

use bytes::Bytes;

use super::error::DecodeError;
use super::field::WireField;
use super::info::{CommandInfo, Role};
use super::input::Input;
use super::string::JavaStr;
use super::table::CommandType;
use super::types::DelegationToken;

/// What [`sniff`] finds in a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Full name of the segment that decides which store takes the command.
    pub segment: Option<JavaStr>,
    /// Where the delegation token is.
    pub token: Option<TokenPlace>,
}

/// Where a delegation token lies in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenPlace {
    /// Bytes before it.
    pub at: usize,
    /// Bytes that it takes, those of its length included.
    pub len: usize,
}

impl TokenPlace {
    /// Whether the token is the empty one.
    pub fn is_empty(self) -> bool {
        self.len == DelegationToken::none().encoded_len()
    }
}

/// Finds the segment in a payload. Reads up to the segment and the delegation token, whichever comes last, so that
/// a command whose routing or permission is malformed is refused here; what follows is not read.
///
/// # Errors
/// [`DecodeError`] if a field up to them is cut off or malformed.
pub fn sniff(command: CommandType, payload: &Bytes) -> Result<Places, DecodeError> {
    command.sniff(payload)
}

pub(super) struct Sniffer {
    info: &'static CommandInfo,
    input: Input,
    wanted: usize,
    pub(super) places: Places,
}

impl Sniffer {
    pub(super) fn new(info: &'static CommandInfo, payload: &Bytes) -> Self {
        let wanted = info.fields.iter().filter(|field| is_wanted(field.role)).count();
        Self { info, input: Input::new(payload.clone()), wanted, places: Places::default() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.wanted == 0
    }

    pub(super) fn field<F: WireField>(&mut self, name: &'static str, optional: bool) -> Result<(), DecodeError> {
        if optional && self.input.left() < F::MIN_LEN {
            self.wanted = 0;
            return Ok(());
        }
        let at = self.input.position();
        let error = |problem| DecodeError { command: self.info.name, field: name, at, problem };
        if F::ROLE == Role::Segment {
            self.places.segment = Some(JavaStr::decode(&mut self.input).map_err(error)?);
        } else {
            F::decode(&mut self.input).map_err(error)?;
        }
        if F::ROLE == Role::Token {
            self.places.token = Some(TokenPlace { at, len: self.input.position() - at });
        }
        self.wanted -= usize::from(is_wanted(F::ROLE));
        Ok(())
    }
}

fn is_wanted(role: Role) -> bool {
    matches!(role, Role::Segment | Role::Token)
}

#[cfg(test)]
mod tests {
    use super::super::table::{Command, ReadSegment, UpdateTableEntries};
    use super::super::types::{DelegationToken, Offset, RequestId, Segment};
    use super::*;

    fn text(text: &str) -> JavaStr {
        JavaStr::new(text).expect("short")
    }

    fn read() -> ReadSegment {
        ReadSegment {
            segment: Segment(text("s/t/0.#epoch.0")),
            offset: Offset(0),
            suggested_length: 8,
            delegation_token: DelegationToken(text("abc")),
            request_id: RequestId(1),
        }
    }

    #[test]
    fn segment_is_found_where_the_table_puts_it() {
        let places = sniff(CommandType::ReadSegment, &read().payload()).expect("well formed");
        assert_eq!(places.segment, Some(text("s/t/0.#epoch.0")));
    }

    #[test]
    fn token_that_is_cut_off_is_named() {
        let error = sniff(CommandType::ReadSegment, &read().payload().slice(..32)).expect_err("a byte is missing");
        assert_eq!((error.field, error.at), ("delegationToken", 28));
        assert!(sniff(CommandType::ReadSegment, &read().payload().slice(..33)).is_ok());
    }

    #[test]
    fn command_without_a_segment_has_none() {
        assert_eq!(sniff(CommandType::KeepAlive, &Bytes::new()), Ok(Places::default()));
    }

    #[test]
    fn what_follows_the_token_is_not_read() {
        let update = UpdateTableEntries {
            request_id: RequestId(1),
            segment: Segment(text("s/t/0.#epoch.0")),
            delegation_token: DelegationToken::none(),
            table_entries: Default::default(),
            table_segment_offset: Offset(-1),
        };
        let mut payload = update.payload().to_vec();
        payload.truncate(8 + 16 + 2);
        payload.extend([0xff; 3]);
        let places = sniff(CommandType::UpdateTableEntries, &payload.into()).expect("good up to the token");
        assert_eq!(places.segment, Some(text("s/t/0.#epoch.0")));
    }
}
