//! A value put together for a schema: the branches are tried in order, the first that the schema accepts is taken.

use serde_json::{Map, Value, json};

use super::accepts::{Check, count};
use super::flat::{flat, types};
use super::pattern::Pattern;
use super::range::Range;
use super::way::{Way, implied_types, weight, words_of};

/// Where in the answer a value goes, and what is said about it there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place<'p> {
    /// The name of the nearest property; empty at the top.
    pub(crate) name: &'p str,
    /// What the schema says about the value; may be empty.
    pub(crate) description: &'p str,
    /// The keyword `format`; may be empty.
    pub(crate) format: &'p str,
    /// In a list, what this item is about.
    pub(crate) subject: Option<&'p str>,
    /// The value is itself an item of a list, rather than a property of an item.
    pub(crate) item: bool,
}

/// Where the contents of a value come from.
pub(crate) trait Source {
    /// A text of about `least` to `most` characters; it is cut or lengthened if it does not keep to them.
    fn text(&mut self, place: &Place<'_>, least: usize, most: usize) -> String;
    /// A text for `pattern`, where the source has one.
    fn matching(&mut self, place: &Place<'_>, pattern: &Pattern) -> Option<String>;
    /// A number, best between `low` and `high` where they are given.
    fn number(&mut self, place: &Place<'_>, low: Option<f64>, high: Option<f64>) -> f64;
    /// Yes or no.
    fn boolean(&mut self, place: &Place<'_>) -> bool;
    /// The numbers of the labels that fit, best first; at least one.
    fn choose(&mut self, place: &Place<'_>, labels: &[String]) -> Vec<usize>;
    /// What the items of a list of `least` to `most` values of type `kind` are about.
    fn subjects(&mut self, place: &Place<'_>, kind: &str, least: usize, most: usize) -> Vec<String>;
    /// The properties of an object of which nothing is declared.
    fn free_object(&mut self, place: &Place<'_>) -> Map<String, Value>;
    /// Whether there is nothing to say here, so that null or leaving out is the better answer.
    fn absent(&mut self, place: &Place<'_>) -> bool;
    /// One of `ways` ways, where the contents do not matter; `ways` is at least 1.
    fn draw(&mut self, ways: usize) -> usize;
}

/// A value for `schema` with contents from `source`; null where the schema cannot be satisfied here.
pub(crate) fn fill(schema: &Value, source: &mut impl Source) -> Value {
    let mut filler = Filler {
        root: schema,
        source,
        parts: 0,
    };
    filler.value(schema, &Place::default(), 0).unwrap_or(Value::Null)
}

/// Beyond this depth only what is required is filled, so that recursive schemas come to an end.
const ROOMY: usize = 10;
/// Beyond this depth nothing is filled.
const DEEPEST: usize = 40;
/// Beyond this many parts only what is required is filled …
const MANY: usize = 1000;
/// … and beyond this many nothing.
const MOST: usize = 5000;
/// Lists and texts that must be longer than this are given up.
const MOST_ITEMS: usize = 2000;
const LONGEST_TEXT: usize = 1_000_000;

struct Filler<'s, S> {
    root: &'s Value,
    source: &'s mut S,
    parts: usize,
}

impl<S: Source> Filler<'_, S> {
    fn value(&mut self, schema: &Value, place: &Place<'_>, depth: usize) -> Option<Value> {
        self.parts += 1;
        if depth > DEEPEST || self.parts > MOST {
            return None;
        }
        let keywords = flat(self.root, schema)?;
        let word = |keyword: &str| keywords.get(keyword).and_then(Value::as_str).unwrap_or("");
        let said = if word("description").is_empty() {
            word("title")
        } else {
            word("description")
        };
        let place = Place {
            description: if said.is_empty() { place.description } else { said },
            format: word("format"),
            ..*place
        };
        let mut first = None;
        for way in self.ways(&keywords, &place, depth) {
            let Some(value) = self.by(&way, &keywords, &place, depth) else {
                continue;
            };
            if Check::within(self.root).accepts_flat(&keywords, &value, 0) {
                return Some(value);
            }
            first.get_or_insert(value);
        }
        let declared = keywords.get("default").into_iter().chain(
            keywords
                .get("examples")
                .and_then(Value::as_array)
                .into_iter()
                .flatten(),
        );
        declared
            .into_iter()
            .find(|value| Check::within(self.root).accepts_flat(&keywords, value, 0))
            .cloned()
            .or(first)
    }

    /// The ways to come by a value, in the order in which they are tried.
    fn ways(&mut self, keywords: &Map<String, Value>, place: &Place<'_>, depth: usize) -> Vec<Way> {
        if let Some(value) = keywords.get("const") {
            return vec![Way::Given(value.clone())];
        }
        if let Some(Value::Array(all)) = keywords.get("enum") {
            let order = self.source.choose(place, &labels(all));
            let rest = (0..all.len()).filter(|at| !order.contains(at));
            return order
                .iter()
                .copied()
                .chain(rest)
                .filter_map(|at| all.get(at).cloned())
                .map(Way::Given)
                .collect();
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = keywords.get(keyword) {
                return self.branches(keywords, keyword, branches, place, depth);
            }
        }
        if let Some(condition) = keywords.get("if") {
            let mut rest = keywords.clone();
            let [then, other] =
                ["then", "else"].map(|keyword| keywords.get(keyword).cloned().unwrap_or(json!(true)));
            rest.retain(|keyword, _| !["if", "then", "else"].contains(&keyword.as_str()));
            return vec![
                Way::Schema(json!({ "allOf": [rest, condition, then] })),
                Way::Schema(json!({ "allOf": [rest, other] })),
            ];
        }
        let mut ways: Vec<Way> = match keywords.get("type") {
            Some(named) => types(named).into_iter().flat_map(Way::typed).collect(),
            None => implied_types(keywords).into_iter().flat_map(Way::typed).collect(),
        };
        let absent = ways.iter().any(|way| matches!(way, Way::Null))
            && (self.tight(depth) || self.source.absent(place));
        ways.sort_by_key(|way| matches!(way, Way::Null) != absent);
        ways
    }

    fn branches(
        &mut self,
        keywords: &Map<String, Value>,
        keyword: &str,
        branches: &[Value],
        place: &Place<'_>,
        depth: usize,
    ) -> Vec<Way> {
        let mut rest = keywords.clone();
        rest.shift_remove(keyword);
        let mut order: Vec<usize> = (0..branches.len()).collect();
        if self.tight(depth) {
            order.sort_by_key(|at| weight(self.root, &branches[*at]));
        } else {
            let titles: Vec<Value> = branches
                .iter()
                .map(|branch| json!(words_of(self.root, branch)))
                .collect();
            let chosen = self.source.choose(place, &labels(&titles));
            let nullable = branches.iter().any(|branch| weight(self.root, branch) == 0);
            let absent = nullable && self.source.absent(place);
            order.sort_by_key(|at| {
                let null = weight(self.root, &branches[*at]) == 0;
                (
                    nullable && null != absent,
                    chosen.iter().position(|one| one == at).unwrap_or(usize::MAX),
                    *at,
                )
            });
        }
        let only = |at: usize| -> Value {
            if keyword == "anyOf" {
                return Value::Bool(true);
            }
            let others: Vec<&Value> = branches
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .map(|(_, branch)| branch)
                .collect();
            if others.is_empty() {
                Value::Bool(true)
            } else {
                json!({ "not": { "anyOf": others } })
            }
        };
        order
            .into_iter()
            .map(|at| Way::Schema(json!({ "allOf": [rest, branches[at], only(at)] })))
            .collect()
    }

    fn by(
        &mut self,
        way: &Way,
        keywords: &Map<String, Value>,
        place: &Place<'_>,
        depth: usize,
    ) -> Option<Value> {
        match way {
            Way::Given(value) => Some(value.clone()),
            Way::Schema(schema) => self.value(schema, place, depth + 1),
            Way::Null => Some(Value::Null),
            Way::Boolean => Some(Value::Bool(self.source.boolean(place))),
            Way::Number { whole } => {
                let range = Range::of(keywords, *whole);
                let number = self.source.number(place, range.low, range.high);
                Some(range.nearest(number))
            }
            Way::Step { whole, count } => Some(Range::of(keywords, *whole).step(*count)),
            Way::Text => self.text(keywords, place).map(Value::String),
            Way::List => self.list(keywords, place, depth).map(Value::Array),
            Way::Object => self.object(keywords, place, depth).map(Value::Object),
        }
    }

    fn text(&mut self, keywords: &Map<String, Value>, place: &Place<'_>) -> Option<String> {
        let least = keywords.get("minLength").and_then(count).unwrap_or(0);
        let most = keywords.get("maxLength").and_then(count).unwrap_or(usize::MAX);
        if least > LONGEST_TEXT || least > most {
            return None;
        }
        let text = self.source.text(place, least, most);
        let Some(pattern) = keywords
            .get("pattern")
            .and_then(Value::as_str)
            .and_then(Pattern::read)
        else {
            return Some(fit(text, least, most));
        };
        let right = |text: &String| (least..=most).contains(&text.chars().count()) && pattern.matches(text);
        let fitted = fit(text, least, most);
        if right(&fitted) {
            return Some(fitted);
        }
        if let Some(found) = self.source.matching(place, &pattern).filter(right) {
            return Some(found);
        }
        let mut written = (2..=least.max(2)).chain([1, 0]).take(200);
        written
            .find_map(|stretch| {
                pattern
                    .write(stretch, &mut |ways| self.source.draw(ways.max(1)))
                    .filter(right)
            })
            .or(Some(fitted))
    }

    fn list(&mut self, keywords: &Map<String, Value>, place: &Place<'_>, depth: usize) -> Option<Vec<Value>> {
        let least = keywords.get("minItems").and_then(count).unwrap_or(0);
        let most = keywords
            .get("maxItems")
            .and_then(count)
            .unwrap_or(MOST_ITEMS)
            .min(MOST_ITEMS);
        let unique = keywords.get("uniqueItems").and_then(Value::as_bool) == Some(true);
        if least > most {
            return None;
        }
        let mut list = Vec::new();
        for schema in keywords
            .get("prefixItems")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .take(most)
        {
            list.push(self.value(schema, &Place { item: true, ..*place }, depth + 1)?);
        }
        let contains = keywords.get("contains");
        let needed = contains.map_or(0, |_| keywords.get("minContains").and_then(count).unwrap_or(1));
        for at in 0..needed.min(most.saturating_sub(list.len())) {
            let schema = json!({ "allOf": [contains, keywords.get("items").unwrap_or(&Value::Bool(true))] });
            let subject = at.to_string();
            let place = Place {
                item: true,
                subject: (unique && at > 0).then_some(subject.as_str()),
                ..*place
            };
            list.push(self.value(&schema, &place, depth + 1)?);
        }
        let free = Value::Bool(true);
        let items = keywords.get("items").unwrap_or(&free);
        let Some(item) = flat(self.root, items) else {
            return Some(list);
        };
        if let Some(Value::Array(all)) = item.get("enum") {
            self.labels(all, place, (least, most, unique), &mut list);
            return Some(list);
        }
        let most = if self.tight(depth) || (needed > 0 && list.len() >= least) {
            least
        } else {
            most
        };
        let kind = item
            .get("type")
            .map(types)
            .and_then(|names| names.first().copied())
            .unwrap_or("");
        let wanted = least.saturating_sub(list.len());
        let subjects = if list.len() >= most {
            Vec::new()
        } else {
            self.source.subjects(place, kind, wanted, most - list.len())
        };
        for subject in &subjects {
            if list.len() >= most {
                break;
            }
            let place = Place {
                subject: Some(subject),
                item: true,
                ..*place
            };
            if let Some(value) = self
                .value(items, &place, depth + 1)
                .filter(|value| !unique || !list.contains(value))
            {
                list.push(value);
            }
        }
        self.pad(items, &item, place, (least, unique), depth, &mut list);
        Some(list)
    }

    /// The fitting ones of a list's labels; others only where more are required.
    fn labels(
        &mut self,
        all: &[Value],
        place: &Place<'_>,
        (least, most, unique): (usize, usize, bool),
        list: &mut Vec<Value>,
    ) {
        let fitting = self.source.choose(place, &labels(all));
        let rest: Vec<usize> = (0..all.len()).filter(|at| !fitting.contains(at)).collect();
        let fits = fitting.len();
        for (tried, at) in fitting.into_iter().chain(rest).enumerate() {
            if list.len() < most && (tried < fits || list.len() < least) && !list.contains(&all[at]) {
                list.push(all[at].clone());
            }
        }
        while let (true, Some(last)) = (list.len() < least && !unique, list.last().cloned()) {
            list.push(last);
        }
    }

    /// Lengthens `list` to `least` items where the source had too few.
    fn pad(
        &mut self,
        items: &Value,
        item: &Map<String, Value>,
        place: &Place<'_>,
        (least, unique): (usize, bool),
        depth: usize,
        list: &mut Vec<Value>,
    ) {
        let numbers = item
            .get("type")
            .map(types)
            .is_some_and(|names| names.iter().any(|name| ["integer", "number"].contains(name)));
        let range = Range::of(
            item,
            item.get("type")
                .map(types)
                .is_some_and(|names| !names.contains(&"number")),
        );
        for tried in 0..4 * least + 16 {
            if list.len() >= least {
                return;
            }
            let value = if !unique && !list.is_empty() {
                list.last().cloned()
            } else if numbers {
                Some(range.step(tried))
            } else if !unique || tried > 1 || item.get("type") != Some(&json!("boolean")) {
                let subject = format!(
                    "{} {}",
                    tried + 1,
                    if place.name.is_empty() { "item" } else { place.name }
                );
                self.value(
                    items,
                    &Place {
                        subject: Some(&subject),
                        item: true,
                        ..*place
                    },
                    depth + 1,
                )
            } else {
                Some(json!(tried == 0))
            };
            match value {
                Some(value) if !unique || !list.contains(&value) => list.push(value),
                Some(_) => {}
                None => return,
            }
        }
    }

    fn object(
        &mut self,
        keywords: &Map<String, Value>,
        place: &Place<'_>,
        depth: usize,
    ) -> Option<Map<String, Value>> {
        let declared = keywords.get("properties").and_then(Value::as_object);
        let required: Vec<&str> = keywords
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let least = keywords
            .get("minProperties")
            .and_then(count)
            .unwrap_or(0)
            .min(MOST_ITEMS);
        let most = keywords
            .get("maxProperties")
            .and_then(count)
            .unwrap_or(usize::MAX);
        let mut object = Map::new();
        let mut optional = most.saturating_sub(required.len());
        for (name, schema) in declared.into_iter().flatten() {
            let inner = Place {
                name,
                description: "",
                item: false,
                ..*place
            };
            if required.contains(&name.as_str()) {
                object.insert(name.clone(), self.value(schema, &inner, depth + 1)?);
                continue;
            }
            let described = schema.get("description").and_then(Value::as_str).unwrap_or("");
            let wanted = object.len() < least
                || (!self.tight(depth)
                    && !self.source.absent(&Place {
                        description: described,
                        ..inner
                    }));
            if optional == 0 || !wanted {
                continue;
            }
            let value = self.value(schema, &inner, depth + 1);
            if let Some(value) = value.filter(|value| Check::within(self.root).accepts(schema, value, 0)) {
                object.insert(name.clone(), value);
                optional -= 1;
            }
        }
        let extra = |name: &str| -> Value {
            let by_pattern = keywords
                .get("patternProperties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            let matching = by_pattern
                .filter(|(source, _)| Pattern::read(source).is_some_and(|pattern| pattern.matches(name)));
            let parts: Vec<Value> = matching.map(|(_, schema)| schema.clone()).collect();
            let rest = keywords
                .get("additionalProperties")
                .cloned()
                .unwrap_or(Value::Bool(true));
            if parts.is_empty() {
                rest
            } else {
                json!({ "allOf": parts })
            }
        };
        for name in required {
            if !object.contains_key(name) {
                let value = self.value(
                    &extra(name),
                    &Place {
                        name,
                        description: "",
                        item: false,
                        ..*place
                    },
                    depth + 1,
                )?;
                object.insert(name.to_owned(), value);
            }
        }
        if object.is_empty() && declared.is_none() && !self.tight(depth) && place.subject.is_none() {
            let free = self.source.free_object(place);
            if Check::within(self.root).accepts_flat(keywords, &Value::Object(free.clone()), 0) {
                return Some(free);
            }
        }
        let names = keywords
            .get("propertyNames")
            .and_then(|schema| flat(self.root, schema));
        for tried in 0..4 * least {
            if object.len() >= least {
                break;
            }
            let subject = format!("extra_{}", tried + 1);
            let name = match &names {
                Some(rules) => self.text(
                    rules,
                    &Place {
                        name: "name",
                        subject: Some(&subject),
                        item: true,
                        ..*place
                    },
                )?,
                None => subject,
            };
            if let Some(value) = self.value(
                &extra(&name),
                &Place {
                    name: &name,
                    description: "",
                    item: false,
                    ..*place
                },
                depth + 1,
            ) {
                object.insert(name, value);
            }
        }
        Some(object)
    }

    fn tight(&self, depth: usize) -> bool {
        depth > ROOMY || self.parts > MANY
    }
}

fn labels(values: &[Value]) -> Vec<String> {
    values
        .iter()
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect()
}

/// `text` with `least` to `most` characters, cut after a word where that loses less than half.
fn fit(text: String, least: usize, most: usize) -> String {
    let length = text.chars().count();
    if length > most {
        let cut: String = text.chars().take(most).collect();
        let word = cut.rfind(char::is_whitespace).map(|at| cut[..at].trim_end());
        return match word.filter(|word| word.chars().count() >= least.max(most / 2) && !word.is_empty()) {
            Some(word) => word.to_owned(),
            None => cut,
        };
    }
    if length < least {
        let unit = if text.trim().is_empty() {
            "–".to_owned()
        } else {
            format!(" {text}")
        };
        return text.chars().chain(unit.chars().cycle()).take(least).collect();
    }
    text
}
