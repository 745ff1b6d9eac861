//! `answer`: the answer to a question of a run, checked against its form; then the run goes on and is followed.

use indexmap::IndexMap;
use segue::question::{Question, QuestionKind, QuestionStatus};
use segue::schema::Schema;
use segue::store::{SignalKind, Store};
use segue::{Error, ErrorKind, QuestionId};
use serde_json::{Value as Json, json};

use crate::arguments::{AnswerArgs, FollowArgs};
use crate::attend::Attend;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::store::Open;
use crate::terminal::ask::{self, Keyboard};
use crate::verb::run::is_somebody_there;
use crate::{inputs, naming, secrets};

/// Answers a question. A bad answer is refused with every reason, and the question stays open.
pub(crate) fn answer(arguments: &AnswerArgs, program: &mut Program) -> Result<Exit, Problem> {
    let project = Project::find(None, &program.common)?;
    let runtime = desk::runtime()?;
    let exit = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToRead).await?;
        let question = find(&*desk.store, &arguments.question).await?;
        let given = match given(&question, arguments)? {
            Some(given) => given,
            None => typed(&question, program).await?,
        };
        give(desk, &question, given, &arguments.follow, program).await
    });
    runtime.shutdown_background();
    exit
}

/// Gives an answer to a question, and follows the run.
///
/// # Errors
/// When it does not fit, or the question is not open any more.
pub(super) async fn give(
    desk: Desk,
    question: &Question,
    given: Json,
    follow: &FollowArgs,
    program: &mut Program,
) -> Result<Exit, Problem> {
    secrets::warn_of("the answer", &given, program.screen);
    let before = desk.runner.attach(question.run).await?;
    let seen = before.view().last_seq();
    let attend = Attend::as_said(follow, &desk);
    let answered = desk.runner.answer_as(question.id, given, &who(), "cli").await;
    let (desk, attend) = goes_on((desk, attend), follow, question, answered, program).await?;
    let run = desk.runner.attach(question.run).await?;
    if program.common.json {
        let answered = desk.store.question(question.id).await.map_err(naming::unread)?;
        let attend = Attend {
            may_ask: false,
            events: false,
            from: seen,
            ..attend
        };
        let (exit, record) = attend.quietly(&desk, run, program).await?;
        program.output.object(&json!({
            "schema": "segue.answer/1", "accepted": true, "question": answered, "run": record,
        }));
        return Ok(exit);
    }
    let attend = Attend { from: seen, ..attend };
    attend.follow(&desk, run, program).await
}

/// The desk at which a run goes on that was just answered, here or where somebody works on it, and how it is attended.
///
/// # Errors
/// When the answer was not accepted; when it was, and this process cannot go on with the run: the answer is kept.
async fn goes_on(
    (desk, attend): (Desk, Attend),
    follow: &FollowArgs,
    question: &Question,
    answered: Result<(), Error>,
    program: &Program,
) -> Result<(Desk, Attend), Problem> {
    let refused = |kind: ErrorKind| matches!(kind, ErrorKind::InvalidInput | ErrorKind::Conflict);
    let is_kept = answered.as_ref().err().is_none_or(|error| !refused(error.kind()));
    let unheard = desk.unheard(question.run).await?;
    let is_it = |kind: &SignalKind| matches!(kind, SignalKind::Answer { question: asked, .. } if *asked == question.id);
    if !is_kept || !unheard.iter().any(is_it) {
        answered?;
        return Ok((desk, attend));
    }
    let kept = |problem: Problem| problem.hint("the answer is kept, and is not asked for again");
    let plan = desk.runner.attach(question.run).await?.view().plan().cloned();
    let desk = desk.knowing(plan.as_deref(), program).await.map_err(kept)?;
    // It may be another desk by now, and nothing has been said there yet.
    let attend = Attend::as_said(follow, &desk);
    match desk.take_up(question.run).await {
        Ok(_) => Ok((desk, attend)),
        // Somebody works on it, and hears of the answer there.
        Err(problem) if problem.failure().kind == ErrorKind::Conflict => Ok((desk, attend)),
        Err(problem) => Err(kept(problem)),
    }
}

/// The question that is meant: by its id, or the only open one of a run.
pub(super) async fn find(store: &dyn Store, name: &str) -> Result<Question, Problem> {
    if let Ok(id) = name.parse::<QuestionId>() {
        let found = store.question(id).await.map_err(naming::unread)?;
        return found.ok_or_else(|| {
            let message = format!("there is no question {}", segue::fault::quote(name));
            Problem::new(ErrorKind::NotFound, message).hint("`segue runs show RUN` shows the open ones")
        });
    }
    let run = naming::find(store, name).await?;
    let open = store.questions(Some(run), 10).await.map_err(naming::unread)?;
    match open.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(
            Problem::new(ErrorKind::NotFound, format!("run {run} asks nothing"))
                .hint(format!("`segue runs show {run}` shows how it stands")),
        ),
        several => {
            let mut problem = Problem::usage(format!("run {run} asks {} questions", several.len()));
            for question in several {
                problem = problem.hint(format!("`segue answer {}`: {}", question.id, question.title));
            }
            Err(problem)
        }
    }
}

/// The answer that flags give; none where they give none.
fn given(question: &Question, arguments: &AnswerArgs) -> Result<Option<Json>, Problem> {
    let said = [
        ("--set", !arguments.set.is_empty()),
        ("--input", arguments.input.is_some()),
        ("--budget", arguments.budget.is_some()),
        ("--decide", arguments.decide.is_some()),
    ];
    let said: Vec<&str> = said
        .into_iter()
        .filter(|(_, is_said)| *is_said)
        .map(|(flag, _)| flag)
        .collect();
    if said.len() > 1 {
        let message = format!("{} are answers of different kinds", said.join(" and "));
        return Err(Problem::usage(message).hint("give one of them"));
    }
    let fits = |kind: QuestionKind, flag: &str| match question.kind == kind {
        true => Ok(()),
        false => {
            let message = format!("`{flag}` does not answer `{}`", question.title);
            Err(Problem::usage(message).hint(format!("`{}`", ask::command(question, ""))))
        }
    };
    if let Some(budget) = &arguments.budget {
        fits(QuestionKind::Budget, "--budget")?;
        return Ok(Some(json!(budget)));
    }
    if let Some(word) = &arguments.decide {
        fits(QuestionKind::Decision, "--decide")?;
        return Ok(Some(json!(word)));
    }
    if let Some(input) = &arguments.input {
        let form = Schema::from_json(question.form.clone()).unwrap_or_else(|_| Schema::any());
        return inputs::value(input, &form).map(Some);
    }
    if arguments.set.is_empty() {
        return Ok(None);
    }
    let fields = question.form.get("properties").and_then(Json::as_object);
    let declared: IndexMap<String, Schema> = fields
        .into_iter()
        .flatten()
        .map(|(name, form)| {
            let schema = Schema::from_json(form.clone()).unwrap_or_else(|_| Schema::any());
            (name.clone(), schema)
        })
        .collect();
    inputs::fields(&declared, arguments.set.clone(), &question.title).map(Some)
}

/// The answer that a person types.
async fn typed(question: &Question, program: &Program) -> Result<Json, Problem> {
    let screen = program.screen;
    if question.status == QuestionStatus::Open {
        ask::show(question, screen);
    }
    let nothing = || {
        let mut problem = Problem::usage("no answer was given");
        problem = problem.hint(format!("`{}`", ask::command(question, "")));
        problem
    };
    if !is_somebody_there() {
        ask::show_form(question, screen);
        return Err(nothing());
    }
    let mut keys = Keyboard::default();
    ask::answer(question, &mut keys, screen).await.ok_or_else(nothing)
}

/// Who answers, as the record has it.
pub(crate) fn who() -> String {
    let named = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "cli".to_owned())
}
