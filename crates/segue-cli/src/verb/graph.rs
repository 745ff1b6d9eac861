//! `graph`: a picture of a pipeline, the same bytes for the same file.

use segue::view::{GraphView, draw};
use serde_json::json;

use crate::arguments::{GraphArgs, Picture};
use crate::exit::Exit;
use crate::pipelines;
use crate::problem::Problem;
use crate::program::Program;

/// Draws a pipeline.
pub(crate) fn graph(arguments: &GraphArgs, program: &mut Program) -> Result<Exit, Problem> {
    let path = pipelines::find(arguments.pipeline.as_deref(), &program.common)?;
    let loaded = pipelines::load(&path, &program.operator(Some(&path))?, false)?;
    let graph = GraphView::of(&loaded.plan, None, arguments.expand);
    let drawing = graph.drawing();
    let (format, text) = match arguments.format {
        Picture::Text => ("text", draw::text(&drawing)),
        Picture::Svg => ("svg", draw::svg(&drawing)),
        Picture::Mermaid => ("mermaid", draw::mermaid(&drawing)),
        Picture::Dot => ("dot", draw::dot(&drawing)),
    };
    if program.common.json {
        program.output.object(&json!({
            "schema": graph.schema,
            "pipeline": graph.pipeline,
            "title": graph.title,
            "pattern": graph.pattern,
            "format": format,
            "text": text,
            "steps": graph.steps,
            "edges": graph.edges,
        }));
    } else {
        program.output.document(&text);
    }
    Ok(Exit::Done)
}
