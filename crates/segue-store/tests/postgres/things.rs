//! Everything else a test may want: owners, artifacts, amounts, and a connection apart from any store.

use std::collections::BTreeMap;

use segue::store::{AccountKey, Hold, HoldState, KeptArtifact, LinkVersion, Owner, Place, Settlement, Store};
use segue::{Artifact, ArtifactId, CallId, RunId, Time};
use segue_store::Postgres;
use tokio::runtime::Handle;
use tokio_postgres::{Client, NoTls};

use crate::sample::owner_id;
use segue_store::testing::cluster;

/// Somebody who asks the server apart from any store.
pub(crate) async fn client() -> Client {
    let (client, connection) = tokio_postgres::connect(&cluster().address(), NoTls)
        .await
        .unwrap();
    Handle::current().spawn(async move {
        let _ = connection.await;
    });
    client
}

/// An owner of this number.
pub(crate) fn owner(number: u64) -> Owner {
    Owner {
        id: owner_id(number),
        place: Place::here(),
    }
}

/// Labels.
pub(crate) fn labels<const N: usize>(labels: [(&str, &str); N]) -> BTreeMap<String, String> {
    labels
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Reserves one nano-dollar for a call of the run, in the one account there is; gives how it is to be settled.
pub(crate) async fn reserved(store: &Postgres, run: u128) -> (CallId, Settlement) {
    let hold = Hold {
        call: CallId::from_bits(run),
        run: RunId::from_bits(run),
        fence: 1,
        state: HoldState::Reserved,
        amounts: [0; 3],
    };
    let account = AccountKey {
        name: "pipeline:research/day".into(),
        window: "2026-03-01".into(),
    };
    let decide = Box::new(|_: &[_]| Some([1, 0, 0]));
    let reserved = store.reserve(hold.clone(), vec![account], decide).await.unwrap();
    assert_eq!(reserved, Some([1, 0, 0]));
    (hold.call, Settlement::Spent([1, 0, 0]))
}

/// An artifact of the run.
pub(crate) fn artifact(run: u128) -> KeptArtifact {
    KeptArtifact {
        artifact: Artifact {
            id: ArtifactId::from_bits(run),
            name: "report.md".into(),
            step: "write".into(),
            bytes: 7,
            sha256: format!("{run:064x}"),
            media_type: "text/markdown".into(),
        },
        run: RunId::from_bits(run),
        pipeline: "research".into(),
        at: Time::from_micros(1),
        is_output: false,
    }
}

/// A link to the artifact of the run.
pub(crate) fn link(run: u128, at: Time) -> LinkVersion {
    let KeptArtifact {
        artifact,
        pipeline,
        run,
        ..
    } = artifact(run);
    LinkVersion {
        pipeline,
        link: "latest".into(),
        version: 0,
        artifact,
        run,
        at,
    }
}
