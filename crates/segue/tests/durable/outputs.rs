//! Outputs too large for a log: written and read in pieces, and the same afterwards.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use segue::{Cx, Data, ErrorKind, Pipeline, Result, Runner};
use serde::ser::{Error, SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

use crate::support::{memory, output};

/// How much is written at once.
const PIECE: usize = 256 * 1024;

async fn pass<T>(_: Cx, value: T) -> Result<T> {
    Ok(value)
}

/// What comes out where this goes in and through two steps.
async fn through<T: Data>(value: T) -> T {
    let pipeline = Pipeline::define("through", |p, value| {
        let passed = p.step("pass", pass::<T>, value);
        p.step("again", pass::<T>, passed)
    });
    let runner = Runner::builder().store_in(memory()).build().expect("a runner");
    let run = runner.start(&pipeline.expect("a pipeline"), value).await;
    output(&run.expect("it starts")).await
}

#[tokio::test]
async fn a_text_is_the_same_wherever_its_pieces_end() {
    for character in ["x", "é", "🫖", "\"", "\\", "\n", "\u{1}"] {
        let width = serde_json::to_string(character).expect("it is JSON").len() - 2;
        for off in 0..width {
            let text = "y".repeat(off) + &character.repeat(3 * PIECE / width);
            assert!(through(text.clone()).await == text, "{character:?}, {off} behind");
        }
    }
}

#[tokio::test]
async fn a_list_is_the_same_too() {
    let list: Vec<(u32, String, Option<f64>)> = (0..60_000)
        .map(|at| {
            (
                at,
                format!("\"{at}\""),
                (at % 3 > 0).then_some(f64::from(at) / 7.0),
            )
        })
        .collect();
    assert!(through(list.clone()).await == list);
}

/// Is written up to so many items, and then refuses.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Refuses(usize);

impl Serialize for Refuses {
    fn serialize<S: Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(None)?;
        for item in 0..self.0 {
            list.serialize_element(&item)?;
        }
        Err(S::Error::custom("that was enough"))
    }
}

impl JsonSchema for Refuses {
    fn schema_name() -> Cow<'static, str> {
        "Refuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

#[tokio::test]
async fn what_is_no_json_is_refused_however_late_it_shows() {
    for items in [0, 10, 100_000, 1_000_000] {
        let pipeline = Pipeline::define("refuses", |p, items| {
            p.step(
                "make",
                |_: Cx, items: usize| async move { Ok(Refuses(items)) },
                items,
            )
        });
        let runner = Runner::builder().store_in(memory()).build().expect("a runner");
        let run = runner.start(&pipeline.expect("a pipeline"), items).await;
        let error = run.expect("it starts").done().await.err().expect("it fails");
        assert_eq!(error.kind(), ErrorKind::Step, "{items}: {error}");
        let message = error.to_string();
        let said = "the output of step `make` cannot be written as JSON: that was enough";
        assert!(message.contains(said), "{items}: {message}");
    }
}
