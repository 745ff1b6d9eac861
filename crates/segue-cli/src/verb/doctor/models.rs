//! Which models are to be had: what `auto/*` means here, which providers can be asked, and whether those are there that have a
//! key. That there is no key is no fault: a pipeline may need none.

use futures_util::future::join_all;
use segue_models::{Key, Listed, Providers, SIZES, Silence};

use super::Check;
use crate::desk;
use crate::operator::Operator;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::terminal::words;

/// What a run would find, as far as that is known without asking anybody.
pub(super) fn known(program: &Program) -> Check {
    match here(program) {
        Ok((_, operator)) => meanings(&operator.providers.at_rest()),
        Err(problem) => Check::problem("models", &problem),
    }
}

/// The same, and whether each provider is there that has a key, and every other one of `[providers]`. They are asked for
/// their models: nobody pays for that, and whoever answers takes the key.
pub(super) fn asked(program: &Program) -> Check {
    let said = here(program).and_then(|(project, operator)| {
        let mut check = meanings(&operator.providers);
        heard(&mut check, &project, &operator)?;
        Ok(check)
    });
    said.unwrap_or_else(|problem| Check::problem("models", &problem))
}

fn here(program: &Program) -> Result<(Project, Operator), Problem> {
    let project = Project::find(None, &program.common)?;
    let operator = Operator::of(&project, &program.registry, &program.models)?;
    Ok((project, operator))
}

fn meanings(providers: &Providers) -> Check {
    let mut parts = Vec::new();
    let mut missing = None;
    for size in SIZES {
        match providers.had(size) {
            Ok(models) => parts.push(format!("{size} means {}", models.join(", then "))),
            Err(why) => missing = Some(why),
        }
    }
    if let (true, Some(why)) = (parts.is_empty(), missing) {
        parts.push(format!("auto/* means nothing here: {why}"));
    }
    let listed = providers.list();
    let had = listed.iter().filter(|provider| provider.refused.is_none());
    let had: Vec<&str> = had.map(|provider| provider.name.as_str()).collect();
    if !had.is_empty() {
        parts.push(format!("providers that can be asked: {}", had.join(", ")));
    }
    Check::good("models", parts.join("; "))
}

/// Adds what providers say that are asked.
fn heard(check: &mut Check, project: &Project, operator: &Operator) -> Result<(), Problem> {
    let providers = operator.providers.list();
    let named = project.config.named("providers");
    let is_asked = |provider: &&Listed| match provider.key {
        Key::Set { .. } => true,
        Key::Missing { .. } => false,
        Key::None => named.contains_key(&provider.name),
    };
    let asked: Vec<&Listed> = providers.iter().filter(is_asked).collect();
    let said = ask(&asked, operator)?;
    for (provider, said) in asked.into_iter().zip(said) {
        let Heard { line, hint } = Heard::of(provider, said);
        check.lines.push(line);
        if let Some(hint) = hint.filter(|_| check.ok) {
            check.hint = hint;
            check.ok = false;
        }
    }
    Ok(())
}

/// What each of these says, all of them asked at once.
fn ask(asked: &[&Listed], operator: &Operator) -> Result<Vec<Result<Vec<String>, Silence>>, Problem> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = desk::runtime()?;
    let said = runtime.block_on(join_all(
        asked
            .iter()
            .map(|provider| operator.providers.ask(&provider.name)),
    ));
    runtime.shutdown_background();
    Ok(said)
}

/// What was heard of a provider, and the way out where that is not as it should be.
struct Heard {
    line: String,
    hint: Option<String>,
}

impl Heard {
    fn of(provider: &Listed, said: Result<Vec<String>, Silence>) -> Self {
        let (name, host) = (&provider.name, &provider.host);
        let variable = match &provider.key {
            Key::Set { variable, .. } => Some(variable),
            _ => None,
        };
        let (what, hint) = match said {
            Ok(models) => {
                let key = if variable.is_some() { ", takes the key" } else { "" };
                let models = words::plural(models.len() as u64, "model");
                (format!("reachable{key}: {models}"), None)
            }
            Err(Silence::NotAsked(why)) => (format!("not asked: {why}"), None),
            Err(why @ Silence::NoList) => {
                let key = variable.map_or("", |_| ", so whether it takes the key is not known");
                (format!("reachable: {why}{key}"), None)
            }
            Err(why @ Silence::KeyRefused(_)) => {
                let hint = match variable {
                    Some(variable) => format!("set `{variable}` to a key that `{name}` takes"),
                    None => format!("`[providers.{name}]` names the variable with its key by `key_env`"),
                };
                (format!("reachable, but {why}"), Some(hint))
            }
            Err(why @ Silence::Unreached(_)) => {
                let hint = format!(
                    "look whether {host} can be reached from here; `SEGUE_OFFLINE=1` says that nothing has to be"
                );
                (format!("not reachable: {why}"), Some(hint))
            }
            Err(why @ Silence::Odd(_)) => {
                let hint = format!(
                    "look whether {host} is what `[providers.{name}]` takes it for, or is in trouble"
                );
                (format!("reachable, but {why}"), Some(hint))
            }
        };
        Self {
            line: format!("{name} at {host}: {what}"),
            hint,
        }
    }
}
