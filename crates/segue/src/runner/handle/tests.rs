//! What a run has handed over, and who waits for it.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;

use super::{Known, lock};
use crate::log::{EventKind, ROOT};
use crate::run::{Batch, Recorder, RunShared};
use crate::store::MemoryStore;
use crate::testing::Held;
use crate::{Cx, Pipeline, Result, Runner};

fn note(text: &str) -> EventKind {
    EventKind::QuestionRefused {
        question: crate::QuestionId::from_bits(1),
        by: text.to_owned(),
        errors: Vec::new(),
    }
}

/// A run at work, on a store that keeps its answers back from now on.
async fn at_work() -> (Runner, Arc<Held>, Arc<RunShared>, Arc<Recorder>) {
    async fn never(_cx: Cx, n: u64) -> Result<u64> {
        pending::<()>().await;
        Ok(n)
    }
    let held = Arc::new(Held::new(Arc::new(MemoryStore::new())));
    let runner = Runner::builder()
        .store_in(held.clone())
        .build()
        .expect("a runner");
    let pipeline = Pipeline::define("waits", |p, n| p.step("wait", never, n)).expect("a pipeline");
    let run = runner.start(&pipeline, 1).await.expect("it starts");
    let shared = match &*lock(&run.known) {
        Known::Session(session) => session.shared.clone(),
        Known::Log(_) => panic!("this process works on it"),
    };
    let recorder = shared.recorder.clone().expect("it is kept");
    recorder
        .flush(&shared.log, Batch::default())
        .await
        .expect("it is written");
    held.hold();
    (runner, held, shared, recorder)
}

#[tokio::test]
async fn whoever_has_nothing_to_hand_over_waits_for_what_others_have() {
    let (_runner, held, shared, recorder) = at_work().await;
    shared.log.note(ROOT, note("first"));
    let mut first = pin!(recorder.flush(&shared.log, Batch::default()));
    let mut second = pin!(recorder.flush(&shared.log, Batch::default()));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none(), "it is not durable yet");
    held.release();
    second.await.expect("it is written");
    first.await.expect("it is written");
    let third = recorder.flush(&shared.log, Batch::default());
    assert!(third.now_or_never().is_some(), "nothing is under way");
}

#[tokio::test]
async fn nothing_is_handed_over_while_something_is_put_down_together() {
    let (_runner, held, shared, recorder) = at_work().await;
    held.release();
    let whole = recorder.together();
    shared.log.note(ROOT, note("one"));
    // Another attempt flushes from another thread, and has to wait for the rest.
    let other = std::thread::spawn({
        let (shared, recorder) = (shared.clone(), recorder.clone());
        move || drop(recorder.flush(&shared.log, Batch::default()))
    });
    shared.log.note(ROOT, note("two"));
    assert!(!shared.log.is_sealed(), "neither of them was handed over");
    let flushed = recorder.flush_whole(whole, &shared.log, Batch::default());
    other.join().expect("it ends");
    flushed.await.expect("they are written");
    let store = recorder.store();
    let last = store.log(shared.id, 0, 100).await.expect("read");
    assert!(last.iter().any(|entry| entry.events == 2), "both in one entry");
}
