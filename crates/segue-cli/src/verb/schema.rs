//! `schema`: JSON Schemas of what segue reads and writes.
//!
//! The one of pipeline files comes from the types their parser has. The others are written down beside this file, and
//! the tests hold what the binary really writes against them. What a schema refers to and does not define itself is taken
//! from those of runs and of calls, so that the same thing is described once.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::arguments::{SchemaArgs, Shape};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;

const RUN: &str = include_str!("schema/run.json");
const CALLS: &str = include_str!("schema/calls.json");

/// Prints a schema.
pub(crate) fn schema(arguments: &SchemaArgs, program: &mut Program) -> Result<Exit, Problem> {
    let text = match arguments.shape {
        Shape::Pipeline => {
            program.output.object(&segue::file::schema());
            return Ok(Exit::Done);
        }
        Shape::Test => {
            program.output.object(&segue::file::test_schema());
            return Ok(Exit::Done);
        }
        Shape::Config => {
            program.output.object(&crate::config::schema());
            return Ok(Exit::Done);
        }
        Shape::Run => RUN,
        Shape::Event => include_str!("schema/event.json"),
        Shape::Plan => include_str!("schema/plan.json"),
        Shape::Check => include_str!("schema/check.json"),
        Shape::Tested => include_str!("schema/tested.json"),
        Shape::Recorded => include_str!("schema/recorded.json"),
        Shape::Graph => include_str!("schema/graph.json"),
        Shape::Init => include_str!("schema/init.json"),
        Shape::Runs => include_str!("schema/runs.json"),
        Shape::Step => include_str!("schema/step.json"),
        Shape::Calls => CALLS,
        Shape::Output => include_str!("schema/output.json"),
        Shape::Logs => include_str!("schema/logs.json"),
        Shape::Diff => include_str!("schema/diff.json"),
        Shape::Export => include_str!("schema/export.json"),
        Shape::Rm => include_str!("schema/rm.json"),
        Shape::Artifacts => include_str!("schema/artifacts.json"),
        Shape::Status => include_str!("schema/status.json"),
        Shape::Overview => include_str!("schema/overview.json"),
        Shape::Documents => include_str!("schema/documents.json"),
        Shape::Models => include_str!("schema/models.json"),
        Shape::Tools => include_str!("schema/tools.json"),
        Shape::Budgets => include_str!("schema/budgets.json"),
        Shape::Agents => include_str!("schema/agents.json"),
        Shape::Halt => include_str!("schema/halt.json"),
        Shape::Pin => include_str!("schema/pin.json"),
        Shape::Doctor => include_str!("schema/doctor.json"),
        Shape::Error => include_str!("schema/error.json"),
    };
    program.output.object(&whole(read(text)));
    Ok(Exit::Done)
}

fn read(text: &str) -> Json {
    serde_json::from_str(text).expect("the schemas built in are JSON, which the tests read")
}

/// A schema with everything it refers to.
fn whole(mut schema: Json) -> Json {
    let mut shared = BTreeMap::new();
    for text in [CALLS, RUN] {
        if let Some(Json::Object(defined)) = read(text).get_mut("$defs").map(Json::take) {
            shared.extend(defined);
        }
    }
    loop {
        let mut missing = Vec::new();
        references(&schema, &mut missing);
        missing.retain(|name| schema["$defs"].get(name).is_none() && shared.contains_key(name));
        let Some(name) = missing.first() else {
            return schema;
        };
        let definition = shared.remove(name).unwrap_or_default();
        schema["$defs"][name.as_str()] = definition;
    }
}

/// The names of the definitions that a schema refers to.
fn references(schema: &Json, names: &mut Vec<String>) {
    match schema {
        Json::Object(fields) => {
            if let Some(Json::String(to)) = fields.get("$ref") {
                names.extend(to.strip_prefix("#/$defs/").map(str::to_owned));
            }
            fields.values().for_each(|value| references(value, names));
        }
        Json::Array(items) => items.iter().for_each(|item| references(item, names)),
        _ => {}
    }
}
