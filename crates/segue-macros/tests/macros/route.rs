//! `#[derive(Route)]`: the arms, and the enum as data.

use std::collections::BTreeMap;

use segue_macros::Route;
use serde_json::json;

use crate::Route;

/// How long the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Route)]
enum Size {
    Short,
    VeryLong,
    /// Not one of the two.
    #[route(name = "other-1")]
    Other,
}

#[test]
fn arms_are_the_variants_in_order() {
    assert_eq!(Size::ARMS, ["short", "very_long", "other-1"]);
    assert_eq!(Size::all(), [Size::Short, Size::VeryLong, Size::Other]);
}

#[test]
fn an_arm_is_found_by_its_name_and_by_no_other() {
    for size in Size::all() {
        assert_eq!(Size::from_arm(size.arm()), Some(size));
    }
    for name in ["", "Short", "other", "short "] {
        assert_eq!(Size::from_arm(name), None, "{name}");
    }
}

#[test]
fn it_is_written_and_read_as_the_arm() {
    for size in Size::all() {
        let value = serde_json::to_value(size).unwrap();
        assert_eq!(value, json!(size.arm()));
        assert_eq!(serde_json::from_value::<Size>(value).unwrap(), size);
    }
    let by_size: BTreeMap<Size, u8> = serde_json::from_str(r#"{ "very_long": 2 }"#).unwrap();
    assert_eq!(by_size[&Size::VeryLong], 2);
}

#[test]
fn an_unknown_arm_is_refused_with_those_there_are() {
    let error = serde_json::from_str::<Size>(r#""huge""#).unwrap_err().to_string();
    assert!(
        error.starts_with("unknown variant `huge`, expected one of `short`, `very_long`, `other-1`"),
        "{error}"
    );
}

#[test]
fn its_schema_is_the_list_of_arms() {
    let schema = schemars::SchemaGenerator::default().subschema_for::<Vec<Size>>();
    assert_eq!(
        schema.to_value(),
        json!({
            "type": "array",
            "items": {
                "description": "How long the answer is.",
                "type": "string",
                "enum": ["short", "very_long", "other-1"],
            },
        }),
    );
}
