//! A run outlives its process. Here a process is killed in the middle of a step; the next one takes the run up by itself, asks
//! a person, and ends; a third one answers. What had a result is not made again, and the step that was cut off runs again
//! under the same idempotency key.
//!
//! ```sh
//! cargo run --example durable
//! ```

use std::future::pending;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use segue::{Cx, Outcome, Pipeline, Result, Runner, from_fn};
use segue_store::Sqlite;

async fn research(_cx: Cx, topic: String) -> Result<String> {
    Ok(format!("three sources on {topic}"))
}

async fn send(cx: Cx, text: String) -> Result<String> {
    let to: String = cx.ask("Who gets it?").await?;
    Ok(format!("{text}, sent to {to}"))
}

/// The pipeline. In the process that is killed, writing never ends.
fn report(is_killed: bool) -> Result<Pipeline<String, String>, segue::PlanError> {
    let write = from_fn(move |cx: Cx, sources: String| async move {
        // What a service is given, so that it can tell the second request from another one.
        println!("writing under {}", cx.idempotency_key());
        if is_killed {
            pending::<()>().await;
        }
        Ok(format!("a report from {sources}"))
    });
    Pipeline::define("report", |p, topic| {
        let sources = p.step("research", research, topic);
        let text = p.step("write", write, sources);
        p.step("send", send, text)
    })
}

fn runner(file: &Path, pipeline: &Pipeline<String, String>) -> Result<Runner, Box<dyn std::error::Error>> {
    Ok(Runner::builder()
        .store(Sqlite::open(file)?)
        .register(pipeline)
        .build()?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(file) = std::env::args_os().nth(1) {
        let pipeline = report(true)?;
        let runner = runner(Path::new(&file), &pipeline)?;
        runner.start(&pipeline, "repair centres".to_owned()).await?;
        runner.idle().await;
        return Ok(());
    }
    let folder = std::env::temp_dir().join(format!("segue-durable-{}", std::process::id()));
    let file = folder.join("store.db");
    let shown = tell(&file).await;
    std::fs::remove_dir_all(folder)?;
    shown
}

async fn tell(file: &PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    println!("## a process that is killed\n");
    #[expect(
        clippy::disallowed_methods,
        reason = "this program kills another process of itself"
    )]
    let mut first = Command::new(std::env::current_exe()?);
    let mut first = first.arg(file).stdout(Stdio::piped()).spawn()?;
    let said = first.stdout.take().map(BufReader::new);
    let said = said.into_iter().flat_map(BufRead::lines).next().transpose()?;
    println!("{}", said.unwrap_or_default());
    first.kill()?;
    first.wait()?;

    println!("\n## the next one\n");
    let pipeline = report(false)?;
    let next = runner(file, &pipeline)?;
    // The owner of the run is proven dead, so this takes it up at once.
    let recovered = next.recover().await?;
    let run = &recovered.taken[0];
    let Outcome::Waiting(question) = run.outcome().await? else {
        return Err("nobody was asked".into());
    };
    for name in ["research", "write"] {
        let view = run.view();
        let step = view.step(name).ok_or("no such step")?;
        println!("{name:<9} {}, attempts: {}", step.status, step.attempts.len());
    }
    println!("the run waits: {}", question.title);
    // Nothing is held while it waits; days may pass.
    next.close().await?;

    println!("\n## whoever comes with the answer\n");
    let last = runner(file, &pipeline)?;
    last.answer(question.id, "the board").await?;
    let done = last.attach(run.id()).await?.done().await?;
    println!("{}", done.output.as_str().unwrap_or_default());
    Ok(())
}
