//! The closed list of fault codes. Adding one adds to the published format; renaming one breaks its readers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Severity;

/// Defines the enum, its spellings and the list of all from one table, so that they cannot drift apart.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of fault it is; written in snake case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code, in the order of the published list.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The code as it is printed and sent.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// The file or a part of it has nothing in it.
    EmptyDefinition = "empty_definition",
    /// `version` is not one this release reads.
    UnknownVersion = "unknown_version",
    /// A value of another type than the key takes.
    WrongType = "wrong_type",
    /// A number that does not fit.
    NumberRange = "number_range",
    /// A name or title that is not formed as names are.
    BadName = "bad_name",
    /// A key that does not exist there.
    UnknownKey = "unknown_key",
    /// A required key that is not there.
    MissingKey = "missing_key",
    /// The same name twice.
    DuplicateName = "duplicate_name",
    /// No step of that name.
    UnknownStep = "unknown_step",
    /// No agent of that name.
    UnknownAgent = "unknown_agent",
    /// No model of that name.
    UnknownModel = "unknown_model",
    /// No tool of that name.
    UnknownTool = "unknown_tool",
    /// No input of that name.
    UnknownInput = "unknown_input",
    /// No retry policy of that name.
    UnknownPolicy = "unknown_policy",
    /// No pattern of that name.
    UnknownPattern = "unknown_pattern",
    /// A route has no such arm, or an arm has no such value.
    UnknownRoute = "unknown_route",
    /// A conversation has no such participant.
    UnknownParticipant = "unknown_participant",
    /// The operator has no notify target of that name.
    UnknownTarget = "unknown_target",
    /// The operator has no secret of that name.
    UnknownSecret = "unknown_secret",
    /// A step without an action.
    NoAction = "no_action",
    /// A step with more than one action.
    TwoActions = "two_actions",
    /// Steps or files that wait for each other.
    Cycle = "cycle",
    /// A step that waits for itself.
    SelfEdge = "self_edge",
    /// Something reads a step that no run can reach.
    NoPath = "no_path",
    /// A known value without an arm.
    MissingArm = "missing_arm",
    /// A step in the arms of two routes.
    ArmInTwoRoutes = "arm_in_two_routes",
    /// The file is not YAML.
    YamlSyntax = "yaml_syntax",
    /// The file is not TOML.
    TomlSyntax = "toml_syntax",
    /// A template or expression that cannot be read.
    TemplateSyntax = "template_syntax",
    /// Braces where a bare expression is due.
    BracesInExpression = "braces_in_expression",
    /// A template beyond its limits.
    TemplateLimit = "template_limit",
    /// A name that is not in scope.
    UnknownReference = "unknown_reference",
    /// A field that the schema does not have.
    UnknownField = "unknown_field",
    /// No filter of that name.
    UnknownFilter = "unknown_filter",
    /// A step name that is worked out at run time.
    DynamicReference = "dynamic_reference",
    /// Two kinds of value that cannot be put together.
    KindMismatch = "kind_mismatch",
    /// What a step gives can never be what another takes.
    SchemaMismatch = "schema_mismatch",
    /// `none` in the middle of text.
    NoneInText = "none_in_text",
    /// Two keys that exclude each other.
    Conflict = "conflict",
    /// An agent without a model.
    NoModel = "no_model",
    /// No key for a provider.
    NoKey = "no_key",
    /// No price for a model under a dollar budget.
    NoPrice = "no_price",
    /// An agent step with nothing to say.
    NoPrompt = "no_prompt",
    /// A conversation without an end.
    NoTerminal = "no_terminal",
    /// A schedule that never comes.
    NeverFires = "never_fires",
    /// A schedule that cannot be read.
    BadSchedule = "bad_schedule",
    /// A type that is no schema.
    BadSchema = "bad_schema",
    /// A regular expression that cannot be read.
    BadPattern = "bad_pattern",
    /// A schema that is not strict where it must be.
    NotStrict = "not_strict",
    /// A path outside the folder, or not to a plain file.
    PathRefused = "path_refused",
    /// A file that is not there.
    FileMissing = "file_missing",
    /// A YAML tag.
    TagRefused = "tag_refused",
    /// Too many aliases, or aliases that grow too much.
    AliasLimit = "alias_limit",
    /// Nested too deeply.
    TooDeep = "too_deep",
    /// Larger than the format allows.
    TooLarge = "too_large",
    /// Not UTF-8.
    BadEncoding = "bad_encoding",
    /// More than one YAML document.
    OneDocument = "one_document",
    /// A key or password written into the file.
    SecretLiteral = "secret_literal",
    /// A reference to a secret where none may be.
    SecretNotAllowed = "secret_not_allowed",
    /// A setting that only the operator may make.
    OperatorOnly = "operator_only",
    /// An endpoint that the operator has not allowed.
    EndpointNotAllowed = "endpoint_not_allowed",
    /// Something the chosen engine cannot do.
    EngineUnsupported = "engine_unsupported",
    /// A command of an operator file that is not trusted.
    CommandNotAllowed = "command_not_allowed",
    /// An input that its type refuses.
    InvalidInput = "invalid_input",
    /// Steps that must have a result first.
    MissingPrerequisites = "missing_prerequisites",
    /// An input that nothing reads.
    UnusedInput = "unused_input",
    /// An agent that no step uses.
    UnusedAgent = "unused_agent",
    /// A step that nothing reads.
    UnusedStep = "unused_step",
    /// A field of something that may be `none`.
    MaybeNone = "maybe_none",
    /// A tool whose list is not pinned yet.
    Unverified = "unverified",
    /// A model without a fixed version.
    UnpinnedModel = "unpinned_model",
    /// A schedule that fires very often.
    FrequentSchedule = "frequent_schedule",
    /// Braces in literal text.
    BracesInText = "braces_in_text",
}

impl Code {
    /// The usual severity: the last eight of the list are warnings, all others errors.
    pub const fn severity(self) -> Severity {
        match self {
            Code::UnusedInput
            | Code::UnusedAgent
            | Code::UnusedStep
            | Code::MaybeNone
            | Code::Unverified
            | Code::UnpinnedModel
            | Code::FrequentSchedule
            | Code::BracesInText => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_from_its_spelling() {
        for &code in Code::ALL {
            let json = serde_json::to_value(code).expect("a code serialises");
            assert_eq!(json, code.as_str());
            assert_eq!(code.to_string(), code.as_str());
            assert_eq!(serde_json::from_value::<Code>(json).ok(), Some(code));
        }
    }

    #[test]
    fn spellings_are_snake_case_and_distinct() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let text = code.as_str();
            assert!(
                text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{text}"
            );
            assert!(seen.insert(text), "{text} twice");
        }
        assert_eq!(seen.len(), 73);
    }

    #[test]
    fn eight_codes_are_warnings() {
        let warnings = Code::ALL
            .iter()
            .filter(|code| code.severity() == Severity::Warning);
        assert_eq!(warnings.count(), 8);
    }
}
