//! Codes that tell kinds of failure apart.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use super::error::FieldProblem;
use super::field::{WireField, member};
use super::info::Kind;
use super::input::Input;

/// A code with a name that peers of other versions may not know.
macro_rules! error_code {
    ($(#[$doc:meta])+ $ty:ident { $($code:literal => $name:literal,)+ }) => {
        $(#[$doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $ty(pub i32);

        impl $ty {
            /// Pravega's name of the code; `UNKNOWN` for one that this version does not know.
            pub fn name(self) -> &'static str {
                match self.0 {
                    $($code => $name,)+
                    _ => "UNKNOWN",
                }
            }
        }

        impl WireField for $ty {
            const KIND: Kind = Kind::ErrorCode;
            const MIN_LEN: usize = 4;

            fn encoded_len(&self) -> usize {
                4
            }

            fn encode(&self, out: &mut BytesMut) {
                out.put_i32(self.0);
            }

            fn decode(input: &mut Input) -> Result<Self, FieldProblem> {
                input.i32().map(Self)
            }

            fn to_json(&self) -> Value {
                json!({ "name": self.name(), "code": self.0 })
            }

            fn from_json(value: &Value) -> Result<Self, FieldProblem> {
                member(value, "code").map(Self)
            }
        }
    };
}

error_code! {
    /// Why a delegation token was refused. Source: WireCommands.java, `AuthTokenCheckFailed.ErrorCode`.
    AuthErrorCode {
        -1 => "UNSPECIFIED",
        0 => "TOKEN_CHECK_FAILED",
        1 => "TOKEN_EXPIRED",
    }
}

impl AuthErrorCode {
    /// The token is invalid, or does not grant what the command needs.
    pub const TOKEN_CHECK_FAILED: Self = Self(0);
    /// The token has expired; a new one may be accepted.
    pub const TOKEN_EXPIRED: Self = Self(1);
}

error_code! {
    /// What kind of failure an `ErrorMessage` reports. Source: WireCommands.java, `ErrorMessage.ErrorCode`.
    ServerErrorCode {
        -1 => "UNSPECIFIED",
        0 => "ILLEGAL_ARGUMENT_EXCEPTION",
    }
}

impl ServerErrorCode {
    /// The request is at fault.
    pub const ILLEGAL_ARGUMENT: Self = Self(0);
}
