//! Flags of a pipeline's own: each declared input whose name is no flag of the verb becomes one.
//!
//! The pipeline has to be found before the arguments can be read, so the first look at them is a scan that knows only
//! which flags take a value; clap reads them afterwards, with the inputs among its flags.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches, Command};
use indexmap::IndexMap;
use segue::Plan;
use segue::plan::Input;
use segue::schema::{Schema, TypeSet};

/// What marks the arguments made here, so that they cannot meet those of a verb.
const PREFIX: &str = "input:";

/// The verb of the arguments and, where they name one, the pipeline.
pub(crate) fn scan<'a>(command: &Command, arguments: &'a [OsString]) -> Option<(&'a str, Option<&'a str>)> {
    let mut rest = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let mut flags: Vec<&Arg> = command.get_arguments().collect();
    let mut verb = None;
    let mut doubtful = None;
    let mut after_unknown = false;
    while let Some(argument) = rest.next() {
        if argument == "--" {
            return Some((verb?, rest.next()));
        }
        if !argument.starts_with('-') || argument == "-" {
            match verb {
                None => {
                    let found = command.find_subcommand(argument)?;
                    flags.extend(found.get_arguments());
                    verb = Some(argument);
                }
                // It may be the value of the flag before it.
                Some(_) if after_unknown => {
                    doubtful.get_or_insert(argument);
                }
                Some(verb) => return Some((verb, Some(argument))),
            }
            after_unknown = false;
            continue;
        }
        let known = flags.iter().find(|flag| is_spelled(flag, argument));
        after_unknown = known.is_none() && !argument.contains('=');
        let takes_value = known.is_some_and(|flag| {
            let may = flag.get_num_args().is_none_or(|range| range.takes_values());
            may && matches!(flag.get_action(), ArgAction::Set | ArgAction::Append)
        });
        if takes_value && (argument.starts_with("--") || argument.len() == 2) {
            rest.next();
        }
    }
    let names_file = doubtful.filter(|name| std::path::Path::new(name).is_file());
    Some((verb?, names_file))
}

/// Whether an argument is this flag with its value still to come.
fn is_spelled(flag: &Arg, argument: &str) -> bool {
    match argument.strip_prefix("--") {
        Some(long) => flag.get_long() == Some(long),
        None => flag
            .get_short()
            .is_some_and(|short| argument.chars().nth(1) == Some(short)),
    }
}

/// The names of a verb's flags, those that every verb has among them. `command` has been built.
pub(crate) fn taken(command: &Command, verb: &str) -> BTreeSet<String> {
    let verb = command.find_subcommand(verb).into_iter();
    let flags = verb.flat_map(Command::get_arguments).filter_map(Arg::get_long);
    flags.map(str::to_owned).collect()
}

/// The verb's command with a flag for each input of the plan whose name is not taken.
pub(crate) fn with_inputs(mut verb: Command, mut taken: BTreeSet<String>, plan: &Plan) -> Command {
    let heading = format!("Inputs of {}", plan.name);
    for (name, schema) in named(plan) {
        let dashed = name.replace('_', "-");
        // `a_b` and `a-b` may be two inputs; the first one gets the flag.
        if taken.contains(&name) || !taken.insert(dashed.clone()) {
            continue;
        }
        let mut flag = Arg::new(format!("{PREFIX}{name}"))
            .long(dashed.clone())
            .value_name(type_of(&schema))
            .action(ArgAction::Append)
            .help(help_of(&schema))
            .help_heading(heading.clone());
        if name != dashed && taken.insert(name.clone()) {
            flag = flag.alias(name);
        }
        if is_boolean(&schema) {
            flag = flag
                .num_args(0..=1)
                .default_missing_value("true")
                .value_parser(["true", "false"]);
        } else {
            flag = flag.allow_negative_numbers(true);
        }
        verb = verb.arg(flag);
    }
    verb
}

/// The inputs given by flags of their own, each with its place among the arguments.
pub(crate) fn given(matches: &ArgMatches, plan: &Plan) -> Vec<(usize, String, String)> {
    let Input::Named(inputs) = &plan.input else {
        return Vec::new();
    };
    let mut given = Vec::new();
    for name in inputs.keys() {
        let id = format!("{PREFIX}{name}");
        let Ok(Some(values)) = matches.try_get_many::<String>(&id) else {
            continue;
        };
        let places = matches.indices_of(&id).into_iter().flatten();
        given.extend(
            places
                .zip(values)
                .map(|(place, value)| (place, name.clone(), value.clone())),
        );
    }
    given
}

/// The named inputs of a plan; none for one that takes a single value.
pub(crate) fn named(plan: &Plan) -> IndexMap<String, Schema> {
    match &plan.input {
        Input::Named(inputs) => inputs.clone(),
        Input::Value(_) => IndexMap::new(),
    }
}

fn is_boolean(schema: &Schema) -> bool {
    schema.types() == TypeSet::BOOLEAN
}

fn type_of(schema: &Schema) -> String {
    if schema.is_file() {
        return "FILE".to_owned();
    }
    match schema.as_json().get("enum").and_then(|listed| listed.as_array()) {
        Some(listed) => {
            let words: Vec<String> = listed
                .iter()
                .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
                .collect();
            words.join("|")
        }
        None => match schema.as_json().get("type").and_then(|name| name.as_str()) {
            Some(name) => name.to_uppercase(),
            None => "VALUE".to_owned(),
        },
    }
}

fn help_of(schema: &Schema) -> String {
    let description = schema.description().unwrap_or_default();
    match (schema.default_value(), schema.may_be_null()) {
        (Some(default), _) => format!("{description} [default: {default}]")
            .trim_start()
            .to_owned(),
        (None, true) => description.to_owned(),
        (None, false) => format!("{description} [required]").trim_start().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::arguments::Arguments;

    fn scanned(line: &str) -> Option<(String, Option<String>)> {
        let arguments: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let mut command = Arguments::command();
        command.build();
        scan(&command, &arguments).map(|(verb, pipeline)| (verb.to_owned(), pipeline.map(str::to_owned)))
    }

    #[test]
    fn the_pipeline_is_found_among_flags() {
        let found = |pipeline: &str| Some(("run".to_owned(), Some(pipeline.to_owned())));
        for (line, expected) in [
            ("segue run a.yaml --limit 40", found("a.yaml")),
            ("segue run --input x=1 a.yaml", found("a.yaml")),
            ("segue run --input=x=1 --json a.yaml --limit 3", found("a.yaml")),
            ("segue -q run -i x=1 a.yaml", found("a.yaml")),
            ("segue --color never run a.yaml", found("a.yaml")),
            ("segue run --limit 40 a.yaml", found("a.yaml")),
            ("segue run --limit=40 a.yaml", found("a.yaml")),
            ("segue run -- a.yaml", found("a.yaml")),
            ("segue run --limit 40", Some(("run".to_owned(), None))),
            ("segue run", Some(("run".to_owned(), None))),
            ("segue", None),
            ("segue walk a.yaml", None),
        ] {
            assert_eq!(scanned(line), expected, "{line}");
        }
    }
}
