//! The kinds of run-time errors: the only list, the same words in the log, in JSON and in tests.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $(= $retryable:ident)?,)*) => {
        /// What kind of error it is. Fatal kinds are never retried.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $name,)* }

        impl ErrorKind {
            /// Every kind, in the order of the documentation.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            /// Whether another attempt may mend an error of this kind.
            #[must_use]
            pub fn is_retryable(self) -> bool {
                match self { $(ErrorKind::$name => kinds!(@ $($retryable)?),)* }
            }
        }
    };
    (@ r) => { true };
    (@) => { false };
}

kinds! {
    /// The file or plan has faults.
    InvalidDefinition,
    /// A pinned step or tool is not what it was.
    DefinitionChanged,
    /// Inputs do not fit what the pipeline takes.
    InvalidInput,
    /// Steps whose results are needed have none.
    MissingPrerequisites,
    /// No such run, step, question or artifact.
    NotFound,
    /// The state is another one than expected.
    Conflict,
    /// A wrong flag or argument.
    Usage,
    /// No model to be had.
    NoModel,
    /// The provider refused the key.
    Authentication,
    /// The provider refused the request.
    BadRequest,
    /// Too many requests (429).
    RateLimited = r,
    /// 408, 409, 425, 5xx or a broken reply.
    Provider = r,
    /// The connection failed.
    Network = r,
    /// Blocked while offline.
    Offline,
    /// A deadline passed.
    Timeout = r,
    /// The output does not fit its schema.
    OutputInvalid = r,
    /// The reply was cut.
    IncompleteResponse = r,
    /// The output is beyond its cap.
    OutputTooLarge,
    /// An empty result, or the marker or required artifacts are missing.
    IncompleteOutput = r,
    /// All attempts are used up, and the last one asked for another.
    Exhausted,
    /// A budget refused the call.
    Budget,
    /// The model has no price, under a budget in dollars.
    Unpriced,
    /// A tool failed.
    Tool = r,
    /// The policy denies the tool.
    ToolDenied,
    /// A person refused the tool call.
    ApprovalRejected,
    /// Nobody approved the tool call in time.
    ApprovalExpired,
    /// The guard refused the address.
    UrlRefused,
    /// Two values of kinds that do not go together.
    KindMismatch,
    /// A value does not fit its schema.
    SchemaMismatch,
    /// `none` where text was made.
    NoneInText,
    /// A field that is not there.
    UnknownField,
    /// A number beyond its range.
    NumberRange,
    /// A template beyond its limits.
    TemplateLimit,
    /// More items than a map may have.
    TooLarge,
    /// A name that cannot be one.
    BadName,
    /// A route chose an arm it does not have.
    UnknownRoute,
    /// A handoff named somebody who is no participant.
    UnknownParticipant,
    /// A handoff made no progress.
    Stalled,
    /// The same call for ever, or turns or tool calls used up.
    NoProgress,
    /// Nobody answered in time.
    QuestionExpired,
    /// The process died during an effect that must not be repeated silently.
    Interrupted,
    /// Another call than the recorded one at the same position.
    ReplayMismatch,
    /// The step panicked.
    Panicked = r,
    /// An error of the author's own.
    Step = r,
    /// No progress over several recoveries.
    Poisoned,
    /// Cancelled.
    Cancelled,
    /// A step it needs failed.
    UpstreamFailed,
    /// Nothing recorded or scripted answers the request.
    CassetteMiss,
    /// All calls are halted by the operator.
    Halted,
    /// The store failed.
    Store,
    /// The store is held by another process.
    StoreBusy,
    /// No space is left.
    StorageFull,
    /// The run rests and waits for a person.
    Waiting,
    /// A fault of Segue itself.
    Internal,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
