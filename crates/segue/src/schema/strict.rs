//! Strict schemas, which providers can enforce while a model writes: closed objects with every field required.

use serde_json::Value;

use super::limits::{children, is_unconstrained};
use super::{Schema, Violation};

impl Schema {
    /// Whether a provider can enforce it.
    pub fn is_strict(&self) -> bool {
        self.strict_flaws().is_empty()
    }

    /// What keeps it from being strict, each with the JSON pointer into the schema.
    pub fn strict_flaws(&self) -> Vec<Violation> {
        let mut flaws = Vec::new();
        let mut open = vec![(String::new(), self.as_json())];
        while let Some((pointer, schema)) = open.pop() {
            let mut flaw = |message: String| {
                flaws.push(Violation {
                    pointer: pointer.clone(),
                    message,
                });
            };
            if is_unconstrained(schema) {
                flaw("says nothing about the value".to_owned());
            }
            let Value::Object(map) = schema else {
                continue;
            };
            let is_object = map.get("type").is_some_and(|types| {
                types == "object"
                    || types
                        .as_array()
                        .is_some_and(|types| types.iter().any(|word| word == "object"))
            });
            if is_object {
                if map.get("additionalProperties") != Some(&Value::Bool(false)) {
                    flaw("an object needs `additionalProperties: false`".to_owned());
                }
                let required = map.get("required").and_then(Value::as_array);
                let fields = map.get("properties").and_then(Value::as_object);
                for name in fields.into_iter().flat_map(|fields| fields.keys()) {
                    if !required.is_some_and(|required| required.iter().any(|other| other == name)) {
                        flaw(format!(
                            "{} needs to be required; let it be null instead",
                            crate::fault::quote(name)
                        ));
                    }
                }
            }
            if map.get("type") == Some(&Value::from("array")) && !map.contains_key("items") {
                flaw("a list needs `items`".to_owned());
            }
            let inner = children(map)
                .into_iter()
                .filter(|(_, child, _)| !child.is_boolean());
            open.extend(inner.map(|(rest, child, _)| (format!("{pointer}{rest}"), child)));
        }
        flaws.sort_by(|a, b| a.pointer.cmp(&b.pointer));
        flaws
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::yaml;

    #[test]
    fn strict_schemas() {
        for schema in ["string", "{a: string, b: [integer|null]}", "{enum: [a]}"] {
            assert_eq!(yaml(schema).strict_flaws(), [], "{schema}");
        }
        let flaws = |schema: &str| -> Vec<String> {
            yaml(schema)
                .strict_flaws()
                .iter()
                .map(|flaw| format!("{}: {}", flaw.pointer, flaw.message))
                .collect()
        };
        assert_eq!(
            flaws("object"),
            [": an object needs `additionalProperties: false`"]
        );
        assert_eq!(
            flaws("{a: [any]}"),
            ["/properties/a/items: says nothing about the value"]
        );
        assert_eq!(
            flaws(
                "{type: object, additionalProperties: false, properties: {a: string, b: string}, required: [a]}"
            ),
            [": `b` needs to be required; let it be null instead"]
        );
        assert!(!yaml("any").is_strict());
    }
}
