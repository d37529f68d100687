//! The macro that turns the table of commands into types.
//!
//! ```text
//! Request Write SetupAppend = 1 "SETUP_APPEND" -> AppendSetup { request_id "requestId": RequestId, … }
//!    │      │        │        │        │             │            └ fields in wire order
//!    │      │        │        │        │             └ replies that mean success
//!    └──────┴────────┴────────┴────────┴ CommandInfo of CommandType::SetupAppend
//!                    └ struct SetupAppend: Command, and WireCommand::SetupAppend(SetupAppend)
//! ```

/// Lays commands out: direction, name, code, type name, level, replies, then the fields in wire order.
///
/// A field is `rust_name "javaName": Type`; `= value` after it makes it an optional tail, which has that value if an
/// older peer leaves it out.
macro_rules! wire_commands {
    ($(
        $(#[doc = $doc:literal])+
        $direction:ident $level:ident $name:ident = $code:literal $type_name:literal $(-> $($reply:ident)|+)? {
            $($(#[doc = $field_doc:literal])* $field:ident $json:literal : $ty:ty $(= $absent:expr)?),* $(,)?
        }
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name {
                $(
                    $(#[doc = $field_doc])*
                    #[doc = concat!("`", $json, "`")]
                    pub $field: $ty,
                )*
            }

            impl Command for $name {
                const TYPE: CommandType = CommandType::$name;

                fn payload_len(&self) -> usize {
                    0 $(+ self.$field.encoded_len())*
                }

                #[allow(unused_variables, reason = "commands without fields")]
                fn encode_payload(&self, out: &mut BytesMut) {
                    $(self.$field.encode(out);)*
                }

                #[allow(unused_variables, unused_mut, reason = "commands without fields")]
                fn decode_payload(payload: Bytes) -> Result<(Self, usize), DecodeError> {
                    let mut input = Input::new(payload);
                    $(
                        let at = input.position();
                        let $field = wire_commands!(@decode input $ty $(, $absent)?).map_err(|problem| DecodeError {
                            command: stringify!($name), field: $json, at, problem,
                        })?;
                    )*
                    Ok((Self { $($field),* }, input.left()))
                }

                fn request_id(&self) -> Option<RequestId> {
                    None $(.or_else(|| self.$field.as_request_id()))*
                }

                #[allow(unused_mut, reason = "commands without fields")]
                fn to_fields(&self) -> Map<String, Value> {
                    let mut fields = Map::new();
                    $(self.$field.put_members($json, &mut fields);)*
                    fields
                }

                #[allow(unused_mut, reason = "commands without fields")]
                fn from_fields(mut fields: Map<String, Value>) -> Result<Self, JsonError> {
                    let problem = |field: &str, problem| JsonError {
                        command: stringify!($name), field: field.to_owned(), problem,
                    };
                    $(
                        let $field = match <$ty as WireField>::take_members($json, &mut fields) {
                            Ok(Some(value)) => value,
                            Ok(None) => wire_commands!(@absent problem($json, FieldProblem::Missing) $(, $absent)?),
                            Err(wrong) => return Err(problem($json, wrong)),
                        };
                    )*
                    match fields.keys().next() {
                        Some(unknown) => Err(problem(unknown, FieldProblem::Unknown)),
                        None => Ok(Self { $($field),* }),
                    }
                }
            }

            impl From<$name> for WireCommand {
                fn from(command: $name) -> Self {
                    Self::$name(command)
                }
            }
        )+

        /// Which command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CommandType {
            $($(#[doc = $doc])+ $name,)+
        }

        impl CommandType {
            /// Every command, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The command with this code in its frame header.
            pub fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The command with this name of Pravega's class or type, such as `SetupAppend` or `SETUP_APPEND`.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) | $type_name => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// What the table says about the command.
            pub fn info(self) -> &'static CommandInfo {
                match self {
                    $(Self::$name => {
                        const INFO: CommandInfo = CommandInfo {
                            command: CommandType::$name,
                            code: $code,
                            name: stringify!($name),
                            type_name: $type_name,
                            direction: Direction::$direction,
                            level: Level::$level,
                            replies: &[$($(CommandType::$reply),+)?],
                            fields: &[$(FieldInfo {
                                name: $json,
                                kind: <$ty as WireField>::KIND,
                                role: <$ty as WireField>::ROLE,
                                absent: wire_commands!(@info $($absent)?),
                            }),*],
                            doc: concat!($($doc, "\n"),+),
                        };
                        &INFO
                    })+
                }
            }

            /// Reads fields up to the segment and the token, whichever comes last.
            pub(super) fn sniff(self, payload: &Bytes) -> Result<Places, DecodeError> {
                match self {
                    $(Self::$name => {
                        #[allow(unused_mut, reason = "commands without fields")]
                        let mut sniffer = Sniffer::new(Self::$name.info(), payload);
                        $(
                            if !sniffer.is_done() {
                                sniffer.field::<$ty>($json, wire_commands!(@optional $($absent)?))?;
                            }
                        )*
                        Ok(sniffer.places)
                    })+
                }
            }
        }

        /// A decoded command.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum WireCommand {
            $($(#[doc = $doc])+ $name($name),)+
        }

        impl WireCommand {
            /// Which command.
            pub fn command_type(&self) -> CommandType {
                match self {
                    $(Self::$name(_) => CommandType::$name,)+
                }
            }

            /// Decodes a payload; also returns how many bytes after the last known field were skipped.
            ///
            /// # Errors
            /// [`DecodeError`] naming the field that is cut off or malformed.
            pub fn decode(command: CommandType, payload: Bytes) -> Result<(Self, usize), DecodeError> {
                match command {
                    $(CommandType::$name => {
                        $name::decode_payload(payload).map(|(command, left)| (Self::$name(command), left))
                    })+
                }
            }

            /// What matches a reply to its request; `None` for commands without one.
            pub fn request_id(&self) -> Option<RequestId> {
                match self {
                    $(Self::$name(command) => command.request_id(),)+
                }
            }

            /// The payload, without the frame's header.
            pub fn payload(&self) -> Bytes {
                match self {
                    $(Self::$name(command) => command.payload(),)+
                }
            }

            /// Appends the whole frame.
            pub fn encode_frame(&self, out: &mut BytesMut) {
                match self {
                    $(Self::$name(command) => command.encode_frame(out),)+
                }
            }

            /// The whole frame.
            pub fn frame(&self) -> Frame {
                Frame { code: self.command_type().info().code, payload: self.payload() }
            }

            /// The fields in JSON, under Pravega's names.
            pub fn to_fields(&self) -> Map<String, Value> {
                match self {
                    $(Self::$name(command) => command.to_fields(),)+
                }
            }

            /// Builds a command from its fields in JSON.
            ///
            /// # Errors
            /// [`JsonError`] naming the field that is missing, unknown or of the wrong kind.
            pub fn from_fields(command: CommandType, fields: Map<String, Value>) -> Result<Self, JsonError> {
                match command {
                    $(CommandType::$name => $name::from_fields(fields).map(Self::$name),)+
                }
            }
        }
    };

    (@decode $input:ident $ty:ty) => { <$ty as WireField>::decode(&mut $input) };
    (@decode $input:ident $ty:ty, $absent:expr) => { decode_tail::<$ty>(&mut $input, $absent) };
    (@absent $error:expr) => { return Err($error) };
    (@absent $error:expr, $absent:expr) => { $absent };
    (@info) => { Absent::Never };
    (@info $absent:expr) => { Absent::Means(stringify!($absent)) };
    (@optional) => { false };
    (@optional $absent:expr) => { true };
}

pub(crate) use wire_commands;
