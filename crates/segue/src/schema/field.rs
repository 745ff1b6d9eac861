//! Looking into a schema: fields along a path, known values, references written out.

use serde_json::{Map, Value, json};

use super::Schema;
use super::limits::{MAX_FOLLOWED, resolve};
use super::type_set::{self, TypeSet, list};

/// The most schemas a field may have at once before nothing is said about it.
const MAX_ALTERNATIVES: usize = 64;

/// The most parts of a schema that is written out; what lies beyond is left open.
const MAX_WRITTEN_OUT: usize = 10_000;

/// What a schema says about a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// The field's type.
    Schema(Schema),
    /// The schema leaves open whether there is such a field, or of what type.
    Unknown,
    /// There can be no such field.
    Missing {
        /// Which segment of the path leads nowhere, from 0.
        at: usize,
        /// The fields there are in its place.
        fields: Vec<String>,
    },
}

impl Schema {
    /// What it says about the field along a path; elements of lists are reached by their index.
    ///
    /// Alternatives that are null are passed over: whether a value may be null is a question of its own.
    pub fn field(&self, path: &[&str]) -> Known {
        let root = self.as_json();
        let mut schemas = vec![root];
        for (at, segment) in path.iter().enumerate() {
            match look_up_any(&schemas, segment, root) {
                LookUp::Found(found) if found.len() <= MAX_ALTERNATIVES => schemas = found,
                LookUp::Found(_) | LookUp::Open => return Known::Unknown,
                LookUp::Absent(fields) => return Known::Missing { at, fields },
            }
        }
        let mut alternatives: Vec<Value> = schemas.iter().map(|schema| written_out(schema, root)).collect();
        alternatives.dedup();
        Known::Schema(Self::derived(match alternatives.len() {
            1 => alternatives.remove(0),
            _ => json!({"anyOf": alternatives}),
        }))
    }

    /// The type of the elements of a list, where it is known.
    pub fn element(&self) -> Option<Schema> {
        match self.field(&["0"]) {
            Known::Schema(schema) => Some(schema),
            _ => None,
        }
    }

    /// All values there are, where the schema lists them: an `enum`, a `const`, a boolean, or alternatives of these.
    pub fn enum_values(&self) -> Option<Vec<Value>> {
        let mut values = Vec::new();
        collect_values(self.as_json(), self.as_json(), MAX_FOLLOWED, &mut values)?;
        let mut distinct: Vec<Value> = Vec::with_capacity(values.len());
        for value in values {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        Some(distinct)
    }
}

enum LookUp<'a> {
    Found(Vec<&'a Value>),
    Open,
    Absent(Vec<String>),
}

/// A field in a value that has any one of several types.
fn look_up_any<'a>(schemas: &[&'a Value], name: &str, root: &'a Value) -> LookUp<'a> {
    let answers = schemas
        .iter()
        .filter(|schema| type_set::of(schema, root) != TypeSet::NULL)
        .map(|schema| look_up(schema, name, root, MAX_FOLLOWED));
    either(answers)
}

/// Alternatives: a field is missing only if all of them lack it, and known only if none leaves it open.
fn either<'a>(answers: impl Iterator<Item = LookUp<'a>>) -> LookUp<'a> {
    let mut found = Vec::new();
    let mut fields: Vec<String> = Vec::new();
    for answer in answers {
        match answer {
            LookUp::Open => return LookUp::Open,
            LookUp::Found(more) => found.extend(more),
            LookUp::Absent(others) => {
                for field in others {
                    if !fields.contains(&field) {
                        fields.push(field);
                    }
                }
            }
        }
    }
    match found.is_empty() {
        true => LookUp::Absent(fields),
        false => LookUp::Found(found),
    }
}

fn look_up<'a>(schema: &'a Value, name: &str, root: &'a Value, left: usize) -> LookUp<'a> {
    let map = match schema {
        Value::Bool(false) => return LookUp::Absent(Vec::new()),
        Value::Object(map) if left > 0 => map,
        _ => return LookUp::Open,
    };
    if !type_set::of(schema, root).meets(TypeSet::OBJECT.or(TypeSet::ARRAY)) {
        return LookUp::Absent(Vec::new());
    }
    let own = own_field(map, name);
    let mut closed = None;
    match own {
        LookUp::Found(found) => return LookUp::Found(found),
        LookUp::Absent(fields) => closed = Some(fields),
        LookUp::Open => {}
    }
    let referred = map.get("$ref").and_then(|reference| resolve(reference, root));
    for part in referred.into_iter().chain(list(map.get("allOf"))) {
        match look_up(part, name, root, left - 1) {
            LookUp::Found(found) => return LookUp::Found(found),
            LookUp::Absent(fields) => closed.get_or_insert_default().extend(fields),
            LookUp::Open => {}
        }
    }
    for keyword in ["anyOf", "oneOf"] {
        if !map.contains_key(keyword) {
            continue;
        }
        let branches = list(map.get(keyword)).iter();
        let branches = branches.filter(|branch| type_set::of(branch, root) != TypeSet::NULL);
        match either(branches.map(|branch| look_up(branch, name, root, left - 1))) {
            LookUp::Found(found) => return LookUp::Found(found),
            LookUp::Absent(fields) => closed.get_or_insert_default().extend(fields),
            LookUp::Open => {}
        }
    }
    closed.map_or(LookUp::Open, LookUp::Absent)
}

/// A field by the keywords of one schema alone.
fn own_field<'a>(map: &'a Map<String, Value>, name: &str) -> LookUp<'a> {
    let properties = map.get("properties").and_then(Value::as_object);
    if let Some(schema) = properties.and_then(|properties| properties.get(name)) {
        return LookUp::Found(vec![schema]);
    }
    if let Ok(index) = name.parse::<usize>() {
        let prefix = list(map.get("prefixItems"));
        if let Some(schema) = prefix.get(index).or_else(|| map.get("items")) {
            return LookUp::Found(vec![schema]);
        }
    } else if map.get("type").and_then(Value::as_str) == Some("array") {
        return LookUp::Absent(Vec::new());
    }
    if map.contains_key("patternProperties") {
        return LookUp::Open;
    }
    let fields = || {
        properties
            .map(|map| map.keys().cloned().collect())
            .unwrap_or_default()
    };
    match map
        .get("additionalProperties")
        .or_else(|| map.get("unevaluatedProperties"))
    {
        Some(Value::Bool(false)) => LookUp::Absent(fields()),
        Some(schema @ Value::Object(_)) => LookUp::Found(vec![schema]),
        _ => LookUp::Open,
    }
}

fn collect_values(schema: &Value, root: &Value, left: usize, values: &mut Vec<Value>) -> Option<()> {
    let Value::Object(map) = schema else {
        return None;
    };
    if left == 0 {
        return None;
    }
    if let Some(value) = map.get("const") {
        values.push(value.clone());
    } else if let Some(Value::Array(listed)) = map.get("enum") {
        values.extend(listed.iter().cloned());
    } else if let Some(branches) = map.get("anyOf").or_else(|| map.get("oneOf")) {
        for branch in list(Some(branches)) {
            collect_values(branch, root, left - 1, values)?;
        }
    } else if let Some(target) = map.get("$ref").and_then(|reference| resolve(reference, root)) {
        return collect_values(target, root, left - 1, values);
    } else {
        let types = type_set::of(schema, root);
        if types == TypeSet::NOTHING || types.without(TypeSet::BOOLEAN.or(TypeSet::NULL)) != TypeSet::NOTHING
        {
            return None;
        }
        if types.contains(TypeSet::BOOLEAN) {
            values.extend([Value::Bool(true), Value::Bool(false)]);
        }
        if types.contains(TypeSet::NULL) {
            values.push(Value::Null);
        }
    }
    Some(())
}

/// A schema with its references replaced by their targets; where it would never end or grow too large, it is left open.
pub(super) fn written_out(schema: &Value, root: &Value) -> Value {
    let mut left = MAX_WRITTEN_OUT;
    write_out(schema, root, &mut Vec::new(), &mut left)
}

fn write_out<'a>(schema: &'a Value, root: &'a Value, within: &mut Vec<&'a Value>, left: &mut usize) -> Value {
    if *left == 0 {
        return json!({});
    }
    *left -= 1;
    match schema {
        Value::Object(map) => {
            let Some(reference) = map.get("$ref").filter(|reference| reference.is_string()) else {
                let kept = map
                    .iter()
                    .filter(|(keyword, _)| !matches!(keyword.as_str(), "$defs" | "definitions" | "$id"));
                return kept
                    .map(|(key, value)| (key.clone(), write_out(value, root, within, left)))
                    .collect();
            };
            let Some(target) = resolve(reference, root) else {
                return json!({});
            };
            if within.len() >= MAX_FOLLOWED || within.iter().any(|&outer| std::ptr::eq(outer, target)) {
                return json!({});
            }
            within.push(target);
            let mut written = write_out(target, root, within, left);
            within.pop();
            if let Value::Object(written) = &mut written {
                for (keyword, value) in map {
                    if keyword != "$ref" && !written.contains_key(keyword) {
                        written.insert(keyword.clone(), write_out(value, root, within, left));
                    }
                }
            }
            written
        }
        Value::Array(items) => items
            .iter()
            .map(|item| write_out(item, root, within, left))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::yaml;
    use super::*;

    fn missing(at: usize, fields: &[&str]) -> Known {
        Known::Missing {
            at,
            fields: fields.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn fields_are_looked_up() {
        let known = |schema: &str, path: &[&str]| yaml(schema).field(path);
        let string = || Known::Schema(Schema::string());
        assert_eq!(known("{a: {b: string}}", &["a", "b"]), string());
        assert_eq!(
            known("{a: {b: string, c: any}}", &["a", "x"]),
            missing(1, &["b", "c"])
        );
        assert_eq!(known("string", &["x"]), missing(0, &[]));
        assert_eq!(known("[{a: string}]", &["0", "a"]), string());
        assert_eq!(known("[{a: string}]", &["a"]), missing(0, &[]));
        assert_eq!(known("any", &["x"]), Known::Unknown);
        assert_eq!(known("object", &["x"]), Known::Unknown);
        assert_eq!(
            known("{type: object, properties: {a: string}}", &["x"]),
            Known::Unknown
        );
        assert_eq!(
            known("{type: object, additionalProperties: string}", &["x"]),
            string()
        );
        assert_eq!(known("{anyOf: [{a: string}, 'null']}", &["a"]), string());
        assert_eq!(
            known("{anyOf: [{a: string}, 'null']}", &["x"]),
            missing(0, &["a"])
        );
        assert_eq!(
            known("{anyOf: [{a: string}, {b: string}]}", &["x"]),
            missing(0, &["a", "b"])
        );
        assert_eq!(known("{anyOf: [{a: string}, object]}", &["x"]), Known::Unknown);
        assert_eq!(known("{enum: [a, b]}", &["x"]), missing(0, &[]));
        let tree = "{$ref: '#/$defs/n', $defs: {n: {type: object, additionalProperties: false, \
                    properties: {v: string, next: {anyOf: [{$ref: '#/$defs/n'}, 'null']}}}}}";
        assert_eq!(known(tree, &["v"]), string());
        assert_eq!(known(tree, &["next", "next", "next", "v"]), string());
        assert_eq!(known(tree, &["next", "x"]), missing(1, &["v", "next"]));
        assert!(matches!(known(tree, &["next"]), Known::Schema(schema) if schema.may_be_null()));
        assert_eq!(yaml("[string]").element(), Some(Schema::string()));
        assert_eq!(yaml("string").element(), None);
    }

    #[test]
    fn listed_values() {
        let table = [
            ("{enum: [simple, complex]}", Some(json!(["simple", "complex"]))),
            ("{const: 3}", Some(json!([3]))),
            ("boolean", Some(json!([true, false]))),
            ("boolean|null", Some(json!([true, false, null]))),
            (
                "{oneOf: [{const: a}, {const: b}, {const: a}]}",
                Some(json!(["a", "b"])),
            ),
            ("{$ref: '#/$defs/k', $defs: {k: {enum: [a]}}}", Some(json!(["a"]))),
            ("{anyOf: [{enum: [a]}, string]}", None),
            ("string", None),
            ("any", None),
        ];
        for (schema, expected) in table {
            assert_eq!(yaml(schema).enum_values().map(Value::Array), expected, "{schema}");
        }
    }
}
