//! Audits of a whole store.

use serde_json::json;

use super::{Kept, ran, sound, store};
use crate::audit::reader::astray;
use crate::audit::{Audit, Rule};
use crate::store::{AccountKey, Head, Hold, HoldState, Settlement, Store};

#[tokio::test(start_paused = true)]
async fn a_store_is_audited_run_by_run() {
    let store = store();
    ran(&store, Some(json!({"reader": "Ada"}))).await;
    let mut told = 0;
    let report = Audit::of(store.clone())
        .all(|runs| told = runs)
        .await
        .expect("it reads");
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert_eq!(
        (
            report.runs,
            report.documents,
            report.bytes,
            report.bytes_read,
            told
        ),
        (1, 2, 1, 1, 1)
    );
    assert!(report.events > 10 && report.entries > 2);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_gone_are_found() {
    let store = store();
    let run = ran(&store, Some(json!({"reader": "Ada"}))).await;
    let swept = store
        .blobs()
        .sweep(Default::default(), std::time::Duration::ZERO)
        .await;
    assert_eq!(swept.expect("it sweeps"), 1);
    let report = Audit::of(store.clone())
        .deep()
        .all(|_| ())
        .await
        .expect("it reads");
    let [finding] = report.findings.as_slice() else {
        panic!("{:#?}", report.findings);
    };
    assert_eq!((finding.rule, finding.run), (Rule::Artifact, Some(run)));
    assert!(
        finding.message.contains("the bytes of artifact `draft.md`"),
        "{finding}"
    );
    assert!(finding.way_out().contains(&format!("segue rerun {run}")));
}

#[tokio::test(start_paused = true)]
async fn a_workspace_has_results_of_its_own_runs_only() {
    let kept = sound().await;
    let why = |head: Option<&Head>, key: &str| astray(head, "study", key);
    assert_eq!(why(Some(&kept.head), "a"), None);
    assert_eq!(why(None, "a").as_deref(), Some("which is not there"));
    assert_eq!(
        why(Some(&kept.head), "b").as_deref(),
        Some("which works on `a` (study)")
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_shared_budget_keeps_belongs_to_a_call() {
    let store = store();
    let run = ran(&store, None).await;
    let head = store.head(run).await.expect("it reads").expect("it is there");
    let kept = Kept::of(&*store, run).await;
    let account = AccountKey {
        name: "budget:all/day".into(),
        window: "2026-03-01".into(),
    };
    let call = "call_00000000000000000000000001".parse().expect("an id");
    let hold = Hold {
        call,
        run,
        fence: head.fence,
        state: HoldState::Reserved,
        amounts: [7, 0, 1],
    };
    assert_eq!(kept.holds, []);
    let decide = Box::new(|_: &[crate::store::Account]| Some([7, 0, 1]));
    store
        .reserve(hold, vec![account], decide)
        .await
        .expect("it is reserved");
    let report = Audit::of(store.clone()).all(|_| ()).await.expect("it reads");
    let rules: Vec<Rule> = report.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(
        rules,
        [Rule::Hold],
        "the account keeps what the call holds, and the run that holds it rests"
    );
    store
        .settle(run, vec![(call, Settlement::Released)])
        .await
        .expect("it is given back");
    let report = Audit::of(store).all(|_| ()).await.expect("it reads");
    assert!(report.is_clean(), "{:#?}", report.findings);
}
