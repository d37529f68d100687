//! Finds the two fields that the gateway reads in a message which it passes through.

use std::ops::Range;

use bytes::Bytes;

use super::error::DecodeError;
use super::field::WireField;
use super::info::{CommandInfo, Role};
use super::input::Input;
use super::string::JavaStr;
use super::table::CommandType;

/// Where segment and token lie in a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Full name of the segment that decides which store takes the message.
    pub segment: Option<JavaStr>,
    /// Bytes of the token, its length included.
    pub token: Option<Range<usize>>,
}

impl Places {
    /// Whether the message shows no token although it has a place for one.
    pub fn has_empty_token(&self) -> bool {
        self.token.as_ref().is_some_and(|token| token.len() == JavaStr::MIN_LEN)
    }
}

/// Finds segment and token in a payload, reading no further than both.
///
/// # Errors
/// [`DecodeError`] where a field up to them is cut off or malformed.
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
            if F::ROLE == Role::Token {
                self.places.token = Some(at..self.input.position());
            }
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

    #[test]
    fn segment_and_token_are_found_where_the_table_puts_them() {
        let read = ReadSegment {
            segment: Segment(text("s/t/0.#epoch.0")),
            offset: Offset(0),
            suggested_length: 8,
            delegation_token: DelegationToken(text("abc")),
            request_id: RequestId(1),
        };
        let places = sniff(CommandType::ReadSegment, &read.payload()).expect("well formed");
        assert_eq!(places.segment, Some(text("s/t/0.#epoch.0")));
        assert_eq!(places.token, Some(28..33));
        assert!(!places.has_empty_token());
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
        assert!(places.has_empty_token());
    }
}
