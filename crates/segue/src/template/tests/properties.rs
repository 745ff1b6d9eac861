//! What holds for any source and any value.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::{Expr, Template};
use super::{Run, expr, template};

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>()
            .prop_filter("JSON has finite numbers", |number| number.is_finite())
            .prop_map(Json::from),
        ".*".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            proptest::collection::btree_map(".*", inner, 0..6)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

/// Sources that look like the language, so that more of them parse than random text would.
fn any_source() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "{{",
            "}}",
            "{%",
            "%}",
            "{#",
            "#}",
            "x",
            "inputs.n",
            "steps.a.output",
            "|",
            "length",
            "is",
            "not",
            "and",
            "or",
            "in",
            "if",
            "else",
            "for",
            "endfor",
            "endif",
            "set",
            "=",
            "==",
            "<",
            "+",
            "-",
            "*",
            "**",
            "/",
            "~",
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            ":",
            ",",
            ".",
            "'a'",
            "1",
            "2.5",
            "none",
            "true",
            "loop.index",
            "range(3)",
            " ",
            "é",
            "\n",
            "raw",
            "endraw",
            "map('upper')",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ];
    proptest::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn any_text_parses_or_faults_within_itself(source in prop_oneof![any_source(), ".*"]) {
        let faults = [Template::parse(&source).err(), Expr::parse(&source).err()];
        for fault in faults.into_iter().flatten().flatten() {
            prop_assert!(source.get(fault.offset..fault.offset + fault.len).is_some(), "{:?}", fault);
        }
    }

    #[test]
    fn whatever_parses_evaluates_or_fails_within_itself(source in any_source()) {
        let wrapped = format!("{{{{ {source} }}}}");
        for source in [&source, &wrapped] {
            if let Ok(template) = Template::parse(source) {
                template.kinds(&|_| None);
                if let Err(error) = template.render(&Run) {
                    prop_assert!(source.get(error.offset..error.offset + error.len).is_some(), "{:?}", error);
                }
            }
        }
    }

    #[test]
    fn any_value_passes_through_one_expression_unchanged(value in any_json()) {
        let scope = BTreeMap::from([("x".to_owned(), Arc::new(value.clone()))]);
        prop_assert_eq!(template("{{ x }}").render(&scope), Ok(value.clone()));
        prop_assert_eq!(template("{{ [x][0] }}").render(&scope), Ok(value.clone()));
        prop_assert_eq!(template("{{ (x | tojson) | fromjson == x }}").render(&scope).is_ok(), true);
    }

    #[test]
    fn text_is_never_rendered_again(text in prop_oneof![any_source(), ".*"]) {
        let scope = BTreeMap::from([("x".to_owned(), Arc::new(Json::from(text.clone())))]);
        prop_assert_eq!(template("<{{ x }}>").render(&scope), Ok(Json::from(format!("<{text}>"))));
        prop_assert_eq!(template("{% set y %}{{ x }}{% endset %}{{ y ~ '' }}!").render(&scope), Ok(Json::from(format!("{text}!"))));
    }

    #[test]
    fn numbers_never_wrap(left in any::<i64>(), right in any::<i64>()) {
        let scope = BTreeMap::from([("a".to_owned(), Arc::new(json!(left))), ("b".to_owned(), Arc::new(json!(right)))]);
        for (source, exact) in [("a + b", i128::from(left) + i128::from(right)), ("a * b", i128::from(left) * i128::from(right)), ("a - b", i128::from(left) - i128::from(right))] {
            match expr(source).eval(&scope) {
                Ok(value) => prop_assert_eq!(value.to_string(), exact.to_string()),
                Err(error) => {
                    prop_assert_eq!(error.kind, "number_range");
                    prop_assert!(i64::try_from(exact).is_err() && u64::try_from(exact).is_err());
                }
            }
        }
    }
}
