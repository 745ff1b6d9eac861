//! `schema`: JSON Schemas of what segue reads and writes.
//!
//! The one of pipeline files comes from the types their parser has. The others are written down beside this file, and
//! the tests hold what the binary really writes against them.

use serde_json::Value as Json;

use crate::arguments::{SchemaArgs, Shape};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;

/// Prints a schema.
pub(crate) fn schema(arguments: &SchemaArgs, program: &mut Program) -> Result<Exit, Problem> {
    let text = match arguments.shape {
        Shape::Pipeline => {
            program.output.object(&segue::file::schema());
            return Ok(Exit::Done);
        }
        Shape::Config => {
            program.output.object(&crate::config::schema());
            return Ok(Exit::Done);
        }
        Shape::Run => include_str!("schema/run.json"),
        Shape::Event => include_str!("schema/event.json"),
        Shape::Plan => include_str!("schema/plan.json"),
        Shape::Check => include_str!("schema/check.json"),
        Shape::Graph => include_str!("schema/graph.json"),
        Shape::Init => include_str!("schema/init.json"),
        Shape::Error => include_str!("schema/error.json"),
    };
    let schema: Json =
        serde_json::from_str(text).expect("the schemas built in are JSON, which the tests read");
    program.output.object(&schema);
    Ok(Exit::Done)
}
