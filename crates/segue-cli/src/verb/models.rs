//! `models`: providers with their keys, what names mean here, and what models cost. Asks providers only when told to.

use indexmap::IndexMap;
use segue::file::suggest::Nearest;
use segue::money::Nanousd;
use segue::price::{PriceSource, Priced};
use segue::{ErrorKind, price::Price};
use segue_models::{Key, Listed, Providers, SIZES};
use serde::Serialize;

use crate::arguments::{ListModels, ModelsArgs, ModelsOf, PriceOf};
use crate::desk;
use crate::exit::Exit;
use crate::operator::Operator;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::words;

/// Models that are there without a provider.
const OWN: [&str; 3] = ["local/extractive", "sim/schema", "sim/script"];

/// `segue.models/1`.
#[derive(Debug, Default, Serialize)]
struct Models {
    schema: &'static str,
    providers: Vec<Provider>,
    models: Vec<Model>,
    auto: IndexMap<String, Meaning>,
    /// What other names of the operator's mean.
    names: IndexMap<String, Meaning>,
}

#[derive(Debug, Serialize)]
struct Provider {
    name: String,
    api: String,
    host: String,
    /// `set (51 characters)` or `not set`; nothing where it is asked without.
    key: Option<String>,
    variable: Option<String>,
    available: bool,
    /// Why it is not.
    why: Option<String>,
    requests_per_minute: Option<u32>,
    tokens_per_minute: Option<u64>,
    max_concurrent: Option<u32>,
    /// What came of asking it for its models; nothing where it was not asked.
    probe: Option<Probe>,
}

#[derive(Debug, Serialize)]
struct Probe {
    models: Option<u64>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Model {
    name: String,
    /// How it is known: `auto name price installed probe built_in asked`.
    from: Vec<&'static str>,
    price: ModelPrice,
}

/// Dollars for a million tokens.
#[derive(Debug, Serialize)]
struct ModelPrice {
    source: PriceSource,
    input: Option<String>,
    output: Option<String>,
    cache_read: Option<String>,
    cache_write: Option<String>,
    audio: Option<String>,
}

/// What a name means: the models that are to be had, in fallback order.
#[derive(Debug, Serialize)]
struct Meaning {
    models: Vec<String>,
    /// Why nothing is.
    why: Option<String>,
}

/// Lists models, or says what one costs.
pub(crate) fn models(arguments: &ModelsArgs, program: &mut Program) -> Result<Exit, Problem> {
    let operator = program.operator(None)?;
    let found = match &arguments.what {
        ModelsOf::Ls(arguments) => list(arguments, &operator)?,
        ModelsOf::Prices(arguments) => price(arguments, &operator)?,
    };
    if program.common.json {
        program.output.object(&found);
        return Ok(Exit::Done);
    }
    let text = found.text(Paper::of(program));
    program.output.document(text.trim_end());
    Ok(Exit::Done)
}

fn list(arguments: &ListModels, operator: &Operator) -> Result<Models, Problem> {
    let providers = &operator.providers;
    let mut found = Models::new();
    let mut known: IndexMap<String, Vec<&'static str>> = IndexMap::new();
    let mut know = |name: String, from| {
        let known = known.entry(name).or_default();
        if !known.contains(&from) {
            known.push(from);
        }
    };
    for size in SIZES {
        let meaning = Meaning::of(size, providers);
        meaning
            .models
            .iter()
            .for_each(|model| know(model.clone(), "auto"));
        found.auto.insert(size.to_owned(), meaning);
    }
    for (name, _) in providers.given().filter(|(name, _)| !SIZES.contains(name)) {
        let meaning = Meaning::of(name, providers);
        meaning
            .models
            .iter()
            .for_each(|model| know(model.clone(), "name"));
        found.names.insert(name.to_owned(), meaning);
    }
    providers
        .usual()
        .into_iter()
        .for_each(|model| know(model, "auto"));
    let mut listed = providers.list();
    let probes = match arguments.probe {
        true => ask(&listed, providers)?,
        false => IndexMap::new(),
    };
    for provider in &mut listed {
        for model in provider.installed.take().unwrap_or_default() {
            know(format!("{}/{model}", provider.name), "installed");
        }
        if let Some(Ok(models)) = probes.get(&provider.name) {
            models
                .iter()
                .for_each(|model| know(format!("{}/{model}", provider.name), "probe"));
        }
    }
    for (model, _) in operator.prices.overrides() {
        know(model.to_owned(), "price");
    }
    OWN.iter().for_each(|model| know((*model).to_owned(), "built_in"));
    found.providers = listed
        .into_iter()
        .map(|listed| {
            let probe = probes.get(&listed.name).cloned();
            Provider::of(listed, probe)
        })
        .collect();
    found.models = known
        .into_iter()
        .map(|(name, from)| Model::of(name, from, operator))
        .collect();
    Ok(found)
}

type Probed = Result<Vec<String>, String>;

/// Asks every provider that is to be had which models it has.
fn ask(listed: &[Listed], providers: &Providers) -> Result<IndexMap<String, Probed>, Problem> {
    let runtime = desk::runtime()?;
    Ok(runtime.block_on(async {
        let mut probes = IndexMap::new();
        for provider in listed.iter().filter(|provider| provider.refused.is_none()) {
            probes.insert(
                provider.name.clone(),
                providers.ask(&provider.name).await.map_err(|why| why.to_string()),
            );
        }
        probes
    }))
}

fn price(arguments: &PriceOf, operator: &Operator) -> Result<Models, Problem> {
    let (name, providers) = (arguments.model.as_str(), &operator.providers);
    let is_known = name.contains('/') || providers.given().any(|(given, _)| given == name);
    if !is_known {
        let message = format!("there is no model {}", segue::fault::quote(name));
        let names = providers.given().map(|(given, _)| given).chain(SIZES);
        let problem = Problem::new(ErrorKind::NotFound, message);
        let problem = match Nearest::of(name, names, "names").hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        };
        return Err(problem.hint("write `provider/model`, such as `openai/gpt-5`"));
    }
    let models = providers.meaning(name);
    if models.is_empty() {
        let why = providers.had(name).err().unwrap_or_default();
        let message = format!("{} means no model here: {why}", segue::fault::quote(name));
        return Err(Problem::new(ErrorKind::NoModel, message));
    }
    let mut found = Models::new();
    found.models = models
        .into_iter()
        .map(|model| Model::of(model, vec!["asked"], operator))
        .collect();
    Ok(found)
}

impl Models {
    fn new() -> Self {
        Self {
            schema: "segue.models/1",
            ..Self::default()
        }
    }

    fn text(&self, paper: Paper) -> String {
        let mut parts = Vec::new();
        if !self.providers.is_empty() {
            let mut table = Table::new([
                column("provider"),
                column("api"),
                names("at"),
                column("key"),
                column("limits"),
                names("to be had"),
            ]);
            for provider in &self.providers {
                table.row(provider.row());
            }
            parts.push(table.lines(paper, "").join("\n"));
        }
        let meanings = self.auto.iter().chain(&self.names);
        let mut table = Table::new([column("name"), names("means here")]);
        for (name, meaning) in meanings {
            let means = match &meaning.why {
                Some(why) => format!("nothing: {}", words::one_line(why)),
                None => words::one_line(&meaning.models.join(", then ")),
            };
            table.row([words::one_line(name), means]);
        }
        if !table.is_empty() {
            parts.push(table.lines(paper, "").join("\n"));
        }
        let mut table = Table::new([
            names("model"),
            numbers("input"),
            numbers("output"),
            numbers("cache read"),
            numbers("cache write"),
            numbers("audio"),
            column("price from"),
            column("known by"),
        ]);
        for model in &self.models {
            table.row(model.row());
        }
        parts.push(table.lines(paper, "").join("\n"));
        parts.push("Prices are dollars for a million tokens.".to_owned());
        parts.join("\n\n")
    }
}

impl Provider {
    fn of(listed: Listed, probe: Option<Probed>) -> Self {
        let (key, variable) = match listed.key {
            Key::None => (None, None),
            Key::Set { variable, characters } => {
                (Some(format!("set ({characters} characters)")), Some(variable))
            }
            Key::Missing { variable } => (Some("not set".to_owned()), Some(variable)),
        };
        Self {
            name: listed.name,
            api: listed.api.to_string(),
            host: listed.host,
            key,
            variable,
            available: listed.refused.is_none(),
            why: listed.refused,
            requests_per_minute: listed.limits.requests_per_minute,
            tokens_per_minute: listed.limits.tokens_per_minute,
            max_concurrent: listed.limits.max_concurrent,
            probe: probe.map(|probe| match probe {
                Ok(models) => Probe {
                    models: Some(models.len() as u64),
                    error: None,
                },
                Err(error) => Probe {
                    models: None,
                    error: Some(error),
                },
            }),
        }
    }

    fn row(&self) -> [String; 6] {
        let key = match (&self.key, &self.variable) {
            (Some(key), Some(variable)) => format!("{} {key}", words::one_line(variable)),
            _ => String::new(),
        };
        let limits = [
            self.requests_per_minute
                .map(|most| format!("{most} requests/min")),
            self.tokens_per_minute.map(|most| format!("{most} tokens/min")),
            self.max_concurrent.map(|most| format!("{most} at once")),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        let probe = self.probe.as_ref();
        let why = self.why.as_ref().or(probe.and_then(|probe| probe.error.as_ref()));
        let had = match (why, probe.and_then(|probe| probe.models)) {
            (Some(why), _) => words::one_line(why),
            (None, Some(models)) => format!("yes, {}", words::plural(models, "model")),
            (None, None) => "yes".to_owned(),
        };
        [
            words::one_line(&self.name),
            self.api.clone(),
            words::one_line(&self.host),
            key,
            limits.join(", "),
            had,
        ]
    }
}

impl Model {
    fn of(name: String, from: Vec<&'static str>, operator: &Operator) -> Self {
        let (provider, model) = name.split_once('/').unwrap_or(("", &name));
        let price = ModelPrice::of(operator.prices.look_up(provider, model));
        Self { name, from, price }
    }

    fn row(&self) -> [String; 8] {
        let dollars =
            |rate: &Option<String>| rate.as_ref().map(|rate| format!("${rate}")).unwrap_or_default();
        let price = &self.price;
        let source = match price.source {
            PriceSource::List => "list",
            PriceSource::Override => "segue.toml",
            PriceSource::Local => "free",
            PriceSource::Unpriced => "unpriced",
            PriceSource::Recorded => "recorded",
        };
        let from: Vec<String> = self.from.iter().map(|from| from.replace('_', " ")).collect();
        [
            words::one_line(&self.name),
            dollars(&price.input),
            dollars(&price.output),
            dollars(&price.cache_read),
            dollars(&price.cache_write),
            dollars(&price.audio),
            source.to_owned(),
            from.join(", "),
        ]
    }
}

impl ModelPrice {
    fn of(priced: Priced) -> Self {
        let rate = |rate: fn(&Price) -> Nanousd| priced.price.as_ref().map(|price| rate(price).to_string());
        Self {
            source: priced.source,
            input: rate(|price| price.rates.input),
            output: rate(|price| price.rates.output),
            cache_read: rate(|price| price.rates.cache_read),
            cache_write: rate(|price| price.rates.cache_write),
            audio: priced
                .price
                .and_then(|price| price.rates.audio)
                .map(|rate| rate.to_string()),
        }
    }
}

impl Meaning {
    fn of(name: &str, providers: &Providers) -> Self {
        match providers.had(name) {
            Ok(models) => Self { models, why: None },
            Err(why) => Self {
                models: Vec::new(),
                why: Some(why),
            },
        }
    }
}
