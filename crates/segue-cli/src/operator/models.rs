//! The models of the operator: `[providers]` and `[models]`, with the keys of the environment.

use std::sync::Arc;

use segue::ErrorKind;
use segue::fault::quote;
use segue_models::{Api, Limiters, Limits, Providers, SIZES, Said, Url};

use crate::config::{Found, Setting, Value};
use crate::offline;
use crate::problem::Problem;
use crate::project::Project;

/// One for each key, shared by every run of this process.
static LIMITERS: Limiters = Limiters::new();

/// What stands before the slash of models that are no provider's.
const OWN: [&str; 3] = ["auto", "local", "sim"];

/// The providers of a project. Connects to nothing.
///
/// # Errors
/// What is wrong with their configuration.
pub(super) fn providers(project: &Project) -> Result<Providers, Problem> {
    let env = Arc::new(|name: &str| match name {
        offline::VARIABLE => offline::is_on().then(|| "1".to_owned()),
        name => std::env::var(name).ok(),
    });
    let mut providers = Providers::new(&LIMITERS, env);
    for (name, found) in project.config.named("providers") {
        providers = providers.provider(&name, said(project, &name, &found)?);
    }
    for (name, setting) in project.config.given("models") {
        let models = meaning(&name, &setting)?;
        providers = providers.name(name, models);
    }
    Ok(providers)
}

fn said(project: &Project, name: &str, found: &Found) -> Result<Said, Problem> {
    let wrong = |message: String| Problem::new(ErrorKind::Usage, format!("{message} ({})", found.origin));
    if OWN.contains(&name) || name.contains('/') {
        let message = format!("no provider can be called {}", quote(name));
        return Err(wrong(message).hint("choose another name: it stands before the slash of its models"));
    }
    let count = |key: &str| match found.value(key) {
        Some(Value::Count(count)) => Some(*count),
        _ => None,
    };
    let few = |key: &str| count(key).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let base_url = found.text("base_url").map(|text| address(name, text)).transpose();
    let directs = found.value("base_url").is_some() || found.value("key_env").is_some();
    let trusted = match directs {
        true => project.trusts(&found.origin, &format!("providers.{name}")),
        false => Ok(()),
    };
    Ok(Said {
        base_url: base_url.map_err(wrong)?,
        api: found.text("api").and_then(Api::named),
        key_env: found.text("key_env").map(str::to_owned),
        limits: Limits {
            requests_per_minute: few("requests_per_minute"),
            tokens_per_minute: count("tokens_per_minute"),
            max_concurrent: few("max_concurrent"),
        },
        refused: trusted.err().map(|problem| {
            let failure = problem.failure();
            let hints = failure.hints.first().map(|hint| format!("; {hint}"));
            format!("{}{}", failure.message, hints.unwrap_or_default())
        }),
    })
}

fn address(name: &str, text: &str) -> Result<Url, String> {
    let url: Url = text
        .parse()
        .map_err(|_| format!("`providers.{name}.base_url` is no address"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("`providers.{name}.base_url` is no http or https address"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!(
            "`providers.{name}.base_url` has a user or a password in it; name the variable with the key by `key_env`"
        ));
    }
    Ok(url)
}

/// The models that a name stands for, each as `provider/model`.
fn meaning(name: &str, setting: &Setting) -> Result<Vec<String>, Problem> {
    let wrong = |message: String| Problem::new(ErrorKind::Usage, format!("{message} ({})", setting.origin));
    let is_size = SIZES.contains(&name);
    if !is_size && name.contains('/') {
        let message = format!("`models` cannot give another meaning to {}", quote(name));
        return Err(wrong(message).hint(format!(
            "it takes names without a slash, and {}",
            SIZES.join(", ")
        )));
    }
    let Value::Texts(models) = &setting.value else {
        return Ok(Vec::new());
    };
    for model in models {
        let (provider, _) = model
            .split_once('/')
            .filter(|(provider, model)| !provider.is_empty() && !model.is_empty())
            .ok_or_else(|| {
                wrong(format!(
                    "`models.{name}`: {} is not `provider/model`",
                    quote(model)
                ))
            })?;
        let why = match provider {
            "sim" => "simulates, which a pipeline or a command has to ask for itself",
            "auto" if is_size => "stands for others itself",
            "auto" if !SIZES.contains(&model.as_str()) => "does not exist",
            _ => continue,
        };
        return Err(wrong(format!("`models.{name}`: {} {why}", quote(model))));
    }
    Ok(models.clone())
}
