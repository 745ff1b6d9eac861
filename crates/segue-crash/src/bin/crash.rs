//! `segue-crash [ROUNDS] [--seed SEED] [--postgres]`: the kill loop, and crowds for a quarter as many rounds. Progress goes to
//! stderr, what came of it to stdout; the exit code is 1 when something was not as promised.

use std::cell::Cell;
use std::process::ExitCode;

use segue_crash::campaign::{Campaign, Report, beside};
use segue_crash::site::Place;
use segue_crash::verdict::Mishap;

/// Rounds where nothing is said.
const ROUNDS: u64 = 200;
/// How it is called.
const USAGE: &str = "`cargo xtask crash [ROUNDS] [--seed SEED] [--postgres]`";
/// So many rounds of kills for one of a crowd, which takes that much longer.
const CROWDS: u64 = 4;

struct Asked {
    rounds: u64,
    seed: u64,
    postgres: bool,
}

fn main() -> ExitCode {
    let done = read(std::env::args().skip(1)).and_then(|asked| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(campaign(&asked))
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(mut words: impl Iterator<Item = String>) -> Result<Asked, Mishap> {
    let mut asked = Asked {
        rounds: ROUNDS,
        seed: 7,
        postgres: false,
    };
    while let Some(word) = words.next() {
        match word.as_str() {
            "--postgres" => asked.postgres = true,
            "--seed" => {
                let seed = words.next().and_then(|seed| seed.parse().ok());
                asked.seed = seed.ok_or_else(|| format!("`--seed` needs a number\nhint: {USAGE}"))?;
            }
            other => {
                let rounds = other
                    .parse()
                    .map_err(|_| format!("`{other}` is no number of rounds\nhint: {USAGE}"))?;
                asked.rounds = rounds;
            }
        }
    }
    Ok(asked)
}

async fn campaign(asked: &Asked) -> Result<(), Mishap> {
    let kills = Campaign {
        worker: beside(&std::env::current_exe()?),
        rounds: asked.rounds,
        seed: asked.seed,
        fault: None,
    };
    let crowds = Campaign {
        rounds: asked.rounds.div_ceil(CROWDS),
        ..kills.clone()
    };
    let place = |name: &'static str| {
        move |batch| match asked.postgres {
            true => Place::Postgres(segue_store::testing::cluster().database(&format!("{name}_{batch}"))),
            false => Place::Sqlite,
        }
    };
    let report = kills
        .kills(place("kills"), progress("kills", kills.rounds))
        .await?;
    println!("kills: {report}");
    let report = crowds
        .crowds(place("crowds"), progress("crowds", crowds.rounds))
        .await?;
    println!("crowds: {report}");
    Ok(())
}

/// Says each twentieth part.
fn progress(what: &'static str, rounds: u64) -> impl Fn(&Report) {
    let told = Cell::new(0);
    move |report| {
        let part = report.rounds * 20 / rounds;
        if told.replace(part) != part {
            eprintln!("{what}: {} of {rounds} rounds, {}", report.rounds, report.done);
        }
    }
}
