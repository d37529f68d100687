//! A frame as one JSON object, in the form of the golden vectors.

use serde_json::{Map, Value, json};

use super::error::{DecodeError, FieldProblem, JsonError};
use super::frame::Frame;
use super::table::{CommandType, WireCommand};

/// A decoded command as `{"type", "code", "name", "fields"}`.
pub fn command_to_json(command: &WireCommand) -> Value {
    let info = command.command_type().info();
    json!({ "type": info.type_name, "code": info.code, "name": info.name, "fields": command.to_fields() })
}

/// Builds a command from `{"name" | "type" | "code", "fields"}`; other members are ignored.
///
/// # Errors
/// [`JsonError`] if the members name no command, disagree with each other, or the fields are not those of the command.
pub fn command_from_json(document: &Value) -> Result<WireCommand, JsonError> {
    let members = document.as_object().ok_or_else(|| wrong("line", "a JSON object", document))?;
    let command = named_command(members)?;
    let fields = match members.get("fields") {
        Some(Value::Object(fields)) => fields.clone(),
        Some(other) => return Err(wrong("fields", "an object", other)),
        None => Map::new(),
    };
    WireCommand::from_fields(command, fields)
}

fn named_command(members: &Map<String, Value>) -> Result<CommandType, JsonError> {
    let by_name = |value: &Value| value.as_str().and_then(CommandType::from_name);
    let by_code = |value: &Value| value.as_i64().and_then(|code| CommandType::from_code(i32::try_from(code).ok()?));
    let mut named = None;
    for (member, value) in ["name", "type", "code"].into_iter().filter_map(|key| Some((key, members.get(key)?))) {
        let found = if member == "code" { by_code(value) } else { by_name(value) };
        let found = found.ok_or_else(|| wrong(member, "a known command", value))?;
        if named.is_some_and(|earlier| earlier != found) {
            return Err(wrong(member, "the same command as the members before it", value));
        }
        named = Some(found);
    }
    named.ok_or_else(|| JsonError { command: "", field: "name".to_owned(), problem: FieldProblem::Missing })
}

fn wrong(field: &str, expected: &'static str, found: &Value) -> JsonError {
    JsonError { command: "", field: field.to_owned(), problem: FieldProblem::wrong_json(expected, found) }
}

/// Why a frame cannot be decoded by its code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShowError {
    /// The table has no such code.
    #[error("unknown command type {0}")]
    UnknownType(i32),
    /// The payload does not match the layout.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Frame {
    /// Decodes the payload by the frame's code; also returns how many bytes after the last known field were skipped.
    ///
    /// # Errors
    /// [`ShowError`] for an unknown code or a malformed payload.
    pub fn to_command(&self) -> Result<(WireCommand, usize), ShowError> {
        let command = CommandType::from_code(self.code).ok_or(ShowError::UnknownType(self.code))?;
        Ok(WireCommand::decode(command, self.payload.clone())?)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn unknown_code_is_named() {
        let error = Frame { code: 999, payload: Bytes::new() }.to_command().expect_err("no such command");
        assert_eq!(error.to_string(), "unknown command type 999");
    }

    #[test]
    fn members_that_disagree_are_refused() {
        let error = command_from_json(&json!({ "name": "KeepAlive", "code": 28 })).expect_err("two commands");
        assert_eq!(error.to_string(), "field code should be the same command as the members before it, found 28");
    }

    #[test]
    fn fields_of_another_kind_are_refused() {
        let error = command_from_json(&json!({ "name": "KeepAlive", "fields": [] })).expect_err("a list");
        assert_eq!(error.field, "fields");
        assert!(command_from_json(&json!([])).is_err());
    }
}
