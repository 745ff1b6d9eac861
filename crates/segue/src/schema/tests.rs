use proptest::prelude::*;

use super::*;

fn no_files(_: &str, _: &str) -> Option<Value> {
    None
}

pub(super) fn read(json: Value) -> Schema {
    Schema::read(&json, &mut no_files).unwrap_or_else(|flaws| panic!("{json}: {flaws:?}"))
}

/// A schema from YAML text, as a file has it.
pub(super) fn yaml(text: &str) -> Schema {
    let doc = crate::file::yaml::parse(format!("t: {text}\n").as_bytes(), "f")
        .unwrap_or_else(|faults| panic!("{faults}"));
    read(doc.root.to_json()["t"].clone())
}

/// `code pointer: message` and the hint of the first flaw.
fn flaw(json: Value) -> (String, String) {
    let flaws = Schema::read(&json, &mut no_files).expect_err(&json.to_string());
    let flaw = &flaws[0];
    (
        format!("{} {}: {}", flaw.code, flaw.pointer, flaw.message),
        flaw.hint.clone().unwrap_or_default(),
    )
}

#[test]
fn every_short_form() {
    let table = [
        ("string", json!({"type": "string"})),
        ("any", json!({})),
        ("{}", json!({})),
        ("string|null", json!({"type": ["string", "null"]})),
        ("integer | string", json!({"type": ["integer", "string"]})),
        ("[string]", json!({"type": "array", "items": {"type": "string"}})),
        (
            "[[any]]",
            json!({"type": "array", "items": {"type": "array", "items": {}}}),
        ),
        (
            "{a: string, b: [number|null]}",
            json!({
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": ["number", "null"]}}},
                "required": ["a", "b"],
                "additionalProperties": false
            }),
        ),
        (
            "{type: string, minLength: 1}",
            json!({"type": "string", "minLength": 1}),
        ),
        (
            "{type: array, items: integer}",
            json!({"type": "array", "items": {"type": "integer"}}),
        ),
        ("{type: [string, array]}", json!({"type": ["string", "array"]})),
        (
            "{type: object|null, default: null}",
            json!({"type": ["object", "null"], "default": null}),
        ),
        ("{type: any, default: 3}", json!({"default": 3})),
        (
            "{enum: [length, model], default: length}",
            json!({"enum": ["length", "model"], "default": "length"}),
        ),
        (
            "{type: object, properties: {a: string|null, b: {c: integer}}, additionalProperties: false}",
            json!({
                "type": "object",
                "properties": {
                    "a": {"type": ["string", "null"]},
                    "b": {"type": "object", "properties": {"c": {"type": "integer"}}, "required": ["c"],
                          "additionalProperties": false}
                },
                "additionalProperties": false
            }),
        ),
        (
            "{anyOf: [string, [string]]}",
            json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(yaml(text).as_json(), &expected, "{text}");
    }
}

#[test]
fn what_is_no_type_is_explained() {
    let table = [
        (
            json!("str"),
            "bad_schema : there is no type `str`",
            "write `string`",
        ),
        (
            json!("strng"),
            "bad_schema : there is no type `strng`",
            "did you mean `string`?",
        ),
        (
            json!("string?"),
            "bad_schema : there is no type `string?`",
            "write `string|null`",
        ),
        (json!("string|"), "bad_schema : there is no type ``", "types: "),
        (
            json!("string|string"),
            "bad_schema : `string` is named twice",
            "once",
        ),
        (json!("any|null"), "bad_schema : `any` is every type", "alone"),
        (
            json!([]),
            "bad_schema : a list type has one element type, found 0",
            "write `[T]`",
        ),
        (
            json!(["string", "null"]),
            "bad_schema : a list type has one element type, found 2",
            "write `[T]`",
        ),
        (
            json!({"a": {"b/c": 3}}),
            "bad_schema /a/b~1c: a type is a word, a list or a map, found `3`",
            "`type`",
        ),
        (
            json!({"minimum": 0}),
            "bad_schema /minimum: a type is a word",
            "full schema has one of `type`",
        ),
        (
            json!(null),
            "bad_schema : a type is a word, a list or a map, found `null`",
            "",
        ),
        (
            json!({"type": "string", "minLenght": 1}),
            "bad_schema /minLenght: `minLenght` is no keyword",
            "did you mean `minLength`?",
        ),
        (
            json!({"type": "string", "sender": "string"}),
            "bad_schema /sender: `sender` is no keyword",
            "long form",
        ),
        (
            json!({"type": "strin"}),
            "bad_schema /type: there is no type `strin`",
            "did you mean `string`?",
        ),
        (
            json!({"type": "string", "minLength": "x"}),
            "bad_schema /minLength: needs an integer",
            "",
        ),
        (
            json!({"type": "string", "pattern": "(?<=a)b"}),
            "bad_pattern /pattern: `(?<=a)b` is no pattern",
            "look-around",
        ),
        (
            json!({"type": "string", "pattern": "("}),
            "bad_pattern /pattern: `(` is no pattern",
            "",
        ),
        (
            json!({"$ref": "https://example.org/x.json"}),
            "bad_schema /$ref: `$ref` needs a place in this schema",
            "#/$defs/NAME",
        ),
        (
            json!({"$ref": "other.json#/a"}),
            "bad_schema /$ref: `$ref` needs a place in this schema",
            "#/$defs/NAME",
        ),
        (
            json!({"$ref": "#/$defs/no"}),
            "bad_schema /$ref: there is no schema at `#/$defs/no`",
            "",
        ),
        (
            json!({"$ref": "#"}),
            "bad_schema : this type is defined by itself",
            "only in a field",
        ),
        (
            json!({"type": "any", "allOf": [{"$ref": "#"}]}),
            "bad_schema : this type is defined by itself",
            "only in a field",
        ),
        (
            json!({"file": "x.json", "type": "string"}),
            "bad_schema /type: `type` cannot stand beside `file`",
            "",
        ),
        (json!({"file": 3}), "bad_schema /file: `file` needs a path", ""),
    ];
    for (json, message, hint) in table {
        let found = flaw(json.clone());
        assert!(found.0.starts_with(message), "{json}: {}", found.0);
        assert!(found.1.contains(hint), "{json}: {}", found.1);
    }
}

#[test]
fn independent_flaws_are_found_together() {
    let flaws = Schema::read(&json!({"a": "str", "b": [], "c": {"type": "x"}}), &mut no_files)
        .expect_err("three flaws");
    let pointers: Vec<_> = flaws.iter().map(|flaw| flaw.pointer.as_str()).collect();
    assert_eq!(pointers, ["/a", "/b", "/c/type"]);
}

#[test]
fn limits_of_a_schema() {
    let deep = (0..40).fold(json!("string"), |inner, _| json!([inner]));
    assert!(flaw(deep).0.starts_with("too_deep /0/0"));
    assert!(
        flaw(json!({"enum": ["x".repeat(MAX_SCHEMA_BYTES)]}))
            .0
            .starts_with("too_large : a schema has at most")
    );
    // Each level doubles the schemas applied to one value.
    let mut defs = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
        defs.insert(format!("l{level}"), json!({"allOf": [next, next]}));
    }
    defs.insert("l40".into(), json!({"type": "string"}));
    assert!(
        flaw(json!({"$defs": defs, "$ref": "#/$defs/l0"}))
            .0
            .starts_with("too_large")
    );
    // A long chain of references is as deep as it is long.
    let mut defs = serde_json::Map::new();
    for level in 0..900 {
        defs.insert(
            format!("l{level}"),
            json!({"$ref": format!("#/$defs/l{}", level + 1)}),
        );
    }
    defs.insert("l900".into(), json!({"type": "string"}));
    assert!(
        flaw(json!({"$defs": defs, "$ref": "#/$defs/l0"}))
            .0
            .starts_with("too_large")
    );
}

#[test]
fn hostile_patterns_run_in_linear_time() {
    let schema = read(json!({"type": "string", "pattern": "^(a+)+$"}));
    assert!(!schema.is_valid(&json!(format!("{}b", "a".repeat(100_000)))));
    assert!(
        flaw(json!({"type": "string", "pattern": "((a{1000}){1000}){1000}"}))
            .0
            .starts_with("bad_pattern")
    );
}

#[test]
fn a_file_gives_its_schema() {
    let mut asked = Vec::new();
    let mut files = |pointer: &str, path: &str| {
        asked.push(format!("{pointer} {path}"));
        match path {
            "short.json" => Some(json!({"a": "string"})),
            "full.json" => Some(
                json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "integer", "minimum": 1}),
            ),
            "refs.json" => Some(
                json!({"type": "object", "$defs": {"x": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/x"}}}),
            ),
            "bad.json" => Some(json!({"a": "str"})),
            _ => None,
        }
    };
    let mut read = |json: Value| Schema::read(&json, &mut files);
    let whole = read(json!({"file": "full.json", "default": 3})).expect("a schema");
    assert_eq!(whole.default_value(), Some(&json!(3)));
    assert!(!whole.is_valid(&json!(0)));
    assert!(
        read(json!({"x": {"file": "short.json"}}))
            .expect("a schema")
            .is_valid(&json!({"x": {"a": ""}}))
    );
    assert!(
        read(json!({"file": "refs.json"}))
            .expect("a schema")
            .is_valid(&json!({"x": ""}))
    );
    assert_eq!(
        read(json!({"x": {"file": "refs.json"}})).expect_err("a part")[0].pointer,
        "/x"
    );
    let flaws = read(json!({"x": {"file": "bad.json"}})).expect_err("bad");
    assert_eq!(flaws[0].message, "`bad.json` at `/a`: there is no type `str`");
    assert_eq!(read(json!({"file": "none.json"})), Err(Vec::new()));
    assert_eq!(asked[1], "/x/file short.json");
}

#[test]
fn violations_in_our_words() {
    let schema = yaml(
        "{type: object, required: [name], additionalProperties: false, properties: {name: string, limit: {type: integer, \
         minimum: 1}, kind: {enum: [simple, complex]}, tags: {type: array, items: string, maxItems: 2}, \
         id: {type: string, pattern: '^[a-z]+$', maxLength: 5}, who: {anyOf: [{n: integer}, 'null']}}}",
    );
    let table = [
        (json!({"name": "x", "limit": 0}), "/limit: 0 is below 1"),
        (
            json!({"name": "x", "limit": "3"}),
            "/limit: needs an integer, found the text `3`",
        ),
        (json!({"name": 3}), "/name: needs a string, found the number 3"),
        (json!({}), ": `name` is missing"),
        (json!({"name": "x", "a/b": 1}), "/a~1b: unknown field `a/b`"),
        (
            json!({"name": "x", "kind": "odd"}),
            "/kind: `odd` is not `simple` or `complex`",
        ),
        (
            json!({"name": "x", "tags": ["a", "b", "c"]}),
            "/tags: has more than 2 elements",
        ),
        (
            json!({"name": "x", "tags": [null]}),
            "/tags/0: needs a string, found null",
        ),
        (
            json!({"name": "x", "id": "abcdef"}),
            "/id: `abcdef` is longer than 5 characters",
        ),
        (
            json!({"name": "x", "id": "A"}),
            "/id: `A` does not match `^[a-z]+$`",
        ),
        (
            json!({"name": "x", "who": {"n": "y"}}),
            "/who/n: needs an integer, found the text `y`",
        ),
        (json!([]), ": needs an object, found a list"),
    ];
    for (value, expected) in table {
        let violations = schema.validate(&value).expect_err(&value.to_string());
        let found: Vec<_> = violations
            .iter()
            .map(|v| format!("{}: {}", v.pointer, v.message))
            .collect();
        assert_eq!(found, [expected]);
    }
    assert_eq!(
        schema.validate(&json!({"name": "x", "who": null, "limit": 5})),
        Ok(())
    );
    let many = read(json!(["integer"]))
        .validate(&json!(vec!["x"; 500]))
        .expect_err("texts");
    assert_eq!(many.len(), MAX_VIOLATIONS);
}

#[test]
fn files_are_values_of_their_own() {
    let schema = yaml("{a: file, b: file|null}");
    let file =
        json!({"name": "x.txt", "media_type": "text/plain", "bytes": 3, "artifact": null, "text": "abc"});
    assert!(schema.is_valid(&json!({"a": file, "b": null})));
    assert!(!schema.is_valid(&json!({"a": null, "b": null})));
    assert!(matches!(schema.field(&["a"]), Known::Schema(schema) if schema.is_file()));
    assert!(yaml("{type: file, description: the order}").is_file());
    assert_eq!(Schema::file(), yaml("file"));
    assert!(!yaml("object").is_file());
}

#[test]
fn null_and_any() {
    for schema in [
        "null",
        "string|null",
        "any",
        "{enum: [a, null]}",
        "{anyOf: [string, 'null']}",
        "{type: object|null}",
    ] {
        let schema = if schema == "null" {
            read(json!("null"))
        } else {
            yaml(schema)
        };
        assert!(schema.may_be_null(), "{schema:?}");
    }
    for schema in [
        "string",
        "{enum: [a]}",
        "{a: 'null'}",
        "{type: string|null, enum: [a]}",
    ] {
        assert!(!yaml(schema).may_be_null(), "{schema}");
    }
    assert!(yaml("{type: any, description: whatever}").is_any());
    assert!(!yaml("object").is_any());
    assert!(Schema::string().or_null().is_valid(&Value::Null));
    assert!(!Schema::string().array().is_valid(&json!([3])));
}

/// Any JSON, with the words of schemas in it often enough to matter.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("string".to_owned()),
        Just("object".to_owned()),
        Just("#/$defs/a".to_owned()),
        Just("#".to_owned()),
        "[a-z|?]{0,4}",
    ];
    let key = prop_oneof![
        Just("type".to_owned()),
        Just("properties".to_owned()),
        Just("items".to_owned()),
        Just("$ref".to_owned()),
        Just("$defs".to_owned()),
        Just("anyOf".to_owned()),
        Just("enum".to_owned()),
        Just("required".to_owned()),
        Just("additionalProperties".to_owned()),
        Just("a".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        word.prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_a_schema_or_has_flaws(json in any_json(), value in any_json(), other in any_json()) {
        let schemas: Vec<Schema> = [json, other]
            .into_iter()
            .flat_map(|json| [Schema::from_json(json.clone()).ok(), Schema::read(&json, &mut no_files).ok()])
            .flatten()
            .collect();
        for schema in &schemas {
            let _ = (schema.validate(&value), schema.field(&["a", "0"]), schema.enum_values(), schema.strict_flaws());
            let _ = (schema.parse_text("x"), schema.or_null(), schema.array().validate(&value));
            for other in &schemas {
                schema.compatible(other);
            }
        }
    }
}
