//! Expanding: an arrangement of agents becomes ordinary steps, named by agent, so that plan, log and pictures know
//! nothing of patterns.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use super::arrangement::{Arrangement, Asked, Gives};
use crate::file::scalar::MAX_NAME_CHARS;
use crate::plan::{
    Action, AgentOver, AgentStep, Complete, Context, Kind, Need, NeedKind, Output, Step, StepIndex,
};
use crate::schema::Schema;
use crate::settings::Settings;

/// What the steps of a pattern have in common, and what is known of its agents.
pub(crate) struct Cast<'a> {
    /// The agents, in the order of the pattern's list.
    pub agents: &'a [String],
    /// Template of the request.
    pub prompt: &'a str,
    /// More attempts of each step, where the pattern says so.
    pub retries: Option<u32>,
    /// The type of an agent's answer, where it is known.
    pub answer: &'a dyn Fn(&str) -> Option<Schema>,
    /// When an agent's answer is complete.
    pub complete: &'a dyn Fn(&str) -> Complete,
}

/// Steps, what they give, and its type.
pub(crate) struct Expanded {
    pub steps: Vec<Step>,
    pub output: Output,
    pub output_schema: Option<Schema>,
}

/// The steps of an arrangement that has no flaw; of an empty one, none.
pub(crate) fn expand(arrangement: &Arrangement, cast: &Cast<'_>) -> Expanded {
    let turns = &arrangement.turns;
    if turns.is_empty() {
        return Expanded {
            steps: Vec::new(),
            output: Output::Last(Vec::new()),
            output_schema: None,
        };
    }
    let names = names(turns, cast.agents);
    let left_out = may_be_left_out(turns);
    let mut steps = Vec::with_capacity(turns.len());
    for (at, turn) in turns.iter().enumerate() {
        steps.push(step(turn, (at, &names), &left_out, cast));
    }
    let (output, output_schema) = output(&arrangement.gives, &names, &left_out, &steps);
    Expanded {
        steps,
        output,
        output_schema,
    }
}

/// Named by agent; one that is asked again has a number.
fn names(turns: &[Asked], agents: &[String]) -> Vec<String> {
    // A number never takes the name of an agent that is called like that.
    let mut taken: HashSet<String> = HashSet::new();
    let own: HashSet<&str> = turns.iter().map(|turn| agents[turn.agent].as_str()).collect();
    let mut names = Vec::with_capacity(turns.len());
    for turn in turns {
        let agent = agents[turn.agent].as_str();
        let mut name = agent.to_owned();
        let mut number = 1;
        while taken.contains(&name) || (number > 1 && own.contains(name.as_str())) {
            number += 1;
            let suffix = format!("_{number}");
            let room = MAX_NAME_CHARS.saturating_sub(suffix.len());
            name = format!("{}{suffix}", agent.chars().take(room).collect::<String>());
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

/// Which turns a decision may leave out, directly or because it leaves out all that they come after.
fn may_be_left_out(turns: &[Asked]) -> Vec<bool> {
    let mut left_out: Vec<bool> = Vec::with_capacity(turns.len());
    for turn in turns {
        let with_all = !turn.after.is_empty() && turn.after.iter().all(|before| left_out[*before]);
        left_out.push(turn.only_if.is_some() || with_all);
    }
    left_out
}

fn step(turn: &Asked, (at, names): (usize, &[String]), left_out: &[bool], cast: &Cast<'_>) -> Step {
    let agent = &cast.agents[turn.agent];
    let need = |step: &usize| Need {
        step: *step as StepIndex,
        kind: match turn.only_if == Some(*step) {
            true => NeedKind::Data,
            false => NeedKind::Order,
        },
    };
    let settings = match cast.retries {
        Some(retries) => Settings::default().retries(retries),
        None => Settings::default(),
    };
    Step {
        name: names[at].clone(),
        title: None,
        kind: Kind::Agent,
        action: Action::Agent(AgentStep {
            agent: agent.clone(),
            prompt: Some(cast.prompt.to_owned()),
            images: None,
            over: AgentOver::default(),
        }),
        needs: turn.after.iter().map(need).collect(),
        arm: None,
        when: when(turn, names, left_out),
        each: None,
        standby: false,
        settings,
        context: match turn.after.is_empty() {
            true => Context::None,
            false => Context::Needs,
        },
        complete: (cast.complete)(agent),
        artifacts: Vec::new(),
        output_schema: (cast.answer)(agent),
        reads: Vec::new(),
    }
}

/// The condition of a turn that a decision may leave out.
fn when(turn: &Asked, names: &[String], left_out: &[bool]) -> Option<String> {
    let decided = turn.only_if.map(|step| is_yes(&names[step]));
    let with_all = !turn.after.is_empty() && turn.after.iter().all(|before| left_out[*before]);
    let there: Vec<String> = turn
        .after
        .iter()
        .map(|before| is_there(&names[*before]))
        .collect();
    match (decided, with_all) {
        (Some(decided), true) => Some(format!("({}) and {decided}", there.join(" or "))),
        (Some(decided), false) => Some(decided),
        (None, true) => Some(there.join(" or ")),
        (None, false) => None,
    }
}

/// Whether an answer is a yes.
fn is_yes(step: &str) -> String {
    let output = format!("steps['{step}'].output");
    format!(
        "({output} | bool) and ({output} is not string or ({output} | trim | lower) not in ['no', 'false'])"
    )
}

fn is_there(step: &str) -> String {
    format!("steps['{step}'].status != 'skipped'")
}

fn output(gives: &Gives, names: &[String], left_out: &[bool], steps: &[Step]) -> (Output, Option<Schema>) {
    let schema = |turn: usize| steps[turn].output_schema.clone();
    match gives {
        Gives::Last => one(steps.len() - 1, names, left_out, steps),
        Gives::Turn(turn) => one(*turn, names, left_out, steps),
        Gives::List(turns) => {
            let value = |turn: &usize| json!(format!("{{{{ steps['{}'].output }}}}", names[*turn]));
            let is_sure = turns.iter().all(|turn| !left_out[*turn]);
            let element = Schema::any_of(turns.iter().map(|turn| schema(*turn))).filter(|_| is_sure);
            let list = Json::Array(turns.iter().map(value).collect());
            (Output::Template(list), element.map(|element| element.array()))
        }
        Gives::First(turns) => {
            // Those behind one that is always there are never looked at.
            let sure = turns.iter().position(|turn| !left_out[*turn]);
            let turns = &turns[..sure.map_or(turns.len(), |at| at + 1)];
            let [ahead @ .., last] = turns else {
                return (Output::Template(Json::Null), None);
            };
            if ahead.is_empty() {
                return one(*last, names, left_out, steps);
            }
            let mut expression = format!("steps['{}'].output", names[*last]);
            for turn in ahead.iter().rev() {
                let name = &names[*turn];
                expression = format!("steps['{name}'].output if {} else ({expression})", is_there(name));
            }
            let schema = Schema::any_of(turns.iter().map(|turn| schema(*turn))).filter(|_| sure.is_some());
            (Output::Expression(expression), schema)
        }
    }
}

/// The answer of one turn; none where it was left out.
fn one(turn: usize, names: &[String], left_out: &[bool], steps: &[Step]) -> (Output, Option<Schema>) {
    let is_needed = |at: usize| {
        steps
            .iter()
            .any(|step| step.needs.iter().any(|need| need.step as usize == at))
    };
    let is_the_end = (0..steps.len()).all(|at| is_needed(at) != (at == turn));
    let output = match is_the_end {
        true => Output::Last(vec![turn as StepIndex]),
        false => Output::Expression(format!("steps['{}'].output", names[turn])),
    };
    let schema = steps[turn].output_schema.clone().filter(|_| !left_out[turn]);
    (output, schema)
}
