//! What a connection says, apart from its socket.

use std::sync::Arc;

use pravega_protocol::wire::{
    AppendSetup, CommandType, CreateTransientSegment, ErrorMessage, EventNumber, Frame, Hello, JavaStr, KeepAlive,
    OLDEST_COMPATIBLE_VERSION, ReadSegment, RequestId, Segment, ServerErrorCode, SetupAppend, UpdateTableEntries,
    WIRE_VERSION, WireCommand,
};
use tokio::time::Instant;

use super::StoreContext;
use super::close_reason::CloseReason;
use super::command_result::{CommandResult, Rejection, RequestContext, text};
use super::reads::{Awaited, Read, ReadAnswer, WaitingReads, fetch, in_memory};
use super::replies::Replies;
use super::room::{Deferred, Needs, named_by};
use super::segments::token_refused;
use super::writers::Writers;
use crate::node::{NoRoom, Purpose, Room, Undurable};
use crate::users::{Permission, TokenError};

/// Most reads of one connection that may wait; further ones are answered at once, with no bytes.
const MAX_WAITING_READS: usize = 4096;

/// Most reads of one connection that wait for the log.
const MAX_FETCHING_READS: usize = 8;

/// Transient segments above which those that are gone are forgotten.
const MAX_TRANSIENTS: usize = 100;

/// What a connection has to do next.
#[derive(Debug)]
pub(super) enum Next {
    /// Hear the next command.
    Hear,
    /// Wait for room, and hear nothing before.
    WaitForRoom(Deferred),
    /// Write what is due, and end.
    Close(CloseReason),
}

impl Next {
    pub(super) fn close(why: &'static str) -> Self {
        Self::Close(CloseReason(why))
    }
}

/// One client's commands and their replies.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) context: Arc<StoreContext>,
    pub(super) writers: Writers,
    /// Reads that have no reply yet.
    pub(super) waiting: WaitingReads,
    /// Replies that are due.
    pub(super) replies: Replies,
    expiry: Option<Instant>,
    /// Reads that wait for the log.
    fetching: usize,
    /// Transient segments that were made here, and may be gone since.
    transients: Vec<Segment>,
}

impl Conversation {
    pub(super) fn new(context: Arc<StoreContext>) -> Self {
        Self {
            context,
            writers: Writers::default(),
            waiting: WaitingReads::new(),
            replies: Replies::default(),
            expiry: None,
            fetching: 0,
            transients: Vec::new(),
        }
    }

    /// When the first token expires with which a writer was set up; the connection then ends.
    pub(super) fn expiry(&self) -> Option<Instant> {
        self.expiry
    }

    /// Handles one command.
    pub(super) fn hear(&mut self, frame: Frame) -> Next {
        match CommandType::from_code(frame.code) {
            None | Some(CommandType::LocateOffset) => Next::close("a type of command that this version does not know"),
            // whatever it is filled with
            Some(CommandType::Padding) => closing(self.writers.expect_no_block()),
            Some(command) => match WireCommand::decode(command, frame.payload) {
                Ok((command, _)) => self.handle(command),
                Err(error) => {
                    tracing::debug!(%error, "undecodable command");
                    Next::close("a command that can't be decoded")
                }
            },
        }
    }

    fn handle(&mut self, command: WireCommand) -> Next {
        match command {
            WireCommand::Hello(hello) => self.hello(&hello),
            WireCommand::KeepAlive(_) => {
                self.replies.push_at_once(&KeepAlive {}.into());
                Next::Hear
            }
            WireCommand::SetupAppend(command) => {
                let result = self.set_up(command);
                self.push_result(result)
            }
            WireCommand::AppendBlock(block) => closing(self.writers.begin(block)),
            WireCommand::AppendBlockEnd(end) => {
                let append = self.writers.end(end);
                self.try_append(append)
            }
            WireCommand::ConditionalAppend(append) => {
                let append = self.writers.conditional(append);
                self.try_append(append)
            }
            WireCommand::ConditionalBlockEnd(block) => {
                let append = self.writers.conditional_block(block);
                self.try_append(append)
            }
            WireCommand::ReadSegment(command) => self.read(command),
            WireCommand::UpdateTableEntries(command) => self.update_table(command, None),
            command => match Needs::of(&command) {
                Some(needs) => self.try_change(command, needs),
                None => {
                    let result = self.context.answer(command);
                    self.push_result(result)
                }
            },
        }
    }

    fn try_change(&mut self, command: WireCommand, needs: Needs) -> Next {
        match needs.try_room(&self.context.node) {
            Some(room) => self.change(command, room),
            None => Next::WaitForRoom(Deferred::Change(Box::new(command), needs)),
        }
    }

    fn change(&mut self, command: WireCommand, room: Room) -> Next {
        let result = match command {
            WireCommand::CreateTransientSegment(command) => self.create_transient(command, room),
            command => self.context.change(command, room),
        };
        self.push_result(result)
    }

    fn push_result(&mut self, result: CommandResult) -> Next {
        match result {
            Ok(reply) => {
                self.push(reply);
                Next::Hear
            }
            Err(Rejection::Reply(reply)) => {
                self.replies.push(Undurable::known(*reply));
                Next::Hear
            }
            Err(Rejection::Close(why)) => Next::Close(why),
        }
    }

    /// Adds a reply, or an error in its place if the log has ended before it.
    fn push(&mut self, reply: Undurable<WireCommand>) {
        let reply = match self.context.node.lost(&reply) {
            None => reply,
            Some(why) => {
                let request_id = reply.value().request_id().unwrap_or(RequestId(-1));
                Undurable::known(failed(request_id, &Segment(JavaStr::default()), text(&why.to_string())))
            }
        };
        self.replies.push(reply);
    }

    fn hello(&mut self, hello: &Hello) -> Next {
        let ours = Hello { high_version: WIRE_VERSION, low_version: OLDEST_COMPATIBLE_VERSION };
        self.replies.push(Undurable::known(ours.into()));
        if hello.low_version > WIRE_VERSION || hello.high_version < OLDEST_COMPATIBLE_VERSION {
            self.drop_transients();
            Next::close("a client of another protocol version")
        } else {
            Next::Hear
        }
    }

    fn set_up(&mut self, command: SetupAppend) -> CommandResult {
        let SetupAppend { request_id, writer_id, segment, delegation_token } = command;
        self.writers.expect_no_block().map_err(Rejection::Close)?;
        let expiry = match self.context.check(&delegation_token, &segment, Permission::ReadUpdate) {
            Ok(expiry) => expiry,
            Err(TokenError::Expired) => return Err(Rejection::close("a writer's token has expired")),
            Err(refused) => {
                self.writers.set_up(writer_id, &segment, None).map_err(Rejection::Close)?;
                return Err(Rejection::with_reply(token_refused(request_id, refused)));
            }
        };
        let seen = self.context.look_at(&segment, |stored| stored.attribute(writer_id.0));
        let number = seen.value().as_ref().ok().copied();
        self.writers.set_up(writer_id, &segment, number).map_err(Rejection::Close)?;
        if number.is_some() {
            self.expiry = self.expiry.into_iter().chain(expiry).min();
        }
        RequestContext::new(request_id, &segment).respond(seen, |number| {
            AppendSetup { request_id, segment, writer_id, last_event_number: EventNumber(number) }.into()
        })
    }

    fn update_table(&mut self, command: UpdateTableEntries, room: Option<Room>) -> Next {
        match self.context.update_table(&command, room) {
            Some(result) => self.push_result(result),
            None => Next::WaitForRoom(Deferred::Table(command)),
        }
    }

    /// There is room for what waited for it.
    pub(super) fn go_on(&mut self, deferred: Deferred, room: Room) -> Next {
        match deferred {
            Deferred::Append(append) => self.append(append, Some(room)),
            Deferred::Table(command) => self.update_table(command, Some(room)),
            Deferred::Change(command, _) => self.change(*command, room),
        }
    }

    /// Refuses what found no room.
    pub(super) fn refuse(&mut self, deferred: &Deferred, why: &NoRoom) -> Next {
        let message = text(&why.to_string());
        match deferred {
            Deferred::Append(append) => self.refuse_append(append, message),
            Deferred::Table(UpdateTableEntries { request_id, segment, .. }) => {
                self.reply_failure(*request_id, segment, message)
            }
            Deferred::Change(command, _) => {
                let (request_id, segment) = named_by(command);
                self.reply_failure(request_id, &segment, message)
            }
        }
    }

    /// Replies that a command failed for a reason that is not its own.
    pub(super) fn reply_failure(&mut self, request_id: RequestId, segment: &Segment, message: JavaStr) -> Next {
        self.replies.push(Undurable::known(failed(request_id, segment, message)));
        Next::Hear
    }

    fn create_transient(&mut self, command: CreateTransientSegment, room: Room) -> CommandResult {
        let (segment, result) = self.context.create_transient(command, room)?;
        if self.transients.len() >= MAX_TRANSIENTS {
            let exists = |segment: &Segment| self.context.node.look(|state| state.key(segment.0.as_str()).is_some());
            self.transients.retain(|segment| exists(segment).into_inner());
        }
        self.transients.push(segment);
        Ok(result)
    }

    /// Deletes the transient segments that were made here, as a real store does where it ends a connection because of an
    /// append, a token or a version, but not because of other mistakes or when the client leaves.
    pub(super) fn drop_transients(&mut self) {
        let node = &self.context.node;
        for segment in self.transients.drain(..) {
            // without room they are left for those that are idle to be removed
            let Some(room) = node.try_room_to_change(0, Purpose::Free) else { return };
            // most were merged long ago
            let _ = node.step_in(room, |step| step.delete_segment(segment.0.as_str())).into_inner();
        }
    }

    fn read(&mut self, command: ReadSegment) -> Next {
        // a refused token comes back with the offset in place of the request id
        let as_request = RequestId(command.offset.0);
        if let Err(refused) = self.context.allow(&command.delegation_token, &command.segment, as_request) {
            return self.push_result(Err(refused));
        }
        match Read::from(command).begin(&self.context.node) {
            Ok(answer) => {
                self.reply_read(answer);
                Next::Hear
            }
            Err(why) => Next::Close(why),
        }
    }

    /// What a read waited for has come.
    pub(super) fn resume(&mut self, awaited: Awaited) -> Next {
        match awaited {
            Awaited::Changed(read) => self.reply_read(read.resume(&self.context.node)),
            Awaited::Fetched(fetched) => {
                self.fetching = self.fetching.checked_sub(1).expect("each fetch is counted when it begins");
                match fetched {
                    Ok(reply) => self.replies.push_read(reply),
                    Err(error) => {
                        tracing::error!(%error, "the log can't be read");
                        return Next::close("the log can't be read");
                    }
                }
            }
        }
        Next::Hear
    }

    /// Whether another command may be handled: reads from the log hold their bytes until these are sent.
    pub(super) fn has_room(&self) -> bool {
        self.fetching < MAX_FETCHING_READS && self.replies.has_room()
    }

    fn reply_read(&mut self, answer: ReadAnswer) {
        match answer {
            ReadAnswer::Bytes(reply) => match in_memory(reply) {
                Ok(reply) => self.replies.push_read(reply),
                Err(reply) => {
                    self.fetching += 1;
                    self.waiting.push(Box::pin(fetch(Arc::clone(&self.context.node), reply)));
                    assert!(self.fetching <= self.waiting.len(), "each fetch is waited for");
                }
            },
            ReadAnswer::Refused(reply) => self.replies.push(reply),
            ReadAnswer::Waits(read) if self.waiting.len() < MAX_WAITING_READS => {
                self.waiting.push(Box::pin(read.changed()));
            }
            ReadAnswer::Waits(read) => self.replies.push(Undurable::known(read.ask_again())),
        }
    }
}

fn closing(result: Result<(), CloseReason>) -> Next {
    result.map_or_else(Next::Close, |()| Next::Hear)
}

/// A failure that is not the request's.
fn failed(request_id: RequestId, segment: &Segment, message: JavaStr) -> WireCommand {
    ErrorMessage { request_id, segment: segment.clone(), message, error_code: ServerErrorCode(-1) }.into()
}
